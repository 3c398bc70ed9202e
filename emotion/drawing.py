"""Boxes and labels on a photo, with OpenCV alone: readable on any background and at any size."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from emotion.labels import COLOURS
from emotion.pipeline import Face
from emotion.placement import Rectangle, hidden, place

INK, PAPER = (255, 255, 255), (16, 24, 40)
"""RGB. Labels are light on dark, boxes a coloured line on a wider dark one, so that both show on any photo."""

SMALLEST_PICTURE = 480
"""Pixels of the longer side; smaller photos are enlarged, so that there is room for legible letters."""

LARGEST_TEXT, SMALLEST_TEXT = 1 / 45, 14
"""Size of the letters: a fifth of the face's width, but no more than this share of the picture's longer side, and no
less than this many pixels."""

FONT, FONT_WEIGHT = "sans", 600
"""The typeface that OpenCV has built in, semibold."""

Colour = tuple[int, int, int]


def annotate(image: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """A copy of a BGR uint8 image `[height, width, 3]` with a numbered, labelled box on every face.

    An image smaller than `SMALLEST_PICTURE` is enlarged by a whole number. A label that would hide a face or another
    label shrinks to its number; its colour still shows the emotion.
    """
    factor = max(math.ceil(SMALLEST_PICTURE / max(image.shape[:2])), 1)
    picture = image.copy()
    if factor > 1:
        picture = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    boxes = [_box(face, factor) for face in faces]
    largest = round(max(picture.shape[:2]) * LARGEST_TEXT)
    sizes = [max(min((right - left) // 5, largest), SMALLEST_TEXT) for left, _, right, _ in boxes]
    for (left, top, right, bottom), size in zip(boxes, sizes, strict=True):
        cv2.rectangle(picture, (left, top), (right, bottom), _bgr(PAPER), 3 * _line(size), cv2.LINE_AA)
    for face, (left, top, right, bottom), size in zip(faces, boxes, sizes, strict=True):
        cv2.rectangle(picture, (left, top), (right, bottom), _bgr(COLOURS[face.emotion]), _line(size), cv2.LINE_AA)
    covered, whole = list(boxes), (picture.shape[1], picture.shape[0])
    for number, (face, box, size) in enumerate(zip(faces, boxes, sizes, strict=True), start=1):
        text = f"{number}  {face.emotion} {face.confidence:.0%}"
        plate = place(_plate_size(text, size), box, size // 3, whole, covered)
        if hidden(plate, covered):
            text = str(number)
            plate = place(_plate_size(text, size), box, size // 3, whole, covered)
        _label(picture, text, _bgr(COLOURS[face.emotion]), size, plate)
        covered.append(plate)
    return picture


def _label(picture: np.ndarray, text: str, colour: Colour, size: int, plate: Rectangle[int]) -> None:
    """Write `text` on a dark plate with a strip of `colour`."""
    left, top, right, bottom = plate
    strip = size // 2
    cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), _bgr(PAPER), cv2.FILLED)
    cv2.rectangle(picture, (left, top), (left + strip - 1, bottom - 1), colour, cv2.FILLED)
    # Capital letters are 0.7 of the size high; this baseline centres them on the plate.
    baseline = top + (bottom - top + round(0.7 * size)) // 2
    cv2.putText(picture, text, (left + 2 * strip, baseline), _bgr(INK), cv2.FontFace(FONT), size, FONT_WEIGHT)


def _plate_size(text: str, size: int) -> tuple[int, int]:
    """Width and height, in pixels, of the plate for `text` in letters of `size` pixels."""
    width: int = cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace(FONT), size, FONT_WEIGHT)[2]
    return width + 3 * (size // 2), size * 3 // 2


def _line(size: int) -> int:
    """Pixels of a line that goes with letters of `size` pixels."""
    return max(round(size / 7), 1)


def _box(face: Face, factor: int) -> Rectangle[int]:
    found = face.detection
    left, top, width, height = (round(side * factor) for side in (found.x, found.y, found.width, found.height))
    return left, top, left + width, top + height


def _bgr(rgb: Colour) -> Colour:
    return rgb[2], rgb[1], rgb[0]
