"""A cluster of emotion pods under an autoscaler, simulated.

Service and start-up times were measured by `bench.autoscaling.measure`; workers, batch size and the queue's length are
read from the archive's configuration, the policy from the manifests. The rest is assumed: see `Assumptions`.

Photos come over connections that are kept alive, and kube-proxy gives each connection, not each photo, to a ready pod
at random (`mode` iptables or ipvs with its default). Every photo has its own moment; pods are looked at, and
become ready, every five seconds.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.autoscaling.autoscaler import SYNC_SECONDS, Autoscaler, Policy
from bench.autoscaling.outcome import Outcome
from bench.autoscaling.pod import Pod, Server, waiting
from bench.autoscaling.signals import signals

Load = Callable[[float], float]
"""Photos a second at a time, seconds from the start; it may leap at whole multiples of `Assumptions.scrape` only."""


@dataclass(frozen=True)
class Assumptions:
    """What a machine without a cluster cannot measure; in seconds where nothing else is said.

    `schedule`: until the containers of a wanted pod start, on a node that has room and the image. `pull`: how much
    longer where the image (1.45 GB unpacked) must come first, as wherever no pod has been. `node`: how much longer
    where a node must be added first, as for every pod beyond the first `pods_at_hand`; a node that stands empty for
    `idle` goes again, with its image. `scrape`, `rule`: Prometheus' intervals. `each`: photos a second that come over
    one connection. `lasts`: how long a connection does, on average.
    """

    schedule: float = 4.0
    pull: float = 20.0
    node: float = 60.0
    pods_at_hand: int = 10
    idle: float = 600.0
    scrape: float = 5.0
    rule: float = 5.0
    each: float = 2.0
    lasts: float = 60.0


class Nodes:
    """Which place a pod gets, the lowest that is free, and how long it takes until its containers start there."""

    def __init__(self, assumptions: Assumptions) -> None:
        self.assumptions = assumptions
        self._taken: set[int] = set()
        self._left: dict[int, float] = {}

    def take(self, now: float) -> tuple[int, float]:
        """A place, and the seconds until a container starts there."""
        assumed = self.assumptions
        place = next(each for each in itertools.count() if each not in self._taken)
        self._taken.add(place)
        has_node = place < assumed.pods_at_hand or now - self._left.get(place, -math.inf) < assumed.idle
        has_image = place in self._left and has_node
        return place, assumed.schedule + assumed.node * (not has_node) + assumed.pull * (not has_image)

    def leave(self, place: int, now: float) -> None:
        self._taken.remove(place)
        self._left[place] = now


@dataclass(eq=False)
class Replica:
    """A pod that is wanted: pending until `runs`, answering from `ready` on."""

    place: int
    runs: float
    ready: float
    server: Server | None = None


class Cluster:
    """One run of a load under a policy, on pods that are all alike."""

    def __init__(
        self,
        load: Load,
        duration: float,
        policy: Policy,
        pod: Pod,
        *,
        seed: int = 0,
    ) -> None:
        self.load, self.duration, self.policy, self.pod = load, duration, policy, pod
        self.assumptions = Assumptions()
        self.now = 0.0
        self.nodes = Nodes(self.assumptions)
        self.replicas: list[Replica] = []
        self.outcome = Outcome()
        self._controller = Autoscaler(policy)
        # The photos are the same under every policy: what the cluster does draws from a generator of its own.
        self._arriving, self._routing = (np.random.default_rng([seed, stream]) for stream in range(2))
        self._connections = np.full(0, -1)
        self._factors = self._draw()
        self._answered: list[float] = []

    @property
    def servers(self) -> list[Server]:
        """The pods that are ready."""
        return [replica.server for replica in self.replicas if replica.server]

    def run(self) -> Outcome:
        """Simulate the whole duration."""
        step = self.assumptions.scrape
        for _ in range(self.policy.least):
            place, _ = self.nodes.take(0.0)
            self.replicas.append(Replica(place, 0.0, 0.0, Server(self.pod, 0.0)))
        for index in range(round(self.duration / step)):
            self.now = index * step
            for replica in self.replicas:
                if replica.server is None and replica.ready <= self.now:
                    replica.server = Server(self.pod, self.now)
            if self.now % SYNC_SECONDS == 0:
                self._scale()
            self._serve(self.now + step)
            for server in self.servers:
                server.scrape(self.now + step)
        self._count()
        return self.outcome

    def _serve(self, until: float) -> None:
        """The photos between now and `until`: a Poisson process, whose rate follows the load."""
        length, rate = until - self.now, self.load((self.now + until) / 2)
        moments = self.now + length * np.sort(self._arriving.random(self._arriving.poisson(rate * length)))
        large = self._arriving.random(len(moments)) < self.pod.large_share
        costs = np.where(large, self.pod.large, self.pod.small)
        lanes = self._arriving.random(len(moments))
        servers = self.servers
        if not servers:
            self.outcome.refused += len(moments)
            return
        connections = self._connect(math.ceil(rate / self.assumptions.each), length)
        chosen = connections[(lanes * len(connections)).astype(int)]
        order = np.argsort(chosen, kind="stable")
        edges = np.searchsorted(chosen[order], np.arange(len(servers) + 1))
        moments, costs = moments[order], costs[order]
        for server, (begin, end) in zip(servers, itertools.pairwise(edges.tolist()), strict=True):
            arrived, each = moments[begin:end].tolist(), costs[begin:end].tolist()
            self.outcome.refused += server.advance(arrived, each, until, self._factors, self._answered)
        if len(self._answered) > 100_000:
            self._count()

    def _connect(self, count: int, seconds: float) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """For each connection the index of its pod among those that are ready.

        One whose pod has gone, or that is new, or that has lasted long enough, is made anew.
        """
        places = np.array([replica.place for replica in self.replicas if replica.server])
        kept = self._connections[:count]
        kept = np.append(kept, np.full(max(count, 1) - len(kept), -1))
        ended = self._routing.random(len(kept)) < seconds / self.assumptions.lasts
        anew = ended | ~np.isin(kept, places)
        kept[anew] = places[self._routing.integers(len(places), size=int(anew.sum()))]
        self._connections = kept
        order = np.argsort(places)
        return order[np.searchsorted(places, kept, sorter=order)]

    def _draw(self) -> Iterator[float]:
        """Random factors of mean 1, lognormal, drawn thousands at a time."""
        spread = math.sqrt(math.log(1 + self.pod.deviation**2))
        while True:
            yield from self._routing.lognormal(-(spread**2) / 2, spread, size=10_000).tolist()

    def values(self) -> dict[str, list[float | None]]:
        """Each signal of monitoring/rules.py in each running pod, as recorded one rule's interval ago."""
        when = self.now - self.assumptions.rule
        running = [replica for replica in self.replicas if replica.runs <= self.now]
        found = [signals(each.server.scrapes if each.server else (), when, self.pod.workers) for each in running]
        return {
            "emotion_queue_depth": [each.depth for each in found],
            "emotion_queue_wait_seconds": [each.wait for each in found],
            "emotion_workers_busy": [each.busy for each in found],
        }

    def _scale(self) -> None:
        """The autoscaler decides, pods come and go, and what they cost is counted."""
        pending = sum(replica.runs > self.now for replica in self.replicas)
        wanted = self._controller.decide(self.now, len(self.replicas), self.values(), pending)
        for _ in range(wanted - len(self.replicas)):
            place, seconds = self.nodes.take(self.now)
            runs = self.now + seconds
            self.replicas.append(Replica(place, runs, runs + self.pod.start))
        while len(self.replicas) > wanted:
            self._remove()
        rate = self.load(self.now)
        line = (self.now, rate, len(self.servers), len(self.replicas), waiting(self.servers))
        self.outcome.timeline.append(line)
        self.outcome.pod_seconds += len(self.replicas) * SYNC_SECONDS
        self.outcome.ideal_pod_seconds += self.pod.ideal(rate) * SYNC_SECONDS

    def _remove(self) -> None:
        """Pods that are not ready go first, then the youngest (`ActivePodsWithRanks` in pkg/controller); a ready one
        drains, so what it holds is still answered."""
        victim = max(self.replicas, key=lambda each: (each.server is None, each.ready, each.place))
        if victim.server:
            victim.server.advance([], [], math.inf, self._factors, self._answered)
        self.replicas.remove(victim)
        self.nodes.leave(victim.place, self.now)

    def _count(self) -> None:
        self.outcome.latencies.add(self._answered)
        self._answered.clear()
