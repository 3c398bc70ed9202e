"""One pod as it was measured: how long batches take, how many photos may wait, what its metrics count."""

import json
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bench.autoscaling.signals import WINDOW, Scrape
from bench.common import SETTINGS

MEASURED = Path(__file__).with_name("measured.json")

IDEAL_BUSY = 0.7
"""The ideal, with which policies are compared, has at every moment just as many pods as keep workers this busy."""

LARGE_SHARE = 0.1
"""Of the photos, this many have 12 megapixels, as telephones take them; the others 640×480. Assumed."""


@dataclass(frozen=True)
class Pod:
    """Seconds: a batch takes `base`, and `small` or `large` for each of its photos, times a random factor.

    The handler's clock, on which the metrics rest, sees `seen_base` and `seen_share` of these.
    """

    base: float
    small: float
    large: float
    deviation: float
    start: float
    workers: int
    batch: int
    places: int
    seen_base: float = 0.0
    seen_share: float = 1.0
    large_share: float = 0.0

    @property
    def capacity(self) -> float:
        """Photos a second with full batches, of photos of all sizes."""
        each = self.small + self.large_share * (self.large - self.small)
        return self.workers * self.batch / (self.base + each * self.batch)

    def workers_seen(self) -> float:
        """The busy share that the metric shows of a pod that never rests."""
        photos = self.batch * (self.small + self.large_share * (self.large - self.small))
        return (self.seen_base + self.seen_share * photos) / (self.base + photos)

    def ideal(self, rate: float) -> int:
        """How many pods, at least one, keep their workers busy `IDEAL_BUSY` of the time at `rate` photos a second."""
        return max(math.ceil(rate / (IDEAL_BUSY * self.capacity)), 1)


def measured_pod(measured: dict[str, Any], configuration: dict[str, Any], large_share: float = LARGE_SHARE) -> Pod:
    """The pod that fits the measurements.

    Workers that are never idle end `workers` batches in the time of one, which gives the time of a batch in the run
    with the fullest batches, and in that of large photos; with one client, whose photos come alone, it is the mean
    that the client saw. The handler's clock gave the mean time of a batch in the first and the last of these.
    """
    one, fullest = measured["load"][0], max(measured["load"], key=lambda each: float(each["batch"]["photos"]))
    large, workers = measured["load_12_mpx"], configuration["minWorkers"]
    more = fullest["batch"]["photos"] - 1
    small = max((_batch_seconds(fullest, workers) - one["seconds"]["mean"]) / more, 0.001)
    base = max(one["seconds"]["mean"] - small, 0.0)
    seen = max((fullest["batch"]["seconds"] - one["batch"]["seconds"]) / more, 0.0)
    return Pod(
        base=base,
        small=small,
        large=(_batch_seconds(large, workers) - base) / large["batch"]["photos"],
        deviation=measured["alone_seconds"]["deviation"] / measured["alone_seconds"]["mean"],
        start=measured["start_seconds"],
        workers=workers,
        batch=configuration["batchSize"],
        places=configuration["jobQueueSize"],
        seen_base=max(one["batch"]["seconds"] - seen, 0.0),
        seen_share=seen / small,
        large_share=large_share,
    )


def _batch_seconds(run: dict[str, Any], workers: int) -> float:
    return float(workers * run["batch"]["photos"] / run["photos_per_second"])


def default_pod() -> Pod:
    """The pod as measured and configured in this repository."""
    return measured_pod(json.loads(MEASURED.read_text(encoding="utf-8")), SETTINGS)


class _Batch(NamedTuple):
    """When a batch ends, and what the counters gain then."""

    end: float
    waited: float
    busy: float
    served: int


@dataclass(eq=False)
class Server:
    """A pod that runs. `waited`, `busy` and `served` only grow, when batches end, as the metrics of a real one do."""

    pod: Pod
    began: float
    waited: float = 0.0
    busy: float = 0.0
    served: int = 0
    scrapes: deque[Scrape] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._moments: list[float] = []  # when those that wait arrived,
        self._costs: list[float] = []  # and the seconds that each takes
        self._free = [self.began] * self.pod.workers
        self._under_way: list[_Batch] = []

    @property
    def depth(self) -> int:
        """Photos that wait."""
        return len(self._moments)

    def advance(
        self, moments: list[float], costs: list[float], until: float, factors: Iterator[float], answered: list[float]
    ) -> int:
        """Take the photos that arrive before `until`, in the order of time, each with its `small` or `large` seconds.

        Appends to `answered` the latency of each whose batch begins before then. Returns how many were refused.
        """
        pod, waiting, their_costs, free = self.pod, self._moments, self._costs, self._free
        arrived, count, refused = 0, len(moments), 0
        while True:
            soonest = min(free)
            if waiting:
                start = soonest
            elif arrived < count:
                start = max(soonest, moments[arrived])
            else:
                break
            if start > until:
                break
            if arrived < count and moments[arrived] <= start:
                upto = bisect_right(moments, start, arrived)
                taken = min(upto, arrived + pod.places - len(waiting))
                waiting += moments[arrived:taken]
                their_costs += costs[arrived:taken]
                refused += upto - taken
                arrived = upto
            batch, photos = waiting[: pod.batch], sum(their_costs[: pod.batch])
            del waiting[: pod.batch], their_costs[: pod.batch]
            factor = next(factors)
            end = start + (pod.base + photos) * factor
            free[free.index(soonest)] = end
            answered += [end - moment for moment in batch]
            busy = (pod.seen_base + pod.seen_share * photos) * factor
            self._under_way.append(_Batch(end, start * len(batch) - sum(batch), busy, len(batch)))
        taken = min(count, arrived + pod.places - len(waiting))
        waiting += moments[arrived:taken]
        their_costs += costs[arrived:taken]
        self._count(until)
        return refused + count - taken

    def _count(self, until: float) -> None:
        """The batches that have ended by then."""
        ended = [batch for batch in self._under_way if batch.end <= until]
        self._under_way = [batch for batch in self._under_way if batch.end > until]
        self.waited += sum(batch.waited for batch in ended)
        self.busy += sum(batch.busy for batch in ended)
        self.served += sum(batch.served for batch in ended)

    def scrape(self, now: float) -> None:
        """Prometheus reads the metrics; what no rule looks at any more is forgotten."""
        self.scrapes.append(Scrape(now, self.depth, self.waited, self.busy, self.served))
        while self.scrapes[0].at < now - WINDOW - 30:
            self.scrapes.popleft()


def waiting(servers: Sequence[Server]) -> float:
    """The mean queue."""
    return sum(server.depth for server in servers) / max(len(servers), 1)
