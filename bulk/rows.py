"""What is kept of a photo: one row a face, or one row that says why there is none."""

import pyarrow as pa

from emotion.contract import Quality
from emotion.labels import LABELS

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
