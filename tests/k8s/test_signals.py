"""The autoscaler's signals, by promtool: zero when idle, missing where nobody knows."""

from pathlib import Path
from typing import Any

import pytest

from monitoring import build, rules
from tests.k8s.stories import POD, WORKERS, check

QUEUE = "emotion_queue_depth"
SCRAPED: dict[str, Any] = {
    f'up{{{POD}, job="emotion-server-metrics", endpoint="metrics"}}': "1x20",
    f"emotion_queue_depth{{{POD}}}": "0x20",
    WORKERS: "2x20",
}


@pytest.mark.parametrize("name", list(rules.SIGNALS))
def test_signal_is_zero_when_idle(tmp_path: Path, name: str) -> None:
    """Before the first request there are no series, after it there are but nothing moves: zero both times."""
    used = SCRAPED | {
        f"QueueTime_sum{{{POD}}}": "_x9 80x11",
        f"QueueTime_count{{{POD}}}": "_x9 4x11",
        f"emotion_batch_seconds_sum{{{POD}}}": "_x9 2x11",
    }
    series = f"max({rules.SIGNALS[name]})"
    check(tmp_path, used, [(series, "75s", [0.0]), (series, "285s", [0.0])], "15s")


@pytest.mark.parametrize("name", list(rules.SIGNALS))
def test_signal_is_missing_where_the_server_cannot_be_asked(tmp_path: Path, name: str) -> None:
    """Missing, not zero: zero would take pods away from a cluster that merely cannot be seen."""
    lost = {f'up{{{POD}, job="emotion-server-metrics", endpoint="metrics"}}': "0x20"}
    check(tmp_path, lost, [(f"max({rules.SIGNALS[name]})", "285s", [])], "15s")


def test_a_signal_is_missing_where_one_of_its_inputs_is(tmp_path: Path) -> None:
    """How busy workers are is unknown without the sidecar, which alone knows how many there are."""
    half = {
        f'up{{{POD}, job="emotion-server-metrics", endpoint="metrics"}}': "1x20",
        f'up{{{POD}, job="emotion-server-metrics", endpoint="sidecar"}}': "0x20",
        f"emotion_batch_seconds_sum{{{POD}}}": "0+10x20",
    }
    none: list[float] = []
    check(tmp_path, half, [("emotion:workers_busy:ratio1m", "285s", none), (rules.SIGNALS[QUEUE], "285s", none)], "15s")
    # All workers gone: nobody is busy, and nobody is idle either.
    check(tmp_path, SCRAPED | {WORKERS: "0x20"}, [("emotion:workers_busy:ratio1m", "285s", none)], "15s")


def test_a_signal_is_missing_until_there_are_two_scrapes(tmp_path: Path) -> None:
    """One scrape gives no rate: nobody knows yet whether anything happened."""
    first = {name: "_x10 " + values.replace("x20", "x9") for name, values in SCRAPED.items()}
    wait = rules.SIGNALS["emotion_queue_wait_seconds"]
    check(tmp_path, first, [(f"max({wait})", "150s", []), (f"max({wait})", "180s", [0.0])], "15s")


@pytest.mark.parametrize("trigger", build.scaled_object()["spec"]["triggers"][:-1], ids=lambda each: each["name"])
def test_keda_takes_no_pods_away_while_some_are_not_seen(tmp_path: Path, trigger: dict[str, Any]) -> None:
    """Two idle pods of which one cannot be scraped: the query still asks for two."""
    unseen = {'up{namespace="emotion", pod="b", job="emotion-server-metrics", endpoint="metrics"}': "0x20"}
    keeps = 2 * float(trigger["metadata"]["threshold"])
    check(tmp_path, SCRAPED | unseen, [(trigger["metadata"]["query"], "285s", [keeps])], "15s")


@pytest.mark.parametrize("trigger", build.scaled_object()["spec"]["triggers"][:-1], ids=lambda each: each["name"])
def test_keda_sleeps_where_there_are_no_pods_and_holds_still_where_it_is_blind(
    tmp_path: Path, trigger: dict[str, Any]
) -> None:
    """No pods and a page that is seen: zero. Pods without numbers, or nothing seen at all: no value, KEDA's error."""
    page = {'up{namespace="emotion", pod="p", job="emotion-client-metrics", endpoint="metrics"}': "1x20"}
    blind = {f'up{{{POD}, job="emotion-server-metrics", endpoint="metrics"}}': "0x20"}
    query = trigger["metadata"]["query"]
    check(tmp_path, page, [(query, "285s", [0.0])], "15s")
    check(tmp_path, page | blind, [(query, "285s", [])], "15s")
    check(tmp_path, {"unrelated": "1x20"}, [(query, "285s", [])], "15s")
    check(tmp_path, page | SCRAPED, [(query, "285s", [0.0])], "15s")


def test_a_dead_pod_does_not_hide_behind_its_past(tmp_path: Path) -> None:
    """A pod that was busy and vanished is gone from the signals within a minute and a half."""
    gone = {
        f'up{{{POD}, job="emotion-server-metrics", endpoint="metrics"}}': "1x8 stale",
        f"emotion_queue_depth{{{POD}}}": "50x8 stale",
        f"emotion_workers_ready{{{POD}}}": "2x8 stale",
        f"emotion_batch_seconds_sum{{{POD}}}": "0+30x8 stale",
    }
    samples: list[tuple[str, str, list[float]]] = [(f"max({series})", "5m", []) for series in rules.SIGNALS.values()]
    check(tmp_path, gone, samples, "15s")
