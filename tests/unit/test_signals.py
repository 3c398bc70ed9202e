"""The signals of one pod, where a pod's first minute and missing data make the difference; the rest holds promtool."""

import pytest

from bench.autoscaling.signals import Scrape, Signals, rate, signals


def test_a_rate_needs_two_samples() -> None:
    assert rate([], 100.0) is None
    assert rate([(95.0, 7.0)], 100.0) is None


def test_of_a_pods_first_minute_only_the_part_that_was_seen_counts() -> None:
    """One busy second each second since 10 s ago: Prometheus divides by the whole minute."""
    fresh = [(90.0, 50.0), (95.0, 55.0), (100.0, 60.0)]
    assert rate(fresh, 100.0) == pytest.approx(12.5 / 60), "ten seconds, and half a step before them"
    assert rate([(at, at) for at in range(45, 101, 5)], 100.0) == pytest.approx(1.0), "a full minute"


def test_a_counter_is_not_stretched_to_before_it_was_zero() -> None:
    assert rate([(90.0, 1.0), (95.0, 6.0), (100.0, 11.0)], 100.0) == pytest.approx(11 / 60)


def test_what_was_never_read_is_missing_and_what_did_nothing_is_zero() -> None:
    nothing = [Scrape(at, 0, 0.0, 0.0, 0) for at in (95.0, 100.0)]
    assert signals([], 100.0, 2) == Signals(None, None, None)
    assert signals(nothing[1:], 100.0, 2) == Signals(0.0, None, None)
    assert signals(nothing, 100.0, 2) == Signals(0.0, 0.0, 0.0)
    assert signals(nothing, 200.0, 2) == Signals(None, None, None), "too old"
