"""The rules, by Prometheus' own promtool: each alert silent, then firing, then resolved; and no data, and 0/0."""

from pathlib import Path

import pytest

from client.api import EmotionClient, ServiceError
from emotion.labels import LABELS
from monitoring import rules, versions
from tests.k8s.stories import (
    HOUR,
    PAGE,
    POD,
    RULES,
    TORCHSERVE,
    USUAL,
    WORKERS,
    Story,
    check,
    counter,
    firing,
    promtool,
)
from tests.unit.local_service import Service

DOOR = 'caddy_http_request_duration_seconds_count{{{}, server="door", handler="subroute", method="POST", code="{}"}}'


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


def unreliable(*parts: tuple[dict[str, float], int]) -> dict[str, str]:
    """A hundred faces a step; of them, by reason, the share that is not relied on, one part after another."""
    steps = sum(count for _, count in parts)
    return {f"emotion_faces_per_image_sum{{{POD}}}": counter((100, steps))} | {
        f'emotion_faces_unreliable{{{POD}, reason="{reason}"}}': counter(
            *((100 * shares.get(reason, 0.0), count) for shares, count in parts)
        )
        for reason in ("too_dark", "too_small")
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
    Story(
        # All of them too dark: nothing is left to count for the mix and the confidence.
        "EmotionUnreliableDrift",
        unreliable(
            ({"too_small": 0.3}, 8 * DAY), ({"too_small": 0.3, "too_dark": 1.0}, DAY), ({"too_small": 0.3}, DAY)
        ),
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
    told_elsewhere = {"EmotionWatchdog", *(rule["alert"] for rule in versions.alerts())}
    assert {story.alert for story in STORIES} == alerts - told_elsewhere


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.alert)
def test_alert_is_silent_then_fires_then_resolves(tmp_path: Path, story: Story) -> None:
    fires = firing(story.alert)
    samples = [(fires, story.silent, [0.0]), (fires, story.firing, [1.0]), (fires, story.resolved, [0.0])]
    check(tmp_path, story.series, samples, story.interval)


def test_a_reason_that_is_new_has_a_first_week_of_its_own(tmp_path: Path) -> None:
    """As after an upgrade that adds one: it is not compared with the week in which nothing counted it."""
    late = {f'emotion_faces_unreliable{{{POD}, reason="turned"}}': f"_x{8 * DAY} 0+50x{3 * DAY}"}
    usual = unreliable(({"too_small": 0.3}, 11 * DAY))
    new, old = (f'count(emotion:unreliable:shift6h{{reason="{reason}"}})' for reason in ("turned", "too_small"))
    check(tmp_path, usual | late, [(new, "216h", []), (new, "260h", []), (old, "260h", [1.0])], HOUR)


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
