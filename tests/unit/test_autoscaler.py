"""The autoscaler's arithmetic against Kubernetes' documented behaviour, and against examples of its own tests."""

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
        (2, [math.nan, math.nan], 4.0, 0),  # 0/0 comes through prometheus-adapter as 0
        # pkg/controller/podautoscaler/replica_calculator_test.go, for custom metrics of pods
        (3, [20.0, 10.0, 30.0], 15.0, 4),
        (3, [50.0, 15.0, 30.0], 15.0, 7),
        (3, [50.0, 10.0, 30.0], 15.0, 6),
        (3, [20.0, 21.0, 21.0], 20.0, 3),
        (5, [12.0] * 5, 20.0, 3),
        # Cut to whole thousandths: 0.1109 is 110m, and that is within a tenth of 100m.
        (9, [0.1109] * 9, 0.1, 9),
        (2, [0.111, 0.110], 0.1, 2),
        (2, [0.1119, 0.1101], 0.1, 2),  # each value is, and their average
        (9, [0.111] * 9, 0.1, 10),
        (2, [8.0, None], 4.0, 2),  # a pod that is starting counts as idle when that asks for more …
        (2, [20.0, None], 4.0, 5),
        (2, [0.0, None], 4.0, 1),  # … and as at its target when that asks for fewer
    ],
)
def test_one_metric(replicas: int, values: list[float | None], target: float, expected: int | None) -> None:
    assert wanted(replicas, values, target) == expected


@pytest.mark.parametrize(
    ("values", "pending", "expected"),
    [
        ([8.0, 8.0], 0, 4),
        ([8.0, 8.0], 2, 4),  # what is wanted already is not asked for again
        ([8.0, 8.0], 4, 6),  # four that would be idle turn growth into none
        ([1.0, 1.0], 4, 1),  # when that asks for fewer, pods that do not run yet are not counted
        ([1.0, 1.0, None], 3, 2),
    ],
)
def test_pods_that_are_pending_count_only_when_that_asks_for_more(
    values: list[float | None], pending: int, expected: int
) -> None:
    assert wanted(len(values) + pending, values, 4.0, pending) == expected


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
    assert scaler.decide(300, 10, {"queue": [0.0] * 10}) == 1, "the window begins strictly after its first moment"


def test_scaling_up_waits_for_its_own_window() -> None:
    slow_down = Direction(300, [Rate("Percent", 100, 15)])
    scaler = Autoscaler(replace(POLICY, up=Direction(30, [Rate("Percent", 900, 15)]), down=slow_down))
    assert scaler.decide(0, 2, {"queue": [4.0, 4.0]}) == 2
    assert scaler.decide(15, 2, {"queue": [20.0, 20.0]}) == 2
    assert scaler.decide(30, 2, {"queue": [20.0, 20.0]}) == 10


def test_the_window_of_one_direction_ends_although_the_other_is_longer() -> None:
    patient = Direction(600, [Rate("Percent", 900, 15)])
    scaler = Autoscaler(replace(POLICY, up=patient, down=Direction(300, [Rate("Percent", 100, 15)])))
    assert scaler.decide(0, 10, {"queue": [4.0] * 10}) == 10
    for now in range(15, 300, 15):
        assert scaler.decide(now, 10, {"queue": [0.0] * 10}) == 10, f"after {now} s"
    assert scaler.decide(300, 10, {"queue": [0.0] * 10}) == 1


def test_rates_limit_each_period() -> None:
    up = Direction(0, [Rate("Percent", 100, 15), Rate("Pods", 4, 15)])
    scaler = Autoscaler(replace(POLICY, up=up))
    assert scaler.decide(0, 2, {"queue": [400.0] * 2}) == 6, "four pods are more than a hundred per cent of two"
    assert scaler.decide(15, 6, {"queue": [400.0] * 6}) == 12, "and then a hundred per cent is more"
    slow = Autoscaler(replace(POLICY, down=Direction(0, [Rate("Pods", 1, 60)])))
    assert slow.decide(0, 5, {"queue": [0.0] * 5}) == 4
    assert slow.decide(15, 4, {"queue": [0.0] * 4}) == 4, "one a minute"
    assert slow.decide(60, 4, {"queue": [0.0] * 4}) == 3


def test_shares_are_rounded_as_the_controller_rounds_them() -> None:
    up = Autoscaler(replace(POLICY, up=Direction(0, [Rate("Percent", 15, 60)])))
    assert up.decide(0, 10, {"queue": [400.0] * 10}) == 12, "11.5 pods are twelve"
    down = Autoscaler(replace(POLICY, least=0, down=Direction(0, [Rate("Percent", 30, 60)])))
    assert down.decide(0, 9, {"queue": [0.0] * 9}) == 6, "6.3 pods are six"


def test_the_manifest_can_be_read() -> None:
    policy = read(reference.autoscaler())
    assert set(policy.targets) == {"emotion_queue_depth", "emotion_queue_wait_seconds", "emotion_workers_busy"}
    assert policy.least >= 2, "one pod is none while its node is emptied"
    assert policy.down.window > policy.up.window == 0
