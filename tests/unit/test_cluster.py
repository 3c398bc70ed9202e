"""The simulated cluster against queueing theory, and against itself."""

from dataclasses import replace

import pytest

from bench.autoscaling.autoscaler import Direction, Policy, Rate
from bench.autoscaling.cluster import Cluster, Latencies, Pod, default_pod, measured_pod

POD = Pod(base=0.0, each=0.05, deviation=0.0, start=5.0, workers=1, batch=1, places=10_000)

NEVER = Direction(0, [Rate("Pods", 0, 15)])

FIXED = Policy(targets={"emotion_queue_depth": 1e9}, least=1, most=1, up=NEVER, down=NEVER)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_worker_waits_as_theory_says(load: float) -> None:
    """Poisson arrivals, fixed service: the mean wait of M/D/1 is ρ/(1-ρ)·s/2 (Pollaczek-Khinchine)."""
    rate = load / POD.each
    cluster = Cluster(lambda _: rate, 4000.0, FIXED, POD, seed=1)
    cluster.run()
    waited = sum(server.waited for server in cluster.servers) / sum(server.served for server in cluster.servers)
    assert waited == pytest.approx(load / (1 - load) * POD.each / 2, rel=0.1, abs=0.003)


def test_no_photo_is_lost() -> None:
    cluster = Cluster(lambda _: 100.0, 60.0, FIXED, replace(POD, places=20), seed=0)
    outcome = cluster.run()
    waiting = sum(len(server.queue) for server in cluster.servers)
    assert len(outcome.latencies) == pytest.approx(20 * 60, abs=5), "one worker, 50 ms a photo"
    assert outcome.refused == pytest.approx(80 * 60 - waiting, rel=0.05)


def test_a_spike_brings_pods_and_its_end_takes_them_away() -> None:
    policy = Policy(
        targets={"emotion_queue_depth": 4.0, "emotion_queue_wait_seconds": 0.1, "emotion_workers_busy": 0.6},
        least=2,
        most=20,
        up=Direction(0, [Rate("Percent", 100, 15)]),
        down=Direction(60, [Rate("Percent", 50, 15)]),
    )
    cluster = Cluster(lambda now: 300 if 100 <= now < 400 else 10, 900.0, policy, default_pod(), seed=0)
    pods = {round(at): ready for at, _, ready, _, _ in cluster.run().timeline}
    assert pods[90] == 2
    assert pods[390] >= 300 / default_pod().capacity
    assert pods[885] == 2


def test_one_seed_one_result() -> None:
    def once() -> dict[str, float]:
        return Cluster(lambda _: 50.0, 200.0, replace(FIXED, most=3), default_pod(), seed=3).run().summary()

    assert once() == once()


def test_pod_fits_what_was_measured() -> None:
    measured = {
        "alone_seconds": {"mean": 0.03, "deviation": 0.003},
        "start_seconds": 8.0,
        "load": [
            {"photos_per_second": 30.0, "seconds": {"mean": 0.033}},
            {"photos_per_second": 80.0, "seconds": {"mean": 0.2}},
        ],
    }
    pod = measured_pod(measured, {"minWorkers": 2, "batchSize": 4, "jobQueueSize": 50})
    assert pod.base + pod.each == pytest.approx(0.033)
    assert pod.capacity == pytest.approx(80.0)


def test_quantiles_are_right_to_a_per_cent() -> None:
    latencies = Latencies()
    latencies.add(each / 10_000 for each in range(1, 200_001))
    assert latencies.quantile(0.5) == pytest.approx(10, rel=0.011)
    assert latencies.quantile(0.99) == pytest.approx(19.8, rel=0.011)
    assert latencies.over(1.0) == pytest.approx(190_000, rel=0.001)
