"""Things drawn in front of upright faces for the stress report: polygons in OpenCV, larger with each strength.

They share with `training.occlusion` the parts of the face that they cover: its shapes are superellipses, mostly in any
grey; these have the outlines and greys of real things. Only its large hand, which the network that finds covers is
shown, is like the hand here: palm, fingers, place and grey.
"""

import cv2
import numpy as np

from emotion.labels import INPUT_SIZE

FINE = 8
"""Outlines are drawn at this many times the size, and averaged down."""

JITTER = 0.025
"""Standard deviation of a thing's place, as a fraction of the side: FER-2013's faces are not aligned."""

LENS = ((0.15, 0.33), (0.44, 0.33), (0.46, 0.40), (0.41, 0.49), (0.27, 0.50), (0.16, 0.43))
"""The left lens of aviator glasses, as fractions of the side; the right one mirrors it."""

MASK = ((0.16, 0.0), (0.50, -0.06), (0.84, 0.0), (0.84, 0.22), (0.68, 0.42), (0.32, 0.42), (0.16, 0.22))
"""A surgical mask, from its upper edge at the sides; the middle of the edge stands on the nose."""


def sunglasses(face: np.ndarray, size: float, generator: np.random.Generator) -> np.ndarray:
    """Dark glasses with lenses of `size` times the usual, over a grey face uint8 `[48, 48]`."""
    left = _scaled(np.array(LENS), size)
    right = (1 - left[:, 0], left[:, 1])
    bridge = np.array([(0.40, 0.36), (0.60, 0.36), (0.60, 0.39), (0.40, 0.39)])
    place = generator.normal(0, JITTER, 2)
    outlines = [left + place, np.stack(right, axis=1) + place, bridge + place]
    return _painted(face, outlines, generator.uniform(5, 60), generator)


def mask(face: np.ndarray, top: float, generator: np.random.Generator) -> np.ndarray:
    """A surgical mask whose upper edge lies at the height `top`, 0 at the picture's upper edge and 1 at its lower."""
    outline = np.array(MASK) + np.array((0, top)) + generator.normal(0, JITTER, 2)
    return _painted(face, [outline], generator.choice([235.0, 190.0, 40.0]), generator)


def hand(face: np.ndarray, size: float, generator: np.random.Generator) -> np.ndarray:
    """A palm with four fingers on one cheek and the mouth, in the grey of the face; `size` in sides of the picture."""
    side = generator.choice([-1, 1])
    palm = np.array([(-0.30, 0.30), (0.30, 0.30), (0.34, 0.75), (-0.26, 0.75)])
    fingers = [
        np.array([(at, 0.32), (at + 0.14, 0.32), (at + 0.12, -length), (at + 0.02, -length)])
        for at, length in ((-0.31, 0.22), (-0.155, 0.32), (0.0, 0.30), (0.155, 0.18))
    ]
    angle = np.radians(generator.normal(-25, 12))
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    place = np.array([0.5 + 0.14 * side, 0.72]) + generator.normal(0, JITTER, 2)
    outlines = [(part @ turn * size) * (side, 1) + place for part in (palm, *fingers)]
    grey = float(np.median(face[12:36, 12:36])) * generator.uniform(0.75, 1.15)
    return _painted(face, outlines, grey, generator)


def hair(face: np.ndarray, reach: float, generator: np.random.Generator) -> np.ndarray:
    """A fringe that hangs from the top down to the height `reach`, longer on one side."""
    across = np.linspace(-0.05, 1.05, 23)
    slope = generator.uniform(-0.25, 0.25)
    lower = reach + slope * (across - 0.5) + generator.uniform(-0.05, 0.05, len(across))
    outline = np.concatenate([[(-0.05, -0.05)], np.stack([across, lower], axis=1), [(1.05, -0.05)]])
    return _painted(face, [outline], generator.choice([25.0, 60.0, 120.0]), generator)


def _scaled(outline: np.ndarray, size: float) -> np.ndarray:
    middle = outline.mean(axis=0)
    scaled: np.ndarray = middle + (outline - middle) * size
    return scaled


def _painted(face: np.ndarray, outlines: list[np.ndarray], grey: float, generator: np.random.Generator) -> np.ndarray:
    """`face` under the filled `outlines`, `[M, 2]` of x and y in fractions of the side, in a grey with some grain."""
    side = INPUT_SIZE * FINE
    canvas = np.zeros((side, side), np.uint8)
    for outline in outlines:
        cv2.fillPoly(canvas, [np.rint(outline * side).astype(np.int32)], 255)
    share = cv2.resize(canvas, face.shape[::-1], interpolation=cv2.INTER_AREA) / 255
    filling = grey + generator.normal(0, 4, face.shape)
    return picture(face + (filling - face) * share)


def picture(values: np.ndarray) -> np.ndarray:
    """Grey values of any kind as uint8: rounded, and cut at 0 and 255."""
    rounded: np.ndarray = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded
