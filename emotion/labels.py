"""What a network reads and answers: the size of a face, and the seven classes in the order of FER-2013's ids."""

from typing import Literal, get_args

INPUT_SIZE = 48
"""Side of the square grey face, in pixels: FER-2013's own."""

Emotion = Literal["angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral"]

LABELS: tuple[Emotion, ...] = get_args(Emotion)
