"""The committed reports of the served model, as the page shows them."""

import json
from pathlib import Path
from typing import Generic, TypeVar

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
    """`report.json`; the confusion matrix and its shares have a row for each true class, ordered as in `per_class`.

    `ece_by_chance`: the calibration error of a perfectly calibrated network on as many faces.
    """

    model: ModelName
    data: Data
    ece_by_chance: float
    confusion_matrix: tuple[tuple[int, ...], ...]
    confusion_shares: tuple[tuple[float, ...], ...]
    reliability: tuple[ReliabilityBin, ...]
    coverage: tuple[CoveragePoint, ...]
    deduplicated: Scores | None = None

    def right_at(self, confidence: float) -> float | None:
        """The accuracy on faces that were read with about this confidence; None where there were too few."""
        bins = self.reliability  # equally wide
        found = bins[min(int(confidence * len(bins)), len(bins) - 1)]
        return found.accuracy if found.accuracy_interval else None


class CompressionPoint(_Part):
    """One way to compress the network; `milliseconds` by the number of faces in a call, on one thread."""

    runtime: str
    parameters: int
    bytes: int | None
    milliseconds: dict[str, float]
    faster: float
    accuracy: float
    macro_f1: float


class Compression(_Part):
    """`compression.json`."""

    points: dict[str, CompressionPoint]
    shipped: str


class Clean(_Part):
    """The faces as they are: accuracy and mean stated confidence."""

    accuracy: float
    accuracy_interval: Interval
    confidence: float


class StressCell(Clean):
    """The same at one strength of a condition, and the share of the faces that are called not reliable."""

    strength: float
    unreliable: float


Cell = TypeVar("Cell", bound=_Part)


class _Strengths(_Part, Generic[Cell]):
    """A way to damage pictures, at five strengths from the weakest to the strongest."""

    name: str
    unit: str
    cells: tuple[Cell, ...]

    @property
    def middle(self) -> Cell:
        """The cell of the middle strength."""
        return self.cells[len(self.cells) // 2]


class Condition(_Strengths[StressCell]):
    """A way to damage faces; `trained`: training knows it."""

    trained: bool


class MiddleScores(_Part):
    """Means over the conditions at the middle strength; `worst_…`: of the worst of them."""

    accuracy: float
    worst_accuracy: float
    overconfidence: float
    worst_overconfidence: float


class Missed(_Part):
    """Damage that brings accuracy below the bound while too few faces are marked."""

    name: str
    strength: float
    unreliable: float


class Limits(_Part):
    """Accuracy is too low in `failing` of `cells`; in all but `missed` of these the faces are called not reliable."""

    cells: int
    failing: int
    missed: tuple[Missed, ...]

    @property
    def caught(self) -> int:
        """In how many of these cells enough faces are marked."""
        return self.failing - len(self.missed)

    @property
    def unnoticed(self) -> str:
        """The conditions in which too few are, by name."""
        return ", ".join(dict.fromkeys(each.name for each in self.missed))


class StressData(Data):
    """Which faces were damaged."""

    count: int


class Stress(_Part):
    """`stress.json`."""

    model: ModelName
    data: StressData
    clean: Clean
    middle: MiddleScores
    limits: Limits
    conditions: tuple[Condition, ...]


class PeerStress(_Part):
    """`stress-fer.json`: the accuracies of another library on the same faces, by condition, weakest first."""

    model: ModelName
    data: StressData
    clean: float
    conditions: dict[str, tuple[float, ...]]

    def middle(self, condition: str) -> float | None:
        """Accuracy at the middle strength; None where it was not measured."""
        cells = self.conditions.get(condition)
        return cells[len(cells) // 2] if cells else None


class PhotographCell(_Part):
    """Whole photographs: the share of faces found, and shares of these; None where it would be of too
    few faces.

    `real_found`: how many of the faces in real photographs are found.
    """

    found: float
    accuracy: float | None
    confidence: float | None
    reliable: float | None
    reliable_accuracy: float | None
    real_found: int
    strength: float | None = None


class PhotographCondition(_Strengths[PhotographCell]):
    """A way to damage photographs."""


class PhotographData(StressData):
    """Which faces, and the side in pixels of the square that each fills in its photograph; how many `real` ones."""

    side: int
    real: int


class PhotographStress(_Part):
    """`stress-photographs.json`."""

    model: ModelName
    data: PhotographData
    clean: PhotographCell
    conditions: tuple[PhotographCondition, ...]


Kind = TypeVar("Kind", bound=BaseModel)


def load_report(folder: Path) -> Report | None:
    """The evaluation report, or None if there is none that can be read."""
    return _load(folder / "report.json", Report)


def load_stress(folder: Path) -> Stress | None:
    """The stress report, or None if there is none that can be read."""
    return _load(folder / "stress.json", Stress)


def load_peer_stress(folder: Path) -> PeerStress | None:
    """The peer's, or None if there is none that can be read."""
    return _load(folder / "stress-fer.json", PeerStress)


def load_photograph_stress(folder: Path) -> PhotographStress | None:
    """The report on whole photographs under stress, or None if there is none that can be read."""
    return _load(folder / "stress-photographs.json", PhotographStress)


def load_compression(folder: Path) -> Compression | None:
    """The compression report, or None if there is none that can be read."""
    return _load(folder / "compression.json", Compression)


def _load(path: Path, kind: type[Kind]) -> Kind | None:
    try:
        return kind.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # pydantic's errors are ValueErrors
        return None
