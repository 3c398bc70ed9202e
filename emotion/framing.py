"""Which square of a photo the network reads of a face: eyes made level, framed as in FER-2013. Needs no library."""

import math
from dataclasses import dataclass

Point = tuple[float, float]
"""x, y in pixels of the image, origin at its top left corner."""

MAX_TILT = 45.0
"""Degrees. The detector finds upright faces, so a steeper line between the eyes means that the landmarks are wrong."""


@dataclass(frozen=True)
class Framing:
    """Where FER-2013 would have cropped a face that the detector boxed.

    `side`: of the square crop, in heights of the box. `down`: how far the crop's centre lies below the box's, along the
    face's own vertical, in heights of the box. `toward_eyes`: how far it lies from the box's centre towards the middle
    of the eyes, along the face's own horizontal, as a fraction of that way. `python -m training.framing` prints these
    constants.
    """

    side: float
    down: float
    toward_eyes: float


FRAMING = Framing(side=1.105, down=-0.025, toward_eyes=0.222)


@dataclass(frozen=True)
class Square:
    """A square of a photo, in its pixels, turned clockwise by `tilt` degrees around its centre."""

    centre: Point
    side: float
    tilt: float


def roll(left_eye: Point, right_eye: Point) -> float:
    """Degrees by which the line between the eyes is turned clockwise, as seen."""
    return math.degrees(math.atan2(right_eye[1] - left_eye[1], right_eye[0] - left_eye[0]))


def tilt(left_eye: Point, right_eye: Point) -> float:
    """Degrees by which a crop is turned to make the eyes level: `roll`, or 0 if it exceeds `MAX_TILT`."""
    degrees = roll(left_eye, right_eye)
    return degrees if abs(degrees) <= MAX_TILT else 0.0


def frame(centre: Point, height: float, left_eye: Point, right_eye: Point, framing: Framing = FRAMING) -> Square:
    """The square of a face whose box has this centre and height."""
    degrees = tilt(left_eye, right_eye)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    eyes = (left_eye[0] + right_eye[0]) / 2, (left_eye[1] + right_eye[1]) / 2
    sideways = framing.toward_eyes * ((eyes[0] - centre[0]) * cosine + (eyes[1] - centre[1]) * sine)
    down = framing.down * height
    middle = centre[0] + sideways * cosine - down * sine, centre[1] + sideways * sine + down * cosine
    return Square(middle, framing.side * height, degrees)
