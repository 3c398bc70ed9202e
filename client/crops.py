"""The grey crop that the network reads of a face, cut out of the photo as the service cuts it."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from client.encoding import data_url, encoded
from emotion.contract import Face
from emotion.framing import Point, Square, frame
from emotion.labels import INPUT_SIZE

SAMPLES = 4
"""A crop is sampled at this multiple of its size and averaged down."""


def read_crops(picture: Image.Image, faces: Sequence[Face], turned: int) -> list[str]:
    """Each face's crop as a data URL of a PNG; `turned` as in the answer, which the faces are read after."""
    pixels = np.asarray(picture.convert("L"))
    upright = np.rot90(pixels, -turned // 90)
    crops = [_extract(upright, _square(face, turned, picture.size)) for face in faces]
    return [data_url(encoded(Image.fromarray(crop), "PNG"), "image/png") for crop in crops]


def _square(face: Face, turned: int, size: tuple[int, int]) -> Square:
    """The square of a face in the picture that was turned clockwise by `turned` degrees."""
    box, marks = face.box, face.landmarks
    centre = _turn((box.x + box.width / 2, box.y + box.height / 2), turned, size)
    height = box.height if turned % 180 == 0 else box.width
    return frame(centre, height, _turn(marks.left_eye, turned, size), _turn(marks.right_eye, turned, size))


def _turn(point: Point, turned: int, size: tuple[int, int]) -> Point:
    """Where a point of a picture of `size` is after the turn."""
    (x, y), (width, height) = point, size
    return {0: (x, y), 90: (height - y, x), 180: (width - x, height - y), 270: (y, width - x)}[turned]


def _extract(pixels: np.ndarray, square: Square) -> np.ndarray:
    """Grey uint8 `[48, 48]`; what lies outside the picture repeats its edge."""
    fine = INPUT_SIZE * min(max(round(square.side / INPUT_SIZE), 1), SAMPLES)
    across, down = np.meshgrid(*[(np.arange(fine) + 0.5 - fine / 2) * square.side / fine] * 2)
    cosine, sine = math.cos(math.radians(square.tilt)), math.sin(math.radians(square.tilt))
    x = (square.centre[0] + across * cosine - down * sine - 0.5).clip(0, pixels.shape[1] - 1)
    y = (square.centre[1] + across * sine + down * cosine - 0.5).clip(0, pixels.shape[0] - 1)
    left, top = x.astype(int), y.astype(int)
    right, bottom = (left + 1).clip(max=pixels.shape[1] - 1), (top + 1).clip(max=pixels.shape[0] - 1)
    upper = pixels[top, left] * (1 - x + left) + pixels[top, right] * (x - left)
    lower = pixels[bottom, left] * (1 - x + left) + pixels[bottom, right] * (x - left)
    sampled = upper * (1 - y + top) + lower * (y - top)
    step = fine // INPUT_SIZE
    crop: np.ndarray = sampled.reshape(INPUT_SIZE, step, INPUT_SIZE, step).mean((1, 3)).round().astype(np.uint8)
    return crop
