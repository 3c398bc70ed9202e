"""The manifests carry what the simulation chose, from what was measured."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bench.autoscaling import cluster, simulate

RESULTS = Path(simulate.__file__).with_name("results.json")


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return loaded


def plain(value: Any) -> Any:
    """As JSON would have it."""
    return json.loads(json.dumps(value))


def test_manifests_carry_the_winner(results: dict[str, Any]) -> None:
    assert results["winner"] == simulate.MANIFESTS
    assert results["policy"] == plain(asdict(simulate.from_manifests())), "run `make bench-autoscaling`"


def test_the_winner_is_the_rows_winner(results: dict[str, Any]) -> None:
    assert simulate.winner(results["rows"]) == results["winner"]


def test_pod_is_the_measured_one(results: dict[str, Any]) -> None:
    assert results["pod"] == plain(asdict(cluster.default_pod())), "run `make bench-autoscaling`"


def test_report_shows_the_rows(results: dict[str, Any]) -> None:
    assert simulate.table(results["rows"]) in RESULTS.with_name("RESULTS.md").read_text(encoding="utf-8")
