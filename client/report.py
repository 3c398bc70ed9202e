"""The committed evaluation report of the served model, as the page shows it."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError


class ClassScores(BaseModel):
    """Scores of one emotion; `count` is the number of test faces that carry it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    precision: float
    recall: float
    f1: float
    count: int


class Data(BaseModel):
    """What the scores were measured on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str


class Report(BaseModel):
    """The part of `model_store/report.json` that the page needs; fractions from 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    data: Data
    count: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_precision: float
    macro_recall: float
    macro_f1: float
    ece: float
    per_class: dict[str, ClassScores]


def load_report(path: Path) -> Report | None:
    """The report, or None where there is none to show; the page works without."""
    try:
        return Report.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return None
