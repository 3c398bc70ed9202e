"""The manifests carry what the simulation chooses, and its results are those of today's manifests and measurements."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.autoscaling import simulate
from bench.autoscaling.signals import Scrape, signals
from bench.autoscaling.simulate import BEFORE, BUSY, MANIFESTS, OVERSHOOT, QUEUE, WAIT
from monitoring import rules
from tests.k8s.stories import check

RESULTS = Path(simulate.__file__).with_name("results.json")
RIVAL = "… queue 20"

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    loaded: list[Row] = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    return loaded


def test_the_results_are_what_the_simulation_gives_today(rows: list[Row]) -> None:
    """The spike, run again, where every policy has another row; `make bench-autoscaling` writes them all anew."""
    again = simulate.run("spike", MANIFESTS)
    del again["timeline"]
    assert [row for row in rows if (row["scenario"], row["policy"]) == ("spike", MANIFESTS)] == [again]
    assert RESULTS.with_name("RESULTS.md").read_text(encoding="utf-8") == simulate.text(rows)


def test_the_manifests_carry_the_winner(rows: list[Row]) -> None:
    assert simulate.winner(rows) == MANIFESTS


def test_the_old_policy_stands_beside_the_winner_and_overshoots(rows: list[Row]) -> None:
    found = {(row["scenario"], row["policy"]): row["over_ideal"] for row in rows}
    for scenario in ("spike", "bursts"):
        assert found[scenario, MANIFESTS] < OVERSHOOT < found[scenario, BEFORE]


def test_a_rival_wins_that_needs_fewer_pods_and_loses_no_more_photos(rows: list[Row]) -> None:
    best = {"late": 0.0, "refused": 0.0}
    assert simulate.winner(changed(rows, over_ideal=0.9, **best)) == RIVAL
    assert simulate.winner(changed(rows, over_ideal=0.9, late=0.3, refused=0.0)) == MANIFESTS
    assert simulate.winner(changed(rows, over_ideal=0.9, late=0.0, refused=0.3)) == MANIFESTS
    assert simulate.winner(changed(rows, over_ideal=OVERSHOOT, **best)) == MANIFESTS


def changed(rows: list[Row], **numbers: float) -> list[Row]:
    """The rows with other numbers for the rival."""
    return [row | numbers if row["policy"] == RIVAL else row for row in rows]


@pytest.mark.parametrize("age", [5, 10, 25, 60, 120])
def test_a_pods_signals_are_what_prometheus_records(tmp_path: Path, age: int) -> None:
    """A pod whose first batch ended after nine seconds, read every five; where Prometheus 2 and 3 agree."""
    read = [
        Scrape(float(at), depth=at % 7, waited=0.02 * served, busy=0.31 * (served // 2), served=served)
        for at in range(0, age + 1, 5)
        for served in [3 * max(at - 9, 0)]
    ]
    found = signals(read, age + 1.0, workers=2)
    pod = '{job="emotion-server-metrics", namespace="emotion", pod="a", endpoint="metrics"}'
    counters: dict[str, list[float | None]] = {
        "QueueTime_sum": [scrape.waited * 1000 if scrape.served else None for scrape in read],
        "QueueTime_count": [scrape.served or None for scrape in read],
        "emotion_batch_seconds_sum": [scrape.busy if scrape.served else None for scrape in read],
    }
    gauges: dict[str, list[float | None]] = {
        "emotion_queue_depth": [scrape.depth for scrape in read],
        "emotion_workers_ready": [2.0] * len(read),
        "up": [1.0] * len(read),
    }
    series = {
        name + pod: " ".join("_" if value is None else f"{value:.9g}" for value in values)
        for name, values in (counters | gauges).items()
    }
    recorded = {rule["record"]: rule["expr"] for rule in rules.groups()["groups"][0]["rules"]}
    samples: list[tuple[str, str, list[float]]] = []
    for name, value in zip((QUEUE, WAIT, BUSY), found, strict=True):
        millionths = [] if value is None else [round(1e6 * value)]
        samples.append((f"round(1e6 * max({recorded[rules.SIGNALS[name]]}))", f"{age + 1}s", [*millionths]))
    check(tmp_path, series, samples, "5s")
