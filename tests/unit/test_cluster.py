"""The simulated cluster against queueing theory, and against itself."""

import itertools
from dataclasses import replace

import pytest

from bench.autoscaling import simulate
from bench.autoscaling.autoscaler import Direction, Policy, Rate
from bench.autoscaling.cluster import Assumptions, Cluster, Nodes, Replica
from bench.autoscaling.outcome import Latencies
from bench.autoscaling.pod import Pod, Server, default_pod, measured_pod
from bench.autoscaling.scenarios import SCENARIOS

POD = Pod(base=0.0, small=0.05, large=0.2, deviation=0.0, start=5.0, workers=1, batch=1, places=10_000)

NEVER = Direction(0, [Rate("Pods", 0, 15)])

FIXED = Policy(targets={"emotion_queue_depth": 1e9}, least=1, most=1, up=NEVER, down=NEVER)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_worker_waits_as_theory_says(load: float) -> None:
    """Poisson arrivals, fixed service: the mean wait of M/D/1 is ρ/(1-ρ)·s/2 (Pollaczek-Khinchine)."""
    rate = load / POD.small
    cluster = Cluster(lambda _: rate, 4000.0, FIXED, POD, seed=1)
    cluster.run()
    waited = sum(server.waited for server in cluster.servers) / sum(server.served for server in cluster.servers)
    assert waited == pytest.approx(load / (1 - load) * POD.small / 2, rel=0.1, abs=0.003)


def test_no_photo_is_lost() -> None:
    cluster = Cluster(lambda _: 100.0, 60.0, FIXED, replace(POD, places=20), seed=0)
    outcome = cluster.run()
    assert len(outcome.latencies) == pytest.approx(20 * 60, abs=5), "one worker, 50 ms a photo"
    waiting = sum(server.depth for server in cluster.servers)
    assert waiting == 20, "the queue is full"
    assert outcome.refused == pytest.approx(80 * 60 - waiting, rel=0.05)


def test_a_spike_brings_pods_and_its_end_takes_them_away() -> None:
    policy = Policy(
        targets={"emotion_queue_depth": 10.0, "emotion_queue_wait_seconds": 0.1, "emotion_workers_busy": 0.6},
        least=2,
        most=20,
        up=Direction(0, [Rate("Percent", 100, 15)]),
        down=Direction(60, [Rate("Percent", 50, 15)]),
    )
    cluster = Cluster(lambda now: 600 if 100 <= now < 400 else 10, 900.0, policy, default_pod(), seed=0)
    pods = {round(at): ready for at, _, ready, _, _ in cluster.run().timeline}
    assert pods[90] == 2
    assert pods[390] >= 600 / default_pod().capacity
    assert pods[885] == 2


def test_a_connection_stays_with_its_pod_while_photos_would_spread() -> None:
    """Two connections to two pods: in half of the cases both have the same pod, and the other one idles."""
    two = replace(FIXED, least=2, most=2)

    def share(seed: int) -> float:
        cluster = Cluster(lambda _: 4.0, 60.0, two, POD, seed=seed)
        cluster.assumptions = replace(Assumptions(), each=2.0, lasts=1e9)
        cluster.run()
        first, second = (server.served for server in cluster.servers)
        return max(first, second) / (first + second)

    shares = [share(seed) for seed in range(20)]
    assert 5 <= sum(each == 1.0 for each in shares) <= 15
    assert min(shares) < 0.6


def test_new_pods_get_their_share_only_as_connections_end() -> None:
    cluster = Cluster(lambda _: 200.0, 300.0, replace(FIXED, least=1, most=1), default_pod(), seed=0)
    cluster.replicas = [_ready(0)]
    assert (cluster._connect(100, 5.0) == 0).all()
    cluster.replicas.append(_ready(1))
    assert (cluster._connect(100, 5.0) == 1).mean() < 0.2, "after five seconds"
    for _ in range(60):
        chosen = cluster._connect(100, 5.0)
    assert (chosen == 1).mean() == pytest.approx(0.5, abs=0.2), "after five minutes"


def _ready(place: int) -> Replica:
    return Replica(place, 0.0, 0.0, Server(POD, 0.0))


def test_images_are_pulled_where_no_pod_has_been_and_nodes_go_when_they_stand_empty() -> None:
    assumed = Assumptions(schedule=4, pull=20, node=60, pods_at_hand=1, idle=600)
    nodes = Nodes(assumed)
    assert nodes.take(0.0) == (0, 24), "a node that is there, without the image"
    assert nodes.take(0.0) == (1, 84), "a node that must be added"
    nodes.leave(1, 100.0)
    assert nodes.take(500.0) == (1, 4), "still there, with the image"
    nodes.leave(1, 600.0)
    assert nodes.take(1300.0) == (1, 84), "gone meanwhile"
    nodes.leave(0, 1300.0)
    assert nodes.take(9999.0) == (0, 4), "those at hand stay"


def test_large_photos_take_their_time() -> None:
    server, answered = Server(POD, 0.0), list[float]()
    refused = server.advance([1.0, 2.0], [POD.small, POD.large], 10.0, iter([1.0, 1.0]), answered)
    assert not refused
    assert answered == pytest.approx([0.05, 0.2])


def test_counters_grow_when_batches_end_and_by_the_handlers_clock() -> None:
    pod = replace(POD, base=0.1, seen_base=0.02, seen_share=0.9)
    server = Server(pod, 0.0)
    server.advance([1.0, 1.05], [POD.small, POD.small], 1.16, iter([1.0] * 2), [])
    assert server.served == 1
    assert server.busy == pytest.approx(0.02 + 0.9 * 0.05)
    assert server.depth == 0, "the second is in work"
    server.advance([], [], 2.0, iter([]), [])
    assert server.served == 2
    assert server.waited == pytest.approx(0.1)


def test_one_seed_one_result() -> None:
    def once() -> dict[str, float]:
        return Cluster(lambda _: 150.0, 200.0, replace(FIXED, most=3), default_pod(), seed=3).run().summary()

    assert once() == once()


def test_bursts_come_at_random_times_that_follow_from_the_seed() -> None:
    duration = int(SCENARIOS["bursts"].duration)

    def begins(seed: int) -> list[int]:
        load = SCENARIOS["bursts"].load(seed)
        return [now for now in range(5, duration, 5) if load(now) > load(now - 5)]

    gaps = {late - early for seed in range(5) for early, late in itertools.pairwise(begins(seed))}
    assert len(gaps) > 20, "not every five minutes"
    assert begins(1) == begins(1) != begins(2)


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_load_needs_more_than_productions_minimum(name: str) -> None:
    scenario = SCENARIOS[name]
    highest = max(scenario.load(0)(each) for each in range(0, int(scenario.duration), 5))
    assert default_pod().ideal(highest) >= 2 * simulate.from_manifests().least


def test_pod_fits_what_was_measured() -> None:
    measured = {
        "alone_seconds": {"mean": 0.03, "deviation": 0.003},
        "start_seconds": 8.0,
        "load": [
            {"photos_per_second": 30.0, "seconds": {"mean": 0.033}, "batch": {"photos": 1.0, "seconds": 0.025}},
            {"photos_per_second": 80.0, "seconds": {"mean": 0.2}, "batch": {"photos": 4.0, "seconds": 0.088}},
        ],
        "load_12_mpx": {"photos_per_second": 20.0, "batch": {"photos": 2.0, "seconds": 0.19}},
    }
    pod = measured_pod(measured, {"minWorkers": 2, "batchSize": 4, "jobQueueSize": 50}, large_share=0.0)
    assert pod.base + pod.small == pytest.approx(0.033)
    assert pod.capacity == pytest.approx(80.0)
    assert pod.base + 2 * pod.large == pytest.approx(2 * 2 / 20.0)
    assert pod.seen_base + pod.seen_share * 4 * pod.small == pytest.approx(0.088)
    assert pod.workers_seen() == pytest.approx(0.088 / 0.1)
    assert replace(pod, large_share=0.5).capacity < pod.capacity


def test_quantiles_are_right_to_a_per_cent() -> None:
    latencies = Latencies()
    latencies.add([each / 10_000 for each in range(1, 200_001)])
    assert latencies.quantile(0.5) == pytest.approx(10, rel=0.011)
    assert latencies.quantile(0.99) == pytest.approx(19.8, rel=0.011)
    assert latencies.over(1.0) == pytest.approx(190_000, rel=0.001)
