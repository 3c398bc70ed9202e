"""The arithmetic of Kubernetes' HorizontalPodAutoscaler, autoscaling/v2; callers give it the time.

After "Horizontal Pod Autoscaling" in Kubernetes' documentation (algorithm details, configurable scaling behaviour).
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitoring.reference import quantity

TOLERANCE = 0.1
"""A metric that is this close to its target changes nothing; the controller manager's default."""

SYNC_SECONDS = 15.0
"""How often the controller decides; its default."""


@dataclass(frozen=True)
class Rate:
    """Within `period` seconds at most `value` pods, or `value` per cent of them, are added or removed."""

    kind: str
    value: int
    period: float

    def bound(self, replicas: int) -> float:
        return self.value if self.kind == "Pods" else replicas * self.value / 100


@dataclass(frozen=True)
class Direction:
    """`scaleUp` or `scaleDown`: the stabilization window in seconds, and rates, of which the largest counts."""

    window: float
    rates: Sequence[Rate]


@dataclass(frozen=True)
class Policy:
    """What a HorizontalPodAutoscaler says: targets for the average over pods, bounds, behaviour."""

    targets: Mapping[str, float]
    least: int
    most: int
    up: Direction
    down: Direction


def read(manifest: Mapping[str, Any]) -> Policy:
    """The policy of a HorizontalPodAutoscaler with metrics of pods."""
    spec = manifest["spec"]
    return Policy(
        targets={
            each["pods"]["metric"]["name"]: quantity(each["pods"]["target"]["averageValue"]) for each in spec["metrics"]
        },
        least=spec["minReplicas"],
        most=spec["maxReplicas"],
        up=_direction(spec["behavior"]["scaleUp"]),
        down=_direction(spec["behavior"]["scaleDown"]),
    )


def _direction(half: Mapping[str, Any]) -> Direction:
    if half["selectPolicy"] != "Max":
        raise ValueError(f"selectPolicy is {half['selectPolicy']}; only Max is understood here")
    rates = [Rate(each["type"], each["value"], each["periodSeconds"]) for each in half["policies"]]
    return Direction(half["stabilizationWindowSeconds"], rates)


def wanted(replicas: int, values: Sequence[float | None], target: float) -> int | None:
    """How many pods one metric asks for, given its value in each pod; None where no pod has a value.

    A pod without a value counts as at the target when the others ask for fewer pods, and as at zero when they ask for
    more, so that it never makes the change larger.
    """
    known = [value for value in values if value is not None and not math.isnan(value)]
    if not known:
        return None
    ratio = sum(known) / len(known) / target
    if abs(ratio - 1) <= TOLERANCE:
        return replicas
    missing = len(values) - len(known)
    if missing:
        assumed = target * missing if ratio < 1 else 0.0
        corrected = (sum(known) + assumed) / len(values) / target
        if abs(corrected - 1) <= TOLERANCE or (corrected > 1) != (ratio > 1):
            return replicas
        ratio = corrected
        return math.ceil(round(ratio * len(values), 9))
    return math.ceil(round(ratio * len(known), 9))


@dataclass
class Autoscaler:
    """The controller, which remembers what it recommended and what it changed."""

    policy: Policy
    _recommended: deque[tuple[float, int]] = field(default_factory=deque)
    _changes: deque[tuple[float, int]] = field(default_factory=deque)

    def decide(self, now: float, replicas: int, values: Mapping[str, Sequence[float | None]]) -> int:
        """Replicas from now on, given each metric's value in each pod."""
        asked = {name: wanted(replicas, values.get(name, ()), target) for name, target in self.policy.targets.items()}
        said = [count for count in asked.values() if count is not None]
        if not said or (len(said) < len(asked) and max(said) < replicas):
            return replicas  # while a metric is missing, nothing is scaled down
        return self._limited(now, replicas, min(max([self.policy.least, *said]), self.policy.most))

    def _limited(self, now: float, replicas: int, recommendation: int) -> int:
        """The recommendation after stabilization and rate limits."""
        up, down = self.policy.up, self.policy.down
        self._recommended.append((now, recommendation))
        longest = max(up.window, down.window)
        while self._recommended and self._recommended[0][0] < now - longest:
            self._recommended.popleft()
        floor = min(count for at, count in self._recommended if at >= now - up.window)
        ceiling = max(count for at, count in self._recommended if at >= now - down.window)
        stable = min(max(replicas, floor), ceiling)
        if stable > replicas:
            allowed = max(
                self._base(now, rate, replicas) + rate.bound(self._base(now, rate, replicas)) for rate in up.rates
            )
            result = min(stable, math.ceil(allowed))
        elif stable < replicas:
            allowed = min(
                self._base(now, rate, replicas) - rate.bound(self._base(now, rate, replicas)) for rate in down.rates
            )
            result = max(stable, math.floor(allowed))
        else:
            return replicas
        result = min(max(result, self.policy.least), self.policy.most)
        if result != replicas:
            self._changes.append((now, result - replicas))
        return result

    def _base(self, now: float, rate: Rate, replicas: int) -> int:
        """Replicas at the start of the rate's period."""
        return replicas - sum(change for at, change in self._changes if at > now - rate.period)
