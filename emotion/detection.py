"""Faces in an image: CenterFace (Xu et al. 2019, arXiv:1911.03599) through OpenCV's DNN module."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

STRIDE = 4
"""Input pixels per cell of the network's output maps."""

MULTIPLE = 32
"""The network's input sides must be multiples of this."""

LOOKS = (256, 640, 1280)
"""Long sides, in pixels, to which the image is scaled for each look; a larger look is taken only when it may pay."""

SMALL_FACE, SMALL_IN_A_GROUP = 20, 40
"""If the smallest face found has a side below this many pixels of the scaled image, smaller ones may have been missed:
look again, larger. Where there are several faces, others may stand further back, so the bar is higher."""

OUTPUTS = ("537", "538", "539", "540")
"""Heat map, logarithms of height and width, offsets down and right, and five landmarks (unused; dlib's are steadier).

OpenCV 5 requires asking for all outputs or none."""

MIN_CONFIDENCE = 0.5
MAX_OVERLAP = 0.3
"""Of two boxes that overlap more than this (intersection over union), the weaker one is dropped."""


@dataclass(frozen=True)
class Detection:
    """A face: its box (pixels, origin top left, may reach beyond the image) and the detector's confidence."""

    x: float
    y: float
    width: float
    height: float
    confidence: float


class Detector:
    """Finds faces; holds the network, which is not safe to share between threads."""

    def __init__(self, model: Path) -> None:
        self._network = cv2.dnn.readNetFromONNX(str(model))

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Faces in a BGR uint8 image `[height, width, 3]`, largest first."""
        small, factor = _halve_or_more(image)
        found: list[Detection] = []
        longest = max(small.shape[:2])
        for long_side in LOOKS:
            seen = self._look(small, long_side)
            found = _without_overlaps(seen, found)
            if long_side >= longest or not _worth_another_look(found, long_side, longest):
                break
        boxed = [
            Detection(face.x * factor, face.y * factor, face.width * factor, face.height * factor, face.confidence)
            for face in found
        ]
        return sorted(boxed, key=lambda face: face.width * face.height, reverse=True)

    def _look(self, image: np.ndarray, long_side: int) -> list[Detection]:
        """One pass of the network over the image with its long side scaled down to at most `long_side` pixels."""
        height, width = image.shape[:2]
        scale = min(long_side / max(height, width), 1.0)
        scaled_width, scaled_height = max(round(width * scale), 1), max(round(height * scale), 1)
        scaled = cv2.resize(image, (scaled_width, scaled_height), interpolation=cv2.INTER_AREA)
        padded = cv2.copyMakeBorder(
            scaled, 0, -scaled_height % MULTIPLE, 0, -scaled_width % MULTIPLE, cv2.BORDER_CONSTANT, value=(0, 0, 0)
        )
        self._network.setInput(cv2.dnn.blobFromImage(padded, swapRB=True))
        heat, log_sizes, offsets, _ = self._network.forward(OUTPUTS)
        rows, columns = np.nonzero(heat[0, 0] >= MIN_CONFIDENCE)
        confidences = heat[0, 0, rows, columns]
        heights, widths = np.exp(log_sizes[0][:, rows, columns]) * STRIDE
        down, right = offsets[0][:, rows, columns]
        left = (columns + right + 0.5) * STRIDE - widths / 2
        top = (rows + down + 0.5) * STRIDE - heights / 2
        boxes = np.stack([left, top, widths, heights], axis=1)
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), confidences.tolist(), MIN_CONFIDENCE, MAX_OVERLAP)
        ratio = np.array([width / scaled_width, height / scaled_height] * 2)
        return [Detection(*map(float, (*(boxes[i] * ratio), confidences[i]))) for i in kept]


def _halve_or_more(image: np.ndarray) -> tuple[np.ndarray, int]:
    """The image scaled down by a whole number, still no smaller than the largest look, and that number.

    OpenCV scales by a whole number in a fraction of the time of other ratios, and each look then has less to scale.
    """
    factor = max(image.shape[:2]) // LOOKS[-1]
    if factor < 2:
        return image, 1
    height, width = image.shape[0] // factor, image.shape[1] // factor
    whole = image[: height * factor, : width * factor]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), factor


def _worth_another_look(found: list[Detection], long_side: int, longest: int) -> bool:
    """Whether a larger look may find more than `found`, which a look at `long_side` of `longest` pixels gave.

    If nothing was found, only a second look is worth it, not a third.
    """
    if not found:
        return long_side == LOOKS[0]
    smallest = min(min(face.width, face.height) for face in found) * long_side / longest
    return smallest < (SMALL_FACE if len(found) == 1 else SMALL_IN_A_GROUP)


def _without_overlaps(preferred: list[Detection], others: list[Detection]) -> list[Detection]:
    """All of `preferred`, and those of `others` that overlap none of them."""
    return preferred + [face for face in others if all(_overlap(face, kept) <= MAX_OVERLAP for kept in preferred)]


def _overlap(a: Detection, b: Detection) -> float:
    """Intersection over union of two boxes."""
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    intersection = max(width, 0.0) * max(height, 0.0)
    return intersection / (a.width * a.height + b.width * b.height - intersection)
