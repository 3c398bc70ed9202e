"""The committed reports of the served model, as the page shows them."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

Interval = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ClassScores(_Part):
    """Scores of one emotion, with 95 % intervals; `count` is the number of test faces that carry it."""

    precision: float
    precision_interval: Interval
    recall: float
    recall_interval: Interval
    f1: float
    f1_interval: Interval
    count: int


class Data(_Part):
    """What the scores were measured on."""

    name: str


class ModelName(_Part):
    """Which model was scored."""

    name: str
    version: str
    runtime: str = ""


class Scores(_Part):
    """Fractions from 0 to 1; intervals at 95 %."""

    count: int
    accuracy: float
    accuracy_interval: Interval
    macro_precision: float
    macro_precision_interval: Interval
    macro_recall: float
    macro_recall_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    ece: float
    per_class: dict[str, ClassScores]


class ReliabilityBin(_Part):
    """Mean confidence and accuracy of the faces in one bin of confidence; no interval where there are too few."""

    confidence: float
    accuracy: float
    accuracy_interval: Interval | None
    count: int


class CoveragePoint(_Part):
    """The share of faces whose confidence reaches `threshold`, and the accuracy on them."""

    threshold: float
    coverage: float
    accuracy: float


class Report(Scores):
    """`report.json`; the confusion matrix and its shares have a row for each true class, ordered as in `per_class`."""

    model: ModelName
    data: Data
    confusion_matrix: tuple[tuple[int, ...], ...]
    confusion_shares: tuple[tuple[float, ...], ...]
    reliability: tuple[ReliabilityBin, ...]
    coverage: tuple[CoveragePoint, ...]
    deduplicated: Scores | None = None


class CompressionPoint(_Part):
    """One way to compress the network; `milliseconds` by the number of faces in a call, on one thread."""

    runtime: str
    parameters: int
    macs: int
    bytes: int | None
    milliseconds: dict[str, float]
    faster: float
    accuracy: float
    macro_f1: float


class Compression(_Part):
    """`compression.json`."""

    data: Data
    points: dict[str, CompressionPoint]
    shipped: str


Kind = TypeVar("Kind", bound=BaseModel)


def load_report(folder: Path) -> Report | None:
    """The evaluation report, or None if there is none that can be read."""
    return _load(folder / "report.json", Report)


def load_compression(folder: Path) -> Compression | None:
    """The compression report, or None if there is none that can be read."""
    return _load(folder / "compression.json", Compression)


def _load(path: Path, kind: type[Kind]) -> Kind | None:
    try:
        return kind.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # pydantic's errors are ValueErrors
        return None
