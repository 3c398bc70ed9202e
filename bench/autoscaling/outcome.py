"""What a simulated run comes to."""

import math
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from monitoring.rule import LATENCY_BOUND


class Latencies:
    """Millions of latencies, kept as a histogram with steps of one per cent."""

    STEP = math.log(1.01)
    LEAST = 1e-3
    """Seconds; the lower end."""

    def __init__(self) -> None:
        self._counts = np.zeros(1200, dtype=np.int64)

    def add(self, seconds: list[float]) -> None:
        steps = np.log(np.maximum(seconds, self.LEAST) / self.LEAST) / self.STEP
        self._counts += np.bincount(np.minimum(steps.astype(int), len(self._counts) - 1), minlength=len(self._counts))

    def __iadd__(self, other: Self) -> Self:
        self._counts += other._counts
        return self

    def __len__(self) -> int:
        return int(self._counts.sum())

    def quantile(self, q: float) -> float:
        """Seconds, to one per cent."""
        index = int(np.searchsorted(np.cumsum(self._counts), q * self._counts.sum()))
        return float(self.LEAST * math.exp((index + 0.5) * self.STEP))

    def over(self, seconds: float) -> int:
        """How many were longer."""
        return int(self._counts[round(math.log(seconds / self.LEAST) / self.STEP) :].sum())


@dataclass
class Outcome:
    """The result of a run, or of several, added. A pod's seconds count from the moment that it is wanted."""

    latencies: Latencies = field(default_factory=Latencies)
    refused: int = 0
    pod_seconds: float = 0.0
    ideal_pod_seconds: float = 0.0
    timeline: list[tuple[float, float, int, int, float]] = field(default_factory=list)
    """Time, photos a second, pods ready, pods wanted, mean queue; of the first run."""

    def __iadd__(self, other: Self) -> Self:
        self.latencies += other.latencies
        self.refused += other.refused
        self.pod_seconds += other.pod_seconds
        self.ideal_pod_seconds += other.ideal_pod_seconds
        self.timeline = self.timeline or other.timeline
        return self

    @property
    def over_ideal(self) -> float:
        """Pods, as a multiple of the ideal's."""
        return self.pod_seconds / self.ideal_pod_seconds

    @property
    def lost(self) -> float:
        """Share of all photos that were refused or answered after more than `LATENCY_BOUND`."""
        return (self.refused + self.latencies.over(LATENCY_BOUND)) / (self.refused + len(self.latencies))

    def summary(self) -> dict[str, float]:
        """Seconds, shares of all photos, pod-hours and their ratio to the ideal."""
        total = len(self.latencies) + self.refused
        return {
            "photos": total,
            "p50": round(self.latencies.quantile(0.5), 3),
            "p95": round(self.latencies.quantile(0.95), 3),
            "p99": round(self.latencies.quantile(0.99), 3),
            "late": round(self.latencies.over(LATENCY_BOUND) / total, 6),
            "refused": round(self.refused / total, 6),
            "pod_hours": round(self.pod_seconds / 3600, 2),
            "over_ideal": round(self.over_ideal, 3),
        }
