"""From a detected face to the 48×48 grey crop that the network reads: eyes made level, framed as in FER-2013."""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import dlib
import numpy as np

from emotion.detection import Detection
from emotion.framing import FRAMING, Framing, Point, frame, roll
from emotion.labels import INPUT_SIZE
from emotion.pyramid import Pyramid

LANDMARK_REACH, LANDMARK_SIZE = 2.0, 192
"""Landmarks are read in a square around the box, `LANDMARK_REACH` times its size, scaled to `LANDMARK_SIZE` pixels, so
that a face costs the same however large it is in the photo."""

NEAREST_STEP = 0.75
"""Pixels of the halved copy per sample, from which on it is used: it then has between 0.75 and 1.5."""

SAMPLES = 4
"""A crop is sampled at a multiple of its size, up to this, and averaged down: large faces do not alias. At a
multiple of two the crops lose sharpness that the network was trained on."""


@dataclass(frozen=True)
class Landmarks:
    """Middle of each eye and the base of the nose; left and right as the viewer sees them."""

    left_eye: Point
    right_eye: Point
    nose: Point

    @property
    def roll(self) -> float:
        """See `emotion.framing.roll`."""
        return roll(self.left_eye, self.right_eye)


class Aligner:
    """Reads landmarks with dlib's 5-point predictor (Kazemi & Sullivan 2014) and crops by them."""

    def __init__(self, model: Path) -> None:
        self._predictor = dlib.shape_predictor(str(model))

    def align(self, photo: Pyramid, face: Detection) -> tuple[Landmarks, np.ndarray]:
        """Landmarks and the crop, grey uint8 `[48, 48]`, of a face in a photo; both in pixels of the full image."""
        landmarks = self.landmarks(photo, face)
        return landmarks, crop(photo, face, landmarks)

    def landmarks(self, photo: Pyramid, face: Detection) -> Landmarks:
        """Landmarks of a face in a photo, in its pixels."""
        box_side = math.sqrt(face.width * face.height)
        reach = box_side * LANDMARK_REACH
        centre = _centre(face)
        patch = extract_square(photo, centre, reach, 0.0, LANDMARK_SIZE)
        margin = round(LANDMARK_SIZE * (1 - 1 / LANDMARK_REACH) / 2)
        box = dlib.rectangle(margin, margin, LANDMARK_SIZE - margin - 1, LANDMARK_SIZE - margin - 1)
        found = np.array([(part.x, part.y) for part in self._predictor(patch, box).parts()], dtype=np.float64)
        points = np.array(centre) + ((found + 0.5) / LANDMARK_SIZE - 0.5) * reach
        # dlib numbers the corners of the subject's left eye first, which is the viewer's right one.
        right_eye, left_eye, nose = points[0:2].mean(0), points[2:4].mean(0), points[4]
        return Landmarks(_point(left_eye), _point(right_eye), _point(nose))


def crop(photo: Pyramid, face: Detection, landmarks: Landmarks, framing: Framing = FRAMING) -> np.ndarray:
    """The levelled crop, grey uint8 `[48, 48]`, framed as FER-2013 frames its faces."""
    square = frame(_centre(face), face.height, landmarks.left_eye, landmarks.right_eye, framing)
    return extract_square(photo, square.centre, square.side, square.tilt, INPUT_SIZE, SAMPLES)


def extract_square(  # noqa: PLR0913, PLR0917
    photo: Pyramid, centre: Point, side: float, tilt: float, size: int, samples: int = 1
) -> np.ndarray:
    """A square of a photo, turned back by `tilt` degrees, as grey uint8 `[size, size]`.

    `centre` and `side` are in pixels of the full image; what lies outside it repeats its edge. It is taken from the
    halved copy that has about as many pixels there as are sampled: up to `samples` a side for each of the square's.
    """
    fine = size * min(max(round(side / size), 1), samples)
    level = photo.level(side / fine / NEAREST_STEP)
    step = side / fine / 2**level
    cosine, sine = math.cos(math.radians(tilt)) * step, math.sin(math.radians(tilt)) * step
    half = (fine - 1) / 2
    x, y = centre[0] / 2**level, centre[1] / 2**level
    # From a fine pixel's index to the copy's; OpenCV counts from the first pixel's centre, we from its corner.
    to_image = np.array(
        [
            [cosine, -sine, x - 0.5 - half * (cosine - sine)],
            [sine, cosine, y - 0.5 - half * (sine + cosine)],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    sampled = cv2.warpAffine(photo.grey(level), to_image, (fine, fine), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return sampled if fine == size else cv2.resize(sampled, (size, size), interpolation=cv2.INTER_AREA)


def _centre(face: Detection) -> Point:
    return face.x + face.width / 2, face.y + face.height / 2


def _point(xy: np.ndarray) -> Point:
    return float(xy[0]), float(xy[1])
