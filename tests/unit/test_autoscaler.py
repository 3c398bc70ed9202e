"""The autoscaler's arithmetic against Kubernetes' documented behaviour."""

import math
from dataclasses import replace

import pytest

from bench.autoscaling.autoscaler import Autoscaler, Direction, Policy, Rate, read, wanted
from monitoring import reference

AT_ONCE = Direction(0, [Rate("Percent", 10_000, 15)])

POLICY = Policy(targets={"queue": 4.0}, least=1, most=50, up=AT_ONCE, down=AT_ONCE)


@pytest.mark.parametrize(
    ("replicas", "values", "target", "expected"),
    [
        (1, [8.0], 4.0, 2),  # the documentation's: twice the target doubles
        (4, [2.0, 2.0, 2.0, 2.0], 4.0, 2),  # half halves
        (3, [4.3, 4.3, 4.3], 4.0, 3),  # within a tenth: nothing
        (3, [3.7, 3.7, 3.7], 4.0, 3),
        (2, [0.0, 0.0], 4.0, 0),  # idle: the minimum is someone else's
        (2, [], 4.0, None),  # no data: no opinion
        (2, [math.nan, math.nan], 4.0, None),  # 0/0 is no data
        (2, [8.0, None], 4.0, 2),  # a pod that is starting counts as idle when that asks for more …
        (2, [20.0, None], 4.0, 5),
        (2, [0.0, None], 4.0, 1),  # … and as at its target when that asks for fewer
    ],
)
def test_one_metric(replicas: int, values: list[float | None], target: float, expected: int | None) -> None:
    assert wanted(replicas, values, target) == expected


def test_the_largest_metric_counts() -> None:
    policy = replace(POLICY, targets={"queue": 4.0, "busy": 0.5})
    assert Autoscaler(policy).decide(0, 2, {"queue": [0.0, 0.0], "busy": [1.0, 1.0]}) == 4


def test_a_missing_metric_never_scales_down_but_the_other_may_scale_up() -> None:
    policy = replace(POLICY, targets={"queue": 4.0, "busy": 0.5})
    assert Autoscaler(policy).decide(0, 6, {"queue": [], "busy": [0.1] * 6}) == 6
    assert Autoscaler(policy).decide(0, 6, {"queue": [], "busy": [1.0] * 6}) == 12
    assert Autoscaler(policy).decide(0, 6, {}) == 6


def test_bounds_hold() -> None:
    scaler = Autoscaler(replace(POLICY, least=2, most=5))
    assert scaler.decide(0, 3, {"queue": [100.0] * 3}) == 5
    assert scaler.decide(15, 5, {"queue": [0.0] * 5}) == 2


def test_scaling_down_waits_for_the_window() -> None:
    scaler = Autoscaler(replace(POLICY, down=Direction(300, [Rate("Percent", 100, 15)])))
    assert scaler.decide(0, 2, {"queue": [20.0, 20.0]}) == 10
    replicas = 10
    for now in range(15, 300, 15):
        replicas = scaler.decide(now, replicas, {"queue": [0.0] * replicas})
        assert replicas == 10, f"after {now} s"
    assert scaler.decide(315, 10, {"queue": [0.0] * 10}) == 1


def test_rates_limit_each_period() -> None:
    up = Direction(0, [Rate("Percent", 100, 15), Rate("Pods", 4, 15)])
    scaler = Autoscaler(replace(POLICY, up=up))
    assert scaler.decide(0, 2, {"queue": [400.0] * 2}) == 6, "four pods are more than a hundred per cent of two"
    assert scaler.decide(15, 6, {"queue": [400.0] * 6}) == 12, "and then a hundred per cent is more"
    slow = Autoscaler(replace(POLICY, down=Direction(0, [Rate("Pods", 1, 60)])))
    assert slow.decide(0, 5, {"queue": [0.0] * 5}) == 4
    assert slow.decide(15, 4, {"queue": [0.0] * 4}) == 4, "one a minute"
    assert slow.decide(61, 4, {"queue": [0.0] * 4}) == 3


def test_the_manifest_can_be_read() -> None:
    policy = read(reference.autoscaler())
    assert set(policy.targets) == {"emotion_queue_depth", "emotion_queue_wait_seconds", "emotion_workers_busy"}
    assert policy.least >= 2, "one pod is none while its node is emptied"
    assert policy.down.window > policy.up.window == 0
