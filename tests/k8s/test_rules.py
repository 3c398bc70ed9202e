"""The rules, by Prometheus' own promtool: each alert silent, then firing, then resolved; and no data, and 0/0."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from client.api import EmotionClient, ServiceError
from emotion.labels import LABELS
from monitoring import build, rules
from tests.conftest import tool
from tests.k8s.manifests import K8S
from tests.unit.local_service import Service

RULES = K8S / "components" / "monitoring-standalone" / "rules.yaml"


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    binary = tool("promtool", "prometheus")
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)


HOUR = "1h"
"""The step of stories that last days or weeks."""


def check(folder: Path, series: dict[str, str], samples: list[tuple[str, str, list[float]]], interval: str) -> None:
    """Let promtool feed `series` and compare: each sample is an expression, a time, and the values it must have."""
    expressions = [
        {
            "expr": f"({expression}) + 0",
            "eval_time": time,
            "exp_samples": [{"labels": "{}", "value": value} for value in values],
        }
        for expression, time, values in samples
    ]
    test = {
        "interval": interval,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": expressions,
    }
    groups = rules.groups()["groups"]
    if not interval.endswith("s"):
        # Days at the rules' own intervals would take minutes, with the same result. In one group, since groups of one
        # time are evaluated in any order, and what a rule recorded an hour ago is too old for an alert.
        every_rule = [rule for group in groups for rule in group["rules"]]
        groups = [{"name": "all", "interval": interval, "rules": every_rule}]
    text = yaml.safe_dump({"groups": groups})
    if interval == HOUR:
        text = text.replace("[5m]", "[2h]")  # a rate needs two samples; windows of hours and days stay as they are
    (folder / "rules.yaml").write_text(text, encoding="utf-8")
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": interval, "tests": [test]}
    (folder / "test.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    done = promtool("test", "rules", folder / "test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class Story:
    """An alert's life: series, and when it must be silent, firing and silent again."""

    alert: str
    series: dict[str, str]
    silent: str
    firing: str
    resolved: str
    interval: str = "1m"


USUAL = {"happy": 0.94} | dict.fromkeys(set(LABELS) - {"happy"}, 0.01)
"""A happy crowd, as no data set has it."""

POD = 'namespace="emotion", pod="a"'
PAGE = 'namespace="emotion", pod="p"'


def counter(*pieces: tuple[float, int]) -> str:
    """A counter's samples: so much more at each step, for so many steps, piece after piece."""
    total, texts = 0.0, []
    for step, count in pieces:
        texts.append(f"{total:g}+{step:g}x{count - 1}")
        total += step * count
    return " ".join(texts)


DOOR = 'caddy_http_request_duration_seconds_count{{{}, server="door", handler="map", method="POST", code="{}"}}'


def door(bad: float, minutes: int, before: int, after: int, *, step: int = 60, code: int = 503) -> dict[str, str]:
    """Requests of which the door refuses the share `bad` for a while; TorchServe knows nothing of it."""
    pieces = ((0, before), (step * bad, minutes), (0, after))
    return {
        DOOR.format(POD, 200): counter(*((step - each, count) for each, count in pieces)),
        DOOR.format(POD, code): counter(*pieces),
    }


def page(outcome: str, bad: float, minutes: int, before: int, after: int) -> dict[str, str]:
    """Photos of visitors of which the share `bad` ends in `outcome` for a while."""
    pieces = ((0, before), (60 * bad, minutes), (0, after))
    return {
        f'emotion_client_requests_total{{{PAGE}, outcome="ok"}}': counter(*((60 - each, n) for each, n in pieces)),
        f'emotion_client_requests_total{{{PAGE}, outcome="{outcome}"}}': counter(*pieces),
    }


def latency(bad: float, minutes: int, before: int, after: int, step: int = 60) -> dict[str, str]:
    """Answers of which the share `bad` is slow for a while."""
    return door(0, minutes, before, after, step=step) | {
        f"emotion_request_seconds_count{{{POD}}}": counter((step, before + minutes + after)),
        f'emotion_request_seconds_bucket{{{POD}, le="1.0"}}': counter(
            (step, before), (step * (1 - bad), minutes), (step, after)
        ),
    }


def mixes(*parts: tuple[dict[str, float], int]) -> dict[str, str]:
    """A hundred faces a step, by emotion, of one mix after another."""
    return {
        f'emotion_faces{{{POD}, emotion="{label}"}}': counter(*((100 * mix.get(label, 0.0), n) for mix, n in parts))
        for label in LABELS
    }


def confidences(*parts: tuple[float, int]) -> dict[str, str]:
    """A hundred faces a step of one mean confidence after another."""
    steps = sum(count for _, count in parts)
    return mixes((USUAL, steps)) | {
        f"emotion_confidence_sum{{{POD}}}": counter(*((100 * mean, count) for mean, count in parts)),
        f"emotion_confidence_count{{{POD}}}": counter((100, steps)),
    }


def rejections(bad: float, minutes: int, before: int, after: int) -> dict[str, str]:
    return {
        f"emotion_images_analysed{{{POD}}}": counter((60, before), (60 * (1 - bad), minutes), (60, after)),
        f'emotion_images_rejected{{{POD}, reason="invalid_image"}}': counter(
            (0, before), (60 * bad, minutes), (0, after)
        ),
    }


DAY = 24
"""In steps of an hour."""

STORIES = [
    Story("EmotionAvailabilityBurn1h", door(0.2, 30, 120, 60), "100m", "149m", "165m"),
    Story("EmotionAvailabilityBurn6h", door(0.1, 150, 400, 120), "390m", "549m", "610m"),
    Story(
        "EmotionAvailabilityBurn3d",
        door(0.02, 40, 75, 17, step=3600),
        silent="72h",
        firing="114h",
        resolved="124h",
        interval=HOUR,
    ),
    Story("EmotionLatencyBurn1h", latency(0.4, 30, 120, 60), "100m", "149m", "165m"),
    Story("EmotionLatencyBurn6h", latency(0.2, 150, 400, 120), "390m", "549m", "610m"),
    Story(
        "EmotionLatencyBurn3d",
        latency(0.04, 40, 75, 17, step=3600),
        silent="72h",
        firing="114h",
        resolved="124h",
        interval=HOUR,
    ),
    Story(
        "EmotionNoReadyWorker",
        {f"emotion_workers_ready{{{POD}}}": "2x9 0x9 2x9", f"emotion_torchserve_up{{{POD}}}": "1x30"},
        silent="5m",
        firing="15m",
        resolved="22m",
    ),
    Story(
        "EmotionWorkersMissing",
        {
            **{f'emotion_workers_ready{{namespace="emotion", pod="{pod}"}}': "2x40" for pod in "abcdef"},
            **{f'emotion_workers_wanted{{namespace="emotion", pod="{pod}"}}': "2x40" for pod in "abcdefg"},
            'emotion_workers_ready{namespace="emotion", pod="g"}': "2x9 1x19 2x9",
        },
        silent="12m",  # a worker that starts again
        firing="18m",
        resolved="32m",
    ),
    Story(
        "EmotionNoPage",
        {f'up{{{PAGE}, job="emotion-client-metrics"}}': "1x9 _x10 1x9"},
        silent="5m",
        firing="18m",
        resolved="25m",
    ),
    Story(
        "EmotionNotScraped",
        {f'up{{{POD}, job="emotion-server-metrics", endpoint="metrics"}}': "1x9 0x9 1x9"},
        silent="5m",
        firing="15m",
        resolved="22m",
    ),
    Story(
        "EmotionQueueGrowing",
        {f"emotion_queue_depth{{{POD}}}": "0x9 40x9 0x20", f"emotion_queue_size{{{POD}}}": "50x40"},
        silent="5m",
        firing="17m",
        resolved="35m",
    ),
    Story("EmotionImagesRejected", rejections(0.5, 30, 30, 60), "25m", "58m", "100m"),
    Story(
        "EmotionMixDrift",
        mixes((USUAL, 8 * DAY), ({"angry": 1.0}, DAY), (USUAL, DAY)),
        silent="191h",
        firing="215h",
        resolved="238h",
        interval=HOUR,
    ),
    Story(
        "EmotionConfidenceDrift",
        confidences((0.9, 8 * DAY), (0.65, DAY), (0.9, DAY)),
        silent="191h",
        firing="215h",
        resolved="238h",
        interval=HOUR,
    ),
]


def test_rules_are_valid() -> None:
    done = promtool("check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_its_story() -> None:
    alerts = {rule["alert"] for group in rules.groups()["groups"] for rule in group["rules"] if "alert" in rule}
    assert {story.alert for story in STORIES} == alerts - {"EmotionWatchdog"}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.alert)
def test_alert_is_silent_then_fires_then_resolves(tmp_path: Path, story: Story) -> None:
    fires = firing(story.alert)
    samples = [(fires, story.silent, [0.0]), (fires, story.firing, [1.0]), (fires, story.resolved, [0.0])]
    check(tmp_path, story.series, samples, story.interval)


def firing(alert: str) -> str:
    """How often an alert fires. It has its namespace, by which it finds its receiver."""
    return f'count(ALERTS{{alertname="{alert}", alertstate="firing", namespace="emotion"}}) or vector(0)'


OTHERS = 'count(ALERTS{alertstate="firing", alertname!="EmotionWatchdog"})'


def test_the_watchdog_never_rests(tmp_path: Path) -> None:
    """Its receiver says when it has stopped; that is how one learns that Prometheus itself is gone."""
    check(tmp_path, {"unrelated": "1x10"}, [(firing("EmotionWatchdog"), "1m", [1.0])], "1m")


def test_a_crowd_that_was_always_happy_is_no_drift_nor_is_a_first_week(tmp_path: Path) -> None:
    """No data set's mix is the measure, and before a week has passed there is none."""
    happy = mixes((USUAL, 11 * DAY))
    psi = "max(emotion:mix:psi6h > bool 0.25)"
    check(tmp_path, happy, [(psi, "47h", []), ("count(emotion:mix:psi6h)", "166h", []), (psi, "250h", [0.0])], HOUR)


def test_the_first_week_outlasts_a_day_without_a_sample(tmp_path: Path) -> None:
    """What has changed for long is compared with the first week still, not with itself."""
    angry = {"angry": 1.0}
    gone = {name: f"{values} _x{DAY}" for name, values in mixes((USUAL, 8 * DAY), (angry, 6 * DAY)).items()}
    later = mixes((angry, DAY))
    series = {name: f"{values} {later[name]}" for name, values in gone.items()}
    check(tmp_path, series, [("max(emotion:mix:psi6h > bool 0.25)", "382h", [1.0])], HOUR)


def test_nothing_at_all_is_an_outage(tmp_path: Path) -> None:
    """Not a single series, as when every pod is pending: both parts are missed, in the namespace, and nothing else."""
    samples = [
        *((firing(alert), "10m", [1.0]) for alert in ("EmotionNoReadyWorker", "EmotionNoPage")),
        (OTHERS, "10m", [2.0]),
    ]
    check(tmp_path, {"unrelated": "1x10"}, samples, "1m")


def test_one_pod_that_lost_a_worker_is_no_outage(tmp_path: Path) -> None:
    (story,) = (story for story in STORIES if story.alert == "EmotionWorkersMissing")
    up = {name.replace("workers_ready", "torchserve_up"): "1x40" for name in story.series if "ready" in name}
    seen = {PAGE_UP: "1x40", **up}
    samples = [(firing("EmotionNoReadyWorker"), "18m", [0.0]), (OTHERS, "18m", [1.0])]
    check(tmp_path, story.series | seen, samples, "1m")


PAGE_UP = f'up{{{PAGE}, job="emotion-client-metrics", endpoint="metrics"}}'
SLEEPER_UP = f'up{{{PAGE}, job="emotion-client-metrics", endpoint="metrics", may_sleep="true"}}'


def test_no_pods_are_an_outage_unless_keda_may_put_them_to_sleep(tmp_path: Path) -> None:
    silent = f'up{{{POD}, job="emotion-server-metrics", endpoint="sidecar"}}'
    for series, expected in (
        ({PAGE_UP: "1x10"}, 1.0),
        ({SLEEPER_UP: "1x10"}, 0.0),
        ({SLEEPER_UP: "0x10"}, 1.0),  # nobody is there to wake a pod
        ({SLEEPER_UP: "1x10", silent: "0x10"}, 1.0),  # there are pods, and none says anything
    ):
        check(tmp_path, series, [(firing("EmotionNoReadyWorker"), "10m", [expected])], "1m")


BURN = firing("EmotionAvailabilityBurn1h")


@pytest.mark.parametrize(("code", "expected"), [(502, 1.0), (503, 1.0), (408, 1.0), (400, 0.0), (413, 0.0), (404, 0.0)])
def test_what_the_door_answers_counts_and_bad_photos_do_not(tmp_path: Path, code: int, expected: float) -> None:
    check(tmp_path, door(0.2, 30, 120, 60, code=code), [(BURN, "149m", [expected])], "1m")


def test_probes_of_a_door_that_is_not_ready_are_no_requests(tmp_path: Path) -> None:
    probes = DOOR.format(POD, 503).replace("POST", "GET")
    check(tmp_path, door(0, 30, 120, 60) | {probes: counter((30, 210))}, [(BURN, "149m", [0.0])], "1m")


KINDS: list[type[ServiceError]] = [ServiceError, *ServiceError.__subclasses__()]
OUTCOMES = {kind.outcome: 1.0 for kind in KINDS} | {"image_refused": 0.0}


@pytest.mark.parametrize(("outcome", "expected"), OUTCOMES.items())
def test_what_a_visitor_sees_counts_although_the_door_saw_nothing(
    tmp_path: Path, outcome: str, expected: float
) -> None:
    """The visitor's photo is at fault: that is an answer. Everything else is a failure."""
    check(tmp_path, page(outcome, 0.2, 30, 120, 60), [(BURN, "149m", [expected])], "1m")


@pytest.mark.parametrize(
    ("status", "expected"), [(401, 1.0), (403, 1.0), (429, 1.0), (502, 1.0), (504, 1.0), (413, 0.0)]
)
def test_an_edge_that_refuses_is_an_outage_unless_the_photo_is_too_large(
    tmp_path: Path, service: Service, status: int, expected: float
) -> None:
    """Of a page that reaches the service through one. No photo comes to a door, so every door has nothing to tell."""
    service.answer(status, b"<html>an edge's own words</html>")
    with pytest.raises(ServiceError) as refused:
        EmotionClient(service.url, retries=0).analyse(b"x")
    series = page(refused.value.outcome, 1.0, 30, 120, 60) | {WORKERS: "2x210", TORCHSERVE: "1x210", PAGE_UP: "1x210"}
    check(tmp_path, series, [(BURN, "149m", [expected]), (OTHERS, "119m", [])], "1m")


QUEUE = "emotion_queue_depth"
WORKERS = f"emotion_workers_ready{{{POD}}}"
TORCHSERVE = f"emotion_torchserve_up{{{POD}}}"
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
