"""The manifests carry what the simulation chooses, and its results are those of today's manifests and measurements."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.autoscaling import simulate
from bench.autoscaling.simulate import MANIFESTS

RESULTS = Path(simulate.__file__).with_name("results.json")
RIVAL = "… busy 0.9"

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    loaded: list[Row] = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    return loaded


def test_the_results_are_what_the_simulation_gives_today(rows: list[Row]) -> None:
    """The spike, run again, where every policy has another row; `make bench-autoscaling` writes them all anew."""
    again = simulate.run("spike", MANIFESTS, seed=0)
    del again["timeline"]
    assert [row for row in rows if (row["scenario"], row["policy"]) == ("spike", MANIFESTS)] == [again]
    assert RESULTS.with_name("RESULTS.md").read_text(encoding="utf-8") == simulate.report(rows)


def test_the_manifests_carry_the_winner(rows: list[Row]) -> None:
    assert simulate.winner(rows) == MANIFESTS


def test_a_rival_wins_that_needs_fewer_pods_and_loses_no_more_photos(rows: list[Row]) -> None:
    assert simulate.winner(changed(rows, over_ideal=1.0)) == RIVAL
    assert simulate.winner(changed(rows, over_ideal=1.0, late=0.1)) == MANIFESTS
    assert simulate.winner(changed(rows, over_ideal=1.0, refused=0.1)) == MANIFESTS


def changed(rows: list[Row], **numbers: float) -> list[Row]:
    """The rows with other numbers for the rival."""
    return [row | numbers if row["policy"] == RIVAL else row for row in rows]
