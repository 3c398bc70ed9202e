"""What the pipeline found, in the contract's form; the service, the command and the library share it."""

from dataclasses import asdict

from emotion import contract
from emotion.classifier import Classifier
from emotion.errors import ImageError
from emotion.framing import Point
from emotion.labels import LABELS
from emotion.pipeline import Face, Result
from emotion.policy import enforced


def answer(
    result: Result | ImageError, classifier: Classifier, policy: contract.Policy | None = None
) -> contract.Analysis | contract.ErrorAnswer:
    """The contract's answer for one image, as `policy` allows it; its `to_json()` is the text that the service sends.

    Numbers are rounded here: pixels to 0.1, the detector's confidence to 4 decimals, probabilities
    to 6, what is measured of a face to 3, milliseconds to 2.
    """
    if isinstance(result, ImageError):
        return contract.ErrorAnswer(error=contract.Error(code=result.kind.code, message=str(result)))
    analysis = contract.Analysis(
        model=contract.Model(name=classifier.name, version=classifier.version, runtime=classifier.runtime),
        image=contract.Size(width=result.width, height=result.height),
        faces=tuple(_face(face) for face in result.faces),
        timings_ms={stage: round(result.timings_ms[stage], 2) for stage in contract.STAGES},
        detail=result.detail,
        turned=result.turned,
        left_out=result.left_out,
    )
    return enforced(analysis, policy) if policy else analysis


def _face(face: Face) -> contract.Face:
    box, marks = face.detection, face.landmarks
    return contract.Face(
        box=contract.Box(x=round(box.x, 1), y=round(box.y, 1), width=round(box.width, 1), height=round(box.height, 1)),
        detection_confidence=round(box.confidence, 4),
        landmarks=contract.Landmarks(
            left_eye=_point(marks.left_eye), right_eye=_point(marks.right_eye), nose=_point(marks.nose)
        ),
        emotion=face.emotion,
        confidence=round(face.confidence, 6),
        probabilities={label: round(value, 6) for label, value in zip(LABELS, face.probabilities, strict=True)},
        quality=contract.Quality(**{name: round(value, 3) for name, value in asdict(face.quality).items()}),
        reliable=face.reliable,
        reasons=face.reasons,
    )


def _point(point: Point) -> Point:
    return round(point[0], 1), round(point[1], 1)
