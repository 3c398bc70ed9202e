"""The autoscaler's three signals, as Prometheus computes them from what it read of one pod.

After the recording rules of monitoring/rules.py, and `rate()` in prometheus/prometheus, promql/functions.go
(`extrapolatedRate`); tests hold both against promtool.
"""

from collections.abc import Sequence
from typing import NamedTuple

WINDOW = 60.0
"""Seconds of `rate(…[1m])`."""

DEPTH_WINDOW = 30.0
"""Seconds of `avg_over_time(emotion_queue_depth[30s])`."""


class Scrape(NamedTuple):
    """What Prometheus reads at one moment: a gauge, and counters that begin with the first batch."""

    at: float
    depth: int
    waited: float
    busy: float
    served: int


class Signals(NamedTuple):
    """Of one pod: photos that wait, seconds that they waited, busy share of workers; None where a value is missing."""

    depth: float | None
    wait: float | None
    busy: float | None


def signals(scrapes: Sequence[Scrape], now: float, workers: int) -> Signals:
    """What the rules record at `now`, from a pod's scrapes in the order of time."""
    seen = [scrape for scrape in scrapes if now - WINDOW < scrape.at <= now]
    if not seen:
        return Signals(None, None, None)
    depths = [scrape.depth for scrape in seen if scrape.at > now - DEPTH_WINDOW]
    # A pod that was read twice and counted nothing has done nothing yet; read once, nobody knows.
    nothing = 0.0 if len(seen) > 1 else None
    counted = [scrape for scrape in seen if scrape.served]  # before that the counters are not there
    served = rate([(scrape.at, scrape.served) for scrape in counted], now)
    waited = rate([(scrape.at, scrape.waited) for scrape in counted], now)
    busy = rate([(scrape.at, scrape.busy) for scrape in counted], now)
    return Signals(
        depth=sum(depths) / len(depths) if depths else None,
        wait=waited / served if served and waited is not None else nothing,
        busy=nothing if busy is None else busy / workers,
    )


def rate(samples: Sequence[tuple[float, float]], now: float, window: float = WINDOW) -> float | None:
    """A counter's increase a second, as Prometheus estimates it; None of fewer than two samples.

    The increase between the first and the last sample is stretched towards the window's ends, by at most half the mean
    distance of samples where an end is further away than that distance, and not beyond where the counter was 0. It is
    divided by the whole window: of a pod's first minute only a part is seen.
    """
    if len(samples) < 2:
        return None
    (first, low), (last, high) = samples[0], samples[-1]
    increase, sampled = high - low, last - first
    step = sampled / (len(samples) - 1)
    before, after = first - (now - window), now - last
    if before >= 1.1 * step:
        before = step / 2
    if increase > 0:
        before = min(before, sampled * low / increase)
    if after >= 1.1 * step:
        after = step / 2
    return increase * (sampled + before + after) / sampled / window
