"""Photographs that were stored on their side or upside down, without the EXIF tag that says so.

CenterFace finds many faces that lie on their side, some of them as surely as upright ones (0.89), and its boxes do not
tell. But cut out small, a face that stands upright is one with a confidence of 0.46 to 0.71 and a turned one of 0.02 to
0.43, in 61 photographs turned by hand.
"""

from typing import Literal

import numpy as np

from emotion.alignment import Landmarks
from emotion.contract import STANDARD, Detail
from emotion.detection import FAST_LOOK, Detection, Detector
from emotion.framing import Point
from emotion.pyramid import Pyramid

Turn = Literal[0, 90, 180, 270]
"""Degrees clockwise by which a photo is turned to stand upright."""

TURNS: tuple[Turn, ...] = (90, 270, 180)
"""Degrees clockwise by which a photo may have to be turned to stand upright; the likelier ones first."""

UPRIGHT, MARGIN = 0.45, 0.2
"""Confidence in a small tile from which on a face stands upright, and by how much a turned one must exceed it."""

MIN_CONFIDENCE = 0.6
"""Of a face in a turned photo: three more looks are three more chances to see one where there is none."""


def detect_turned(
    detector: Detector, photo: Pyramid, detail: Detail = STANDARD
) -> tuple[Turn, Pyramid, list[Detection]]:
    """Faces, largest first, in the quarter turn in which they stand upright.

    Returns the degrees by which the photo was turned clockwise (0, 90, 180 or 270), the pyramid of the turned photo,
    and the faces in its pixels. Where nothing is found, the three other turns get a cheap look; where the surest face
    seems not to stand upright, it is looked at in the other turns.
    """
    faces = detector.detect(photo, detail)
    degrees = _turn_of(detector, photo, faces) if faces else _turn_that_shows_any(detector, photo)
    if degrees:
        turned = photo.turned(degrees // 90)
        if found := detector.detect(turned, detail):
            return degrees, turned, found
    return 0, photo, faces


def _turn_of(detector: Detector, photo: Pyramid, faces: list[Detection]) -> Turn:
    """Degrees clockwise by which the surest face would stand upright; 0 where it does, or that is in doubt."""
    surest = max(faces, key=lambda face: face.confidence)
    (upright,) = detector.confidences_turned(photo, surest, (0,))
    if upright >= UPRIGHT:
        return 0
    confidences = detector.confidences_turned(photo, surest, [degrees // 90 for degrees in TURNS])
    best = int(np.argmax(confidences))
    return TURNS[best] if confidences[best] > upright + MARGIN else 0


def _turn_that_shows_any(detector: Detector, photo: Pyramid) -> Turn:
    """Degrees clockwise of the turn that shows a cheap look the surest face; 0 if none shows any."""
    small = Pyramid(photo.scaled(2 * FAST_LOOK))
    best: Turn = 0
    surest = MIN_CONFIDENCE
    for degrees in TURNS:
        seen = max((face.confidence for face in detector.detect(small.turned(degrees // 90), "fast")), default=0.0)
        if seen > surest:
            best, surest = degrees, seen
    return best


def sent_point(point: Point, degrees: Turn, width: float, height: float) -> Point:
    """Where a point of the photo turned clockwise by `degrees` lies in the photo as sent, `width`×`height` pixels."""
    x, y = point
    return {0: (x, y), 90: (y, height - x), 180: (width - x, height - y), 270: (width - y, x)}[degrees]


def sent_box(face: Detection, degrees: Turn, width: float, height: float) -> Detection:
    """A face's box, likewise."""
    corners = ((face.x, face.y), (face.x + face.width, face.y + face.height))
    (x0, y0), (x1, y1) = (sent_point(corner, degrees, width, height) for corner in corners)
    return Detection(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0), face.confidence)


def sent_landmarks(marks: Landmarks, degrees: Turn, width: float, height: float) -> Landmarks:
    """Landmarks, likewise; left and right stay what they are in the upright photo."""
    return Landmarks(*(sent_point(at, degrees, width, height) for at in (marks.left_eye, marks.right_eye, marks.nose)))
