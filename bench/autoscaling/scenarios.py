"""Loads that policies are compared on. They are invented; what is random in them follows from the seed."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.autoscaling.cluster import Assumptions, Load

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True)
class Scenario:
    """A load for each seed, and its duration in seconds."""

    title: str
    duration: float
    load: Callable[[int], Load]


def day(_: int) -> Load:
    """60 at night, a peak of 500 in the evening, and a smaller one at noon; time runs six times as fast."""

    def load(now: float) -> float:
        hour = 6 * now / HOUR
        noon, evening = (math.exp(-(((hour - middle) / width) ** 2)) for middle, width in ((12.5, 2.5), (20.0, 2.0)))
        return 60 + 250 * noon + 440 * evening

    return load


def spike(seed: int) -> Load:
    """200, and ten times as much for ten minutes, from one second to the next, at random in the eleventh minute."""
    begin = 10 * MINUTE + _step() * np.random.default_rng(seed).integers(round(MINUTE / _step()))
    return lambda now: 2000 if begin <= now < begin + 10 * MINUTE else 200


def bursts(seed: int) -> Load:
    """200, and a minute of 1000 at random times, five minutes apart on average: tempts to let pods go too early."""
    gaps = np.random.default_rng(seed).exponential(4 * MINUTE, size=60)
    begins = np.ceil((np.cumsum(gaps) + MINUTE * np.arange(60)) / _step()) * _step()

    def load(now: float) -> float:
        last = int(np.searchsorted(begins, now, side="right")) - 1
        return 1000 if last >= 0 and now - begins[last] < MINUTE else 200

    return load


def ramp(_: int) -> Load:
    """From 10 to 5,000 in ten minutes, then 5,000 for five minutes."""
    return lambda now: min(10 + 4990 * now / (10 * MINUTE), 5_000)


def _step() -> float:
    """A load may leap at whole multiples of this only."""
    return Assumptions().scrape


SCENARIOS = {
    "day": Scenario("A day, 60 to 500 photos a second, in four hours", 4 * HOUR, day),
    "spike": Scenario("Ten times as many at once, 200 to 2,000 a second", 45 * MINUTE, spike),
    "bursts": Scenario("A minute of 1,000 photos a second, every five minutes on average", 60 * MINUTE, bursts),
    "ramp": Scenario("Ten minutes to 5,000 photos a second", 15 * MINUTE, ramp),
}
