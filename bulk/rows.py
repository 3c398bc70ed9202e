"""What is kept of a photo: one row a face, or one row that says why there is none."""

import pyarrow as pa

from emotion.answer import answer
from emotion.classifier import Classifier
from emotion.contract import ErrorAnswer, Face, Quality
from emotion.errors import ImageError
from emotion.labels import LABELS
from emotion.pipeline import Result

OK, NO_FACE = "ok", "no_face"

UNREADABLE = "unreadable_file"
"""The outcome of a photo whose bytes could not be had; like every error, `--retry-errors` tries it again."""

Row = dict[str, object]

MARKS = ("left_eye", "right_eye", "nose")

SCHEMA = pa.schema(
    [
        ("photo", pa.string()),  # its URI
        ("outcome", pa.string()),  # `ok`, `no_face`, or an error's code, which `message` explains
        ("message", pa.string()),
        ("image_width", pa.int32()),
        ("image_height", pa.int32()),
        ("turned", pa.int16()),
        ("left_out", pa.int32()),
        ("face", pa.int16()),  # from 1, the largest first
        *((name, pa.float32()) for name in ("x", "y", "width", "height", "detection_confidence")),
        *((f"{mark}_{axis}", pa.float32()) for mark in MARKS for axis in "xy"),
        ("emotion", pa.string()),
        ("confidence", pa.float32()),
        *((str(label), pa.float32()) for label in LABELS),
        ("reliable", pa.bool_()),
        ("reasons", pa.list_(pa.string())),
        ("quality", pa.struct([(name, pa.float32()) for name in Quality.model_fields])),
        ("model_version", pa.string()),
    ]
)
"""Pixels are those of the upright photo; names and units are those of `emotion.contract`."""


def failure(photo: str, version: str, code: str, message: str) -> list[Row]:
    """The row of a photo with an error."""
    return [{"photo": photo, "outcome": code, "message": message, "model_version": version}]


def rows(photo: str, result: Result | ImageError, classifier: Classifier) -> list[Row]:
    """The rows of a photo, from what the pipeline found in it."""
    found = answer(result, classifier)
    if isinstance(found, ErrorAnswer):
        return failure(photo, classifier.version, found.error.code, found.error.message)
    common: Row = {
        "photo": photo,
        "outcome": OK if found.faces else NO_FACE,
        "image_width": found.image.width,
        "image_height": found.image.height,
        "turned": found.turned,
        "left_out": found.left_out,
        "model_version": found.model.version,
    }
    return [common | _face(number, face) for number, face in enumerate(found.faces, start=1)] or [common]


def _face(number: int, face: Face) -> Row:
    marks = {
        f"{mark}_{axis}": value
        for mark in MARKS
        for axis, value in zip("xy", getattr(face.landmarks, mark), strict=True)
    }
    return {
        "face": number,
        **face.box.model_dump(),
        "detection_confidence": face.detection_confidence,
        **marks,
        "emotion": face.emotion,
        "confidence": face.confidence,
        **{str(label): value for label, value in face.probabilities.items()},
        "reliable": face.reliable,
        "reasons": list(face.reasons),
        "quality": face.quality.model_dump() if face.quality else None,
    }
