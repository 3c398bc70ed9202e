"""How well a face can be read: what is measured of it, and why an answer about it is not to be relied on.

All of it comes from the crop that the network reads, from the box and the landmarks; 0.1 ms a face without `covered`
(`python -m timeit -s "import numpy, emotion.quality as q; c = numpy.zeros((48, 48), 'uint8')" "q.measure_crop(c)"`).
What covers a face (a mask, a hand) is told by `emotion.covering`; strong compression is told by nothing here.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from emotion.alignment import Landmarks
from emotion.contract import Reason
from emotion.detection import Detection

WHITE = 250
"""Grey from which on a pixel shows nothing but light."""

SECOND_DIFFERENCES = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
"""Does not see edges and slopes, only noise (Immerkær 1996, "Fast Noise Variance Estimation")."""

ALONG = np.diag(np.array([1, -2, 1], dtype=np.float32)) / 2
ACROSS = np.zeros((3, 3), dtype=np.float32)
ACROSS[1] = 1, -2, 1
DIRECTIONS = (ACROSS, ACROSS.T.copy(), ALONG, np.fliplr(ALONG).copy())
"""Second differences per pixel squared: across, down, and along both diagonals, whose neighbours are √2 apart."""


@dataclass(frozen=True)
class Limits:
    """Where reading a face stops being reliable; each in the unit of `Quality`.

    `sharpness` to `covered` mark nine of ten crops wherever noise, blur, few pixels, low light, overexposure, low
    contrast or things in front of the face, all done to them on purpose, bring the accuracy of the served network below
    60 %: `make limits` prints them, and `model_store/STRESS.md` says what they catch. The others are set, not measured:
    a smaller face than `size` has too few pixels for its mouth and eyes, and FER-2013's faces are nearly upright
    (`roll`), frontal (`turn`) and whole (`inside`).
    """

    size: float = 20.0
    sharpness: float = 0.093
    noise: float = 19.224
    brightness: float = 25.833
    contrast: float = 5.721
    clipped: float = 0.375
    covered: float = 0.123
    roll: float = 35.0
    turn: float = 0.4
    inside: float = 0.75


LIMITS = Limits()


@dataclass(frozen=True)
class Quality:
    """What is measured of a face.

    `size`: width of its box in pixels of the photo. Of the crop: `sharpness`, the mean second difference per unit of
    contrast, in the direction in which it is least, as motion blurs in one; `noise`, the standard deviation of what is
    neither edge nor slope, `brightness`, the mean, and `contrast`, the standard deviation, in grey values of 0–255;
    `clipped`, the share of white pixels; `covered`, the share that something in front of the face covers. `roll`:
    degrees by which the head is tilted clockwise on the screen. `turn`: how far the nose is from the middle between the
    eyes, along the line between them, in distances between the eyes; 0 is frontal, positive is to the viewer's right.
    `inside`: share of the box within the photo.
    """

    size: float
    sharpness: float
    noise: float
    brightness: float
    contrast: float
    clipped: float
    covered: float
    roll: float
    turn: float
    inside: float

    def reasons(self, limits: Limits = LIMITS) -> tuple[Reason, ...]:
        """Why the answer is not reliable; empty if it is."""
        return tuple(_beyond(self, limits))


def measure(  # noqa: PLR0913
    crop: np.ndarray,
    face: Detection,
    landmarks: Landmarks,
    width: int,
    height: int,
    *,
    reduction: int = 1,
    covered: float = 0.0,
) -> Quality:
    """The quality of a face in a photo of `width` × `height` pixels, from its crop, grey uint8 `[48, 48]`.

    `reduction`: how many times larger the photo was before it was decoded. `covered`: what `emotion.covering` says of
    the crop.
    """
    sharpness, noise, brightness, contrast, clipped = measure_crop(crop)
    across = min(face.x + face.width, width) - max(face.x, 0)
    down = min(face.y + face.height, height) - max(face.y, 0)
    inside = max(across, 0.0) * max(down, 0.0) / (face.width * face.height)
    return Quality(
        face.width * reduction,
        sharpness,
        noise,
        brightness,
        contrast,
        clipped,
        covered,
        landmarks.roll,
        _turn(landmarks),
        inside,
    )


def measure_crop(crop: np.ndarray) -> tuple[float, float, float, float, float]:
    """Sharpness, noise, brightness, contrast and the share of white pixels of a crop, grey uint8 `[48, 48]`."""
    grey = crop.astype(np.float32)
    (mean,), (deviation,) = (each[0] for each in cv2.meanStdDev(grey))
    # A flat crop has no contrast to divide by, and no detail either.
    sharpness = min(_strength(grey, each) for each in DIRECTIONS) / max(deviation, 1.0)
    noise = math.sqrt(math.pi / 2) * _strength(grey, SECOND_DIFFERENCES) / 6
    return sharpness, noise, float(mean), float(deviation), float((crop >= WHITE).mean())


def _strength(grey: np.ndarray, kernel: np.ndarray) -> float:
    """Mean size of what `kernel`, 3×3, answers within the picture."""
    inside = cv2.filter2D(grey, cv2.CV_32F, kernel)[1:-1, 1:-1]
    return cv2.norm(inside, cv2.NORM_L1) / inside.size


def _turn(landmarks: Landmarks) -> float:
    left, right, nose = (np.array(point) for point in (landmarks.left_eye, landmarks.right_eye, landmarks.nose))
    line = right - left
    return float((nose - (left + right) / 2) @ line / max(float(line @ line), 1e-6))


def _beyond(quality: Quality, limits: Limits) -> Iterator[Reason]:
    if quality.size < limits.size:
        yield "too_small"
    if quality.sharpness < limits.sharpness:
        yield "too_blurred"
    if quality.noise > limits.noise:
        yield "too_noisy"
    if quality.brightness < limits.brightness:
        yield "too_dark"
    if quality.clipped > limits.clipped:
        yield "too_bright"
    if quality.contrast < limits.contrast:
        yield "low_contrast"
    if quality.covered > limits.covered:
        yield "covered"
    if abs(quality.roll) > limits.roll:
        yield "tilted"
    if abs(quality.turn) > limits.turn:
        yield "turned"
    if quality.inside < limits.inside:
        yield "cut_off"
