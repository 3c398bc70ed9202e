"""The arithmetic of Kubernetes' HorizontalPodAutoscaler, autoscaling/v2; callers give it the time.

After kubernetes/kubernetes, pkg/controller/podautoscaler: replica_calculator.go (`calcPlainMetricReplicas`,
`groupPods`), metrics/utilization.go (`GetMetricUsageRatio`) and horizontal.go (`computeReplicasForMetrics`,
`stabilizeRecommendationWithBehaviors`, `convertDesiredReplicasWithBehaviorRate`). Where those count in floating point
or whole numbers, so does this, in the same order.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitoring.reference import targets_of

TOLERANCE = 0.1
"""A ratio to the target that is this close to 1 changes nothing; the controller manager's default."""

SYNC_SECONDS = 15.0
"""How often the controller decides; its default."""


@dataclass(frozen=True)
class Rate:
    """Within `period` seconds at most `value` pods, or `value` per cent of them, are added or removed."""

    kind: str
    value: int
    period: float


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
        targets=targets_of(manifest),
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


def wanted(replicas: int, values: Sequence[float | None], target: float, pending: int = 0) -> int | None:
    """How many pods one metric asks for, given its value in each running pod; None where no pod has a value.

    A running pod without a value counts as at the target when the others ask for fewer pods, and as at zero when they
    ask for more. `pending` further pods, which no container runs of yet, count as zero in the second case and not at
    all in the first. So neither makes the change larger.
    """
    known = [_milli(value) for value in values if value is not None]
    goal = round(target * 1000)
    if not known:
        return None
    ratio = _usage(known, goal)
    missing = len(values) - len(known)
    idle = pending if ratio > 1 else 0
    if not missing and not idle:
        return replicas if _is_tolerated(ratio) else math.ceil(ratio * len(known))
    counted = known + [goal if ratio < 1 else 0] * missing + [0] * idle
    corrected = _usage(counted, goal)
    if _is_tolerated(corrected) or (corrected > 1) != (ratio > 1):
        return replicas
    count = math.ceil(corrected * len(counted))
    return count if (count > replicas) == (corrected > 1) else replicas


def _milli(value: float) -> int:
    """Whole thousandths, cut; prometheus-adapter passes on nothing finer, and 0/0 as 0 (`metricFor` in provider.go)."""
    return 0 if math.isnan(value) else int(value * 1000)


def _usage(values: Sequence[int], goal: int) -> float:
    """The average, cut to whole thousandths, over the target."""
    return sum(values) // len(values) / goal


def _is_tolerated(ratio: float) -> bool:
    return 1 - TOLERANCE <= ratio <= 1 + TOLERANCE


@dataclass
class Autoscaler:
    """The controller, which remembers what it recommended and what it changed."""

    policy: Policy
    _recommended: deque[tuple[float, int]] = field(default_factory=deque)
    _changes: deque[tuple[float, int]] = field(default_factory=deque)

    def decide(self, now: float, replicas: int, values: Mapping[str, Sequence[float | None]], pending: int = 0) -> int:
        """Replicas from now on, given each metric's value in each running pod, and how many pods are pending."""
        asked = {
            name: wanted(replicas, values.get(name, ()), target, pending)
            for name, target in self.policy.targets.items()
        }
        said = [count for count in asked.values() if count is not None]
        if not said or (len(said) < len(asked) and max(said) < replicas):
            return replicas  # while a metric is missing, nothing is scaled down
        return self._limited(now, replicas, max(said))

    def _limited(self, now: float, replicas: int, recommendation: int) -> int:
        """The recommendation after stabilization, bounds and rate limits."""
        up, down = self.policy.up, self.policy.down
        longest = max(up.window, down.window)
        while self._recommended and self._recommended[0][0] <= now - longest:
            self._recommended.popleft()
        # Strictly after the window's beginning; the recommendation of this moment always counts.
        floor = min([recommendation, *(count for at, count in self._recommended if at > now - up.window)])
        ceiling = max([recommendation, *(count for at, count in self._recommended if at > now - down.window)])
        self._recommended.append((now, recommendation))
        stable = min(max(replicas, floor), ceiling)
        if stable > replicas:
            allowed = max(self._limit(now, rate, replicas, 1) for rate in up.rates)
            result = min(stable, max(allowed, replicas), self.policy.most)
        elif stable < replicas:
            allowed = min(self._limit(now, rate, replicas, -1) for rate in down.rates)
            result = max(stable, min(allowed, replicas), self.policy.least)
        else:
            return replicas
        if result != replicas:
            self._changes.append((now, result - replicas))
        return result

    def _limit(self, now: float, rate: Rate, replicas: int, sign: int) -> int:
        """Replicas that a rate allows, from those at the start of its period; a share is rounded up, either way."""
        base = replicas - sum(change for at, change in self._changes if at > now - rate.period)
        if rate.kind == "Pods":
            return base + sign * rate.value
        share = base * (1 + sign * rate.value / 100)
        return math.ceil(share) if sign > 0 else int(share)
