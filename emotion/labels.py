"""What a network reads and answers: the size of a face, and the seven classes in the order of FER-2013's ids."""

from typing import Literal, get_args

INPUT_SIZE = 48
"""Side of the square grey face, in pixels: FER-2013's own."""

Emotion = Literal["angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral"]

LABELS: tuple[Emotion, ...] = get_args(Emotion)

COLOURS: dict[str, tuple[int, int, int]] = {
    "happy": (250, 176, 5),
    "surprised": (255, 127, 80),
    "neutral": (134, 142, 150),
    "sad": (76, 139, 245),
    "fearful": (151, 117, 250),
    "angry": (240, 62, 62),
    "disgusted": (64, 192, 87),
}
"""The RGB colour in which each class is drawn."""


def css(colour: tuple[int, int, int]) -> str:
    """An RGB colour as browsers and charts want it, as in `#fab005`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
