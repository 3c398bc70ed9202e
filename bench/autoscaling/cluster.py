"""A cluster of emotion pods under an autoscaler, as a discrete-event simulation (SimPy).

What is real: each pod's service times, batching, queue and start-up, measured by `bench.autoscaling.measure`; the
queue's length and the batch size, read from the archive's configuration; the policy, read from the manifests; the
autoscaler's arithmetic. What is assumed stands in `Assumptions`.

Photos arrive in small groups, so that ten thousand a second stay affordable; a photo's latency counts from its own
moment within the group. They are spread over ready pods at random, as kube-proxy does.
"""

import json
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import simpy
import yaml

from bench.autoscaling.autoscaler import SYNC_SECONDS, Autoscaler, Policy
from monitoring.rules import LATENCY_BOUND

ROOT = Path(__file__).resolve().parents[2]
MEASURED = Path(__file__).with_name("measured.json")
CONFIGURATION = ROOT / "handler" / "model-config.yaml"

IDEAL_BUSY = 0.7
"""The ideal, with which policies are compared, has at every moment just as many pods as keep workers this busy."""

Load = Callable[[float], float]
"""Photos a second at a time, seconds from the start."""


@dataclass(frozen=True)
class Assumptions:
    """What a machine without a cluster cannot measure; seconds.

    `schedule`: from wanting a pod to its containers starting, where the node has room and the image. `node`: more,
    where a node must be bought first, for every pod beyond the first `pods_at_hand`. `scrape`, `rule`:
    Prometheus' intervals. `group`: how many seconds' arrivals come as one event.
    """

    schedule: float = 4.0
    node: float = 60.0
    pods_at_hand: int = 10
    scrape: float = 5.0
    rule: float = 5.0
    group: float = 0.02


@dataclass(frozen=True)
class Pod:
    """One pod, as measured: `base` + `each`·n seconds for a batch of n photos, times a random factor."""

    base: float
    each: float
    deviation: float
    start: float
    workers: int
    batch: int
    places: int

    @property
    def capacity(self) -> float:
        """Photos a second with full batches."""
        return self.workers * self.batch / (self.base + self.each * self.batch)

    def ideal(self, rate: float) -> int:
        """How many pods, at least one, keep their workers busy `IDEAL_BUSY` of the time at `rate` photos a second."""
        return max(math.ceil(rate / (IDEAL_BUSY * self.capacity)), 1)


def measured_pod(measured: dict[str, Any], configuration: dict[str, Any]) -> Pod:
    """The pod that fits the measurements: alone it takes the median of one photo, full it gives the throughput.

    One client never has more than one photo under way, and the batches of the most loaded run are full; two
    equations for `base` and `each`.
    """
    alone = measured["load"][0]["seconds"]["mean"]
    most = max(measured["load"], key=lambda each: float(each["photos_per_second"]))["photos_per_second"]
    workers, batch = configuration["minWorkers"], configuration["batchSize"]
    full = workers * batch / most
    each = max((full - alone) / (batch - 1), 0.001)
    spread = measured["alone_seconds"]["deviation"] / measured["alone_seconds"]["mean"]
    return Pod(
        base=max(alone - each, 0.0),
        each=each,
        deviation=spread,
        start=measured["start_seconds"],
        workers=workers,
        batch=batch,
        places=configuration["jobQueueSize"],
    )


def default_pod() -> Pod:
    """From the committed measurement and the configuration that ships."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    return measured_pod(measured, yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8")))


class Latencies:
    """Millions of latencies in a histogram with steps of one per cent."""

    STEP = math.log(1.01)
    LEAST = 1e-3
    """Seconds; the lower end."""

    def __init__(self) -> None:
        self._counts = np.zeros(1200, dtype=np.int64)
        self._fresh: list[float] = []

    def add(self, seconds: Iterable[float]) -> None:
        self._fresh.extend(seconds)
        if len(self._fresh) > 100_000:
            self._settle()

    def _settle(self) -> None:
        steps = np.log(np.maximum(self._fresh, self.LEAST) / self.LEAST) / self.STEP
        self._counts += np.bincount(np.minimum(steps.astype(int), len(self._counts) - 1), minlength=len(self._counts))
        self._fresh.clear()

    def __len__(self) -> int:
        return int(self._counts.sum()) + len(self._fresh)

    def quantile(self, q: float) -> float:
        """Seconds, to one per cent."""
        if self._fresh:
            self._settle()
        index = int(np.searchsorted(np.cumsum(self._counts), q * self._counts.sum()))
        return float(self.LEAST * math.exp((index + 0.5) * self.STEP))

    def over(self, seconds: float) -> int:
        """How many were longer."""
        if self._fresh:
            self._settle()
        return int(self._counts[round(math.log(seconds / self.LEAST) / self.STEP) :].sum())


@dataclass
class Outcome:
    """What came of a run. Pod-seconds count from the moment that a pod is wanted."""

    latencies: Latencies = field(default_factory=Latencies)
    refused: int = 0
    pod_seconds: float = 0.0
    ideal_pod_seconds: float = 0.0
    timeline: list[tuple[float, float, int, int, float]] = field(default_factory=list)
    """Time, photos a second, pods ready, pods wanted, mean queue."""

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
            "over_ideal": round(self.pod_seconds / self.ideal_pod_seconds, 3),
        }


@dataclass
class _Server:
    """A running pod; busy seconds and waits are counters, as in its metrics."""

    ready: bool = False
    queue: deque[float] = field(default_factory=deque)
    idle: int = 0
    busy: float = 0.0
    waited: float = 0.0
    served: int = 0
    history: deque[tuple[float, int, float, float, int]] = field(default_factory=deque)


class Cluster:
    """One run: a load, a policy, a pod."""

    def __init__(  # noqa: PLR0913, a run has that many parts
        self,
        load: Load,
        duration: float,
        policy: Policy,
        pod: Pod,
        *,
        seed: int = 0,
        signals: Callable[["Cluster"], dict[str, list[float | None]]] | None = None,
    ) -> None:
        """`signals` replaces what the autoscaler is told, to compare other policies' metrics."""
        self.load, self.duration, self.policy, self.pod = load, duration, policy, pod
        self.assumptions = Assumptions()
        self.signals = signals or Cluster.standard_signals
        self.env = simpy.Environment()
        self.random = np.random.default_rng(seed)
        self.servers: list[_Server] = []
        self.outcome = Outcome()
        self._factors = self._draw()

    def run(self) -> Outcome:
        """Simulate the whole duration."""
        for _ in range(self.policy.least):
            server = _Server(ready=True, idle=self.pod.workers)
            self.servers.append(server)
        self.env.process(self._arrivals())
        self.env.process(self._scrapes())
        self.env.process(self._autoscaler())
        self.env.run(until=self.duration)
        return self.outcome

    def _arrivals(self) -> Generator[simpy.Event, None, None]:
        """A Poisson process whose rate follows the load, drawn ten seconds at a time."""
        group, chunk = self.assumptions.group, 10.0
        while True:
            start = self.env.now
            rate = self.load(start + chunk / 2)
            # A load that leaps within the ten seconds would be smeared; the loads here leap between them.
            moments = np.sort(start + chunk * self.random.random(self.random.poisson(rate * chunk)))
            edges = np.flatnonzero(np.diff(np.floor((moments - start) / group))) + 1
            shares = self.random.random(len(moments)).tolist()
            begin = 0
            for end in [*edges.tolist(), len(moments)]:
                if begin == end:
                    continue
                arrived = moments[begin:end].tolist()
                yield self.env.timeout(max(arrived[-1] - self.env.now, 0.0))
                ready = [server for server in self.servers if server.ready]
                if ready:
                    for moment, share in zip(arrived, shares[begin:end], strict=True):
                        self._offer(ready[int(share * len(ready))], moment)
                else:
                    self.outcome.refused += len(arrived)
                begin = end
            yield self.env.timeout(max(start + chunk - self.env.now, 0.0))

    def _offer(self, server: _Server, moment: float) -> None:
        if len(server.queue) >= self.pod.places:
            self.outcome.refused += 1
            return
        server.queue.append(moment)
        if server.idle:
            server.idle -= 1
            self.env.process(self._work(server))

    def _work(self, server: _Server) -> Generator[simpy.Event, None, None]:
        """A worker until its queue is empty: batches of what waits."""
        pod = self.pod
        while server.queue:
            batch = [server.queue.popleft() for _ in range(min(pod.batch, len(server.queue)))]
            server.waited += sum(self.env.now - moment for moment in batch)
            seconds = (pod.base + pod.each * len(batch)) * next(self._factors)
            yield self.env.timeout(seconds)
            server.busy += seconds
            server.served += len(batch)
            self.outcome.latencies.add(self.env.now - moment for moment in batch)
        server.idle += 1

    def _draw(self) -> Iterator[float]:
        """Random factors of mean 1, lognormal, drawn thousands at a time."""
        spread = math.sqrt(math.log(1 + self.pod.deviation**2))
        while True:
            yield from self.random.lognormal(-(spread**2) / 2, spread, size=10_000).tolist()

    def _scrapes(self) -> Generator[simpy.Event, None, None]:
        """Prometheus: every pod's counters, kept for a minute, as the rules' windows need them."""
        while True:
            now = self.env.now
            for server in self.servers:
                if server.ready:
                    server.history.append((now, len(server.queue), server.waited, server.busy, server.served))
                    while server.history[0][0] < now - 60:
                        server.history.popleft()
            yield self.env.timeout(self.assumptions.scrape)

    def standard_signals(self) -> dict[str, list[float | None]]:
        """What the recording rules of monitoring/rules.py make of it, a rule's interval old."""
        depth: list[float | None] = []
        wait: list[float | None] = []
        busy: list[float | None] = []
        for server in self.servers:
            known = [each for each in server.history if each[0] <= self.env.now - self.assumptions.rule]
            if len(known) < 2:  # a rate needs two scrapes
                for signal in (depth, wait, busy):
                    signal.append(None)
                continue
            recent = [each[1] for each in known if each[0] > known[-1][0] - 30]
            depth.append(sum(recent) / len(recent))
            seconds = known[-1][0] - known[0][0]
            served = known[-1][4] - known[0][4]
            wait.append((known[-1][2] - known[0][2]) / served if served else 0.0)
            busy.append((known[-1][3] - known[0][3]) / seconds / self.pod.workers)
        return {"emotion_queue_depth": depth, "emotion_queue_wait_seconds": wait, "emotion_workers_busy": busy}

    def _autoscaler(self) -> Generator[simpy.Event, None, None]:
        controller = Autoscaler(self.policy)
        while True:
            now = self.env.now
            wanted = controller.decide(now, len(self.servers), self.signals(self))
            for _ in range(wanted - len(self.servers)):
                server = _Server()
                self.servers.append(server)
                self.env.process(self._start(server, beyond=len(self.servers) > self.assumptions.pods_at_hand))
            while len(self.servers) > wanted:
                self._stop()
            self._account(now)
            yield self.env.timeout(SYNC_SECONDS)

    def _start(self, server: _Server, beyond: bool) -> Generator[simpy.Event, None, None]:
        yield self.env.timeout(self.assumptions.schedule + self.pod.start + (self.assumptions.node if beyond else 0.0))
        server.idle = self.pod.workers
        server.ready = True

    def _stop(self) -> None:
        """Kubernetes takes pods that are not ready first; a ready one drains, so what it holds is still answered."""
        victim = next((server for server in reversed(self.servers) if not server.ready), self.servers[-1])
        victim.ready = False
        self.servers.remove(victim)

    def _account(self, now: float) -> None:
        rate = self.load(now)
        ready = sum(server.ready for server in self.servers)
        waiting = sum(len(server.queue) for server in self.servers) / max(len(self.servers), 1)
        self.outcome.timeline.append((now, rate, ready, len(self.servers), waiting))
        self.outcome.pod_seconds += len(self.servers) * SYNC_SECONDS
        self.outcome.ideal_pod_seconds += self.pod.ideal(rate) * SYNC_SECONDS
