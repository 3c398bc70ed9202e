"""Another version beside the old one: the same server by another name, its share, and how it is compared."""

import json
from pathlib import Path

import pytest
import yaml

import emotion
from emotion.labels import LABELS
from monitoring import rules, versions
from tests.k8s.manifests import K8S, Manifest, find
from tests.k8s.stories import check, counter, dashboard_queries, firing

TRACKS = list(rules.TRACKS)


@pytest.fixture
def both(builds: dict[str, list[Manifest]]) -> list[Manifest]:
    return builds["base+gateway+network-policies+canary+shadow"]


@pytest.mark.parametrize("track", TRACKS)
def test_another_version_is_the_same_server_by_another_name(both: list[Manifest], track: str) -> None:
    text = json.dumps(find(both, "Deployment", f"emotion-server-{track}"))
    other = json.loads(
        text.replace(f"emotion-server-{track}", "emotion-server").replace(f"{track}:not-chosen", "image")
    )
    pod = other["spec"]["template"]
    assert other["metadata"]["labels"].pop("track") == pod["metadata"]["labels"].pop("track") == track
    mine = json.loads(
        json.dumps(find(both, "Deployment")).replace(f"emotion-server:{emotion.__version__}", "emotion-image")
    )
    assert other == mine


@pytest.mark.parametrize("track", TRACKS)
def test_no_service_mixes_two_versions(both: list[Manifest], track: str) -> None:
    """Selectors of services, budgets and the autoscaler choose pods of their own version."""
    name = {"app.kubernetes.io/name": f"emotion-server-{track}"}
    labels = find(both, "Deployment", f"emotion-server-{track}")["spec"]["template"]["metadata"]["labels"]
    for service in (f"emotion-server-{track}", f"emotion-server-{track}-metrics"):
        assert find(both, "Service", service)["spec"]["selector"] == name
    assert find(both, "PodDisruptionBudget", f"emotion-server-{track}")["spec"]["selector"]["matchLabels"] == name
    assert labels.items() >= name.items()
    old = find(both, "Service", "emotion-server")["spec"]["selector"]
    assert not labels.items() >= old.items()


def test_whatever_chooses_pods_chooses_those_of_one_version(both: list[Manifest]) -> None:
    """A deployment its own, or the cluster refuses it; policies alone hold for several."""
    pods = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
        for each in both
        if each["kind"] == "Deployment"
    }
    assert len(pods) == 2 + len(TRACKS)
    for each in both:
        if each["kind"] in {"Deployment", "Service", "PodDisruptionBudget"}:
            selector = each["spec"]["selector"]
            chosen = {
                name for name, labels in pods.items() if labels.items() >= selector.get("matchLabels", selector).items()
            }
            assert chosen == {each["metadata"]["name"].removesuffix("-metrics")}, (
                each["kind"],
                each["metadata"]["name"],
            )


@pytest.mark.parametrize("track", TRACKS)
def test_another_version_scales_as_the_old_one_does(both: list[Manifest], track: str) -> None:
    """Or the comparison would be one of loads."""
    spec = find(both, "HorizontalPodAutoscaler", f"emotion-server-{track}")["spec"]
    base = find(both, "HorizontalPodAutoscaler")["spec"]
    target = base["scaleTargetRef"] | {"name": f"emotion-server-{track}"}
    assert spec == base | {"minReplicas": 1, "scaleTargetRef": target}


def test_policies_hold_for_every_version(both: list[Manifest]) -> None:
    chosen = find(both, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    for name in ("emotion-server", *(f"emotion-server-{track}" for track in TRACKS)):
        labels = find(both, "Deployment", name)["spec"]["template"]["metadata"]["labels"]
        assert labels.items() >= chosen.items()


def test_a_canary_gets_its_share_and_a_shadow_a_copy(both: list[Manifest]) -> None:
    (rule,) = find(both, "HTTPRoute")["spec"]["rules"]
    assert {each["name"]: each["weight"] for each in rule["backendRefs"]} == {
        "emotion-server": 95,
        "emotion-server-canary": 5,
    }
    (mirror,) = rule["filters"]
    assert mirror["requestMirror"]["backendRef"]["name"] == "emotion-server-shadow"
    assert rule["matches"] == [{"path": {"type": "Exact", "value": "/predictions/emotion"}}]


@pytest.mark.parametrize("track", TRACKS)
def test_the_label_that_the_rules_compare_comes_from_the_services(both: list[Manifest], track: str) -> None:
    labels = find(both, "Service", f"emotion-server-{track}-metrics")["metadata"]["labels"]
    assert labels["track"] == track and labels["emotion/scrape"] == "true"
    assert "track" not in find(both, "Service", "emotion-server-metrics")["metadata"]["labels"]
    scrapes = (K8S / "components" / "monitoring-standalone" / "prometheus.yml").read_text(encoding="utf-8")
    assert "__meta_kubernetes_service_label_track" in scrapes


def test_everything_that_a_version_brought_goes_by_its_label(both: list[Manifest]) -> None:
    """As k8s/README.md deletes it."""
    for track in TRACKS:
        kinds = {each["kind"] for each in both if f"-{track}" in each["metadata"]["name"]}
        labelled = {each["kind"] for each in both if each["metadata"].get("labels", {}).get("track") == track}
        assert kinds == labelled
        said = f"kubectl -n emotion delete deployment,service,hpa,pdb,serviceaccount -l track={track}"
        assert said in (K8S / "README.md").read_text(encoding="utf-8")
        assert len(kinds) == 5


def pod(track: str = "") -> str:
    return f'namespace="emotion", pod="{track or "old"}"' + (f', track="{track}"' if track else "")


def photos(track: str, failed: float = 0.0, slow: float = 0.0, rate: int = 60, steps: int = 120) -> dict[str, str]:
    """A version's answers, so many a minute, of which some fail and some are slow."""
    count = 'caddy_http_request_duration_seconds_count{%s, server="door", handler="subroute", method="POST", code="%d"}'
    return {
        count % (pod(track), 200): counter((rate * (1 - failed), steps)),
        count % (pod(track), 503): counter((rate * failed, steps)),
        f"emotion_request_seconds_count{{{pod(track)}}}": counter((rate, steps)),
        f'emotion_request_seconds_bucket{{{pod(track)}, le="1.0"}}': counter((rate * (1 - slow), steps)),
    }


def faces(track: str, happy: float, confidence: float, rate: int = 60, steps: int = 120) -> dict[str, str]:
    """Faces a minute of a version, of which the share `happy` is, and all others evenly something else."""
    rest = (1 - happy) / (len(LABELS) - 1)
    return {
        **{
            f'emotion_faces{{{pod(track)}, emotion="{label}"}}': counter(
                (rate * (happy if label == "happy" else rest), steps)
            )
            for label in LABELS
        },
        f"emotion_confidence_sum{{{pod(track)}}}": counter((rate * confidence, steps)),
        f"emotion_confidence_count{{{pod(track)}}}": counter((rate, steps)),
    }


WORSE, DIFFERS = firing("EmotionVersionWorse"), firing("EmotionVersionDiffers")


@pytest.mark.parametrize("track", TRACKS)
@pytest.mark.parametrize(
    ("failed", "slow", "expected"),
    [
        pytest.param(0.0, 0.0, 0.0, id="as good"),
        pytest.param(0.1, 0.0, 1.0, id="fails"),
        pytest.param(0.0, 0.1, 1.0, id="slow"),
        pytest.param(0.1, 0.1, 2.0, id="both"),
        pytest.param(0.008, 0.0, 0.0, id="too little to matter"),
    ],
)
def test_a_canary_that_is_worse_is_told_of(
    tmp_path: Path, track: str, failed: float, slow: float, expected: float
) -> None:
    series = photos("", rate=1200) | photos(track, failed, slow)
    check(tmp_path, series, [(WORSE, "3m", [0.0]), (WORSE, "110m", [expected])], "1m")


def test_what_both_suffer_is_no_fault_of_the_new_one(tmp_path: Path) -> None:
    check(tmp_path, photos("", 0.1, 0.1, 1200) | photos("canary", 0.1, 0.1), [(WORSE, "110m", [0.0])], "1m")


@pytest.mark.parametrize("worse", TRACKS)
def test_of_two_other_versions_the_worse_one_is_named(tmp_path: Path, worse: str) -> None:
    """The alert has its `track`, which says whose photos to take away."""
    named = 'count(ALERTS{alertname="EmotionVersionWorse", alertstate="firing", track="%s", by="errors"}) or vector(0)'
    series = photos("", rate=1200)
    for track in TRACKS:
        series |= photos(track, failed=0.1 if track == worse else 0.0)
    samples = [(named % track, "110m", [1.0 if track == worse else 0.0]) for track in TRACKS]
    check(tmp_path, series, [*samples, (WORSE, "110m", [1.0])], "1m")


def test_what_is_to_be_seen_in_two_versions_is_not_put_together(tmp_path: Path) -> None:
    """One surely is worse, but by too little; the other by enough, if that is no chance."""
    series = photos("", 0.1, rate=1200) | photos("canary", 0.108, rate=12000) | photos("shadow", 0.13, rate=2)
    check(tmp_path, series, [(WORSE, "110m", [0.0])], "1m")


def test_a_few_photos_are_no_judgement(tmp_path: Path) -> None:
    check(tmp_path, photos("", rate=1200) | photos("canary", 0.5, rate=1), [(WORSE, "110m", [0.0])], "1m")


def test_a_canary_that_recovers_is_let_off(tmp_path: Path) -> None:
    """Within an hour and a few minutes: the window that is looked at."""
    name = 'caddy_http_request_duration_seconds_count{%s, server="door", handler="subroute", method="POST", code="503"}'
    series = photos("", rate=1200, steps=240) | photos("canary", steps=240)
    series[name % pod("canary")] = counter((12, 60), (0, 180))
    check(tmp_path, series, [(WORSE, "59m", [1.0]), (WORSE, "130m", [0.0])], "1m")


@pytest.mark.parametrize("track", TRACKS)
@pytest.mark.parametrize(
    ("happy", "confidence", "expected"),
    [(0.7, 0.8, 0.0), (0.1, 0.8, 1.0), (0.7, 0.7, 1.0), (0.1, 0.9, 2.0)],
    ids=["alike", "other mix", "less sure", "both"],
)
def test_a_version_that_reads_faces_differently_is_told_of(
    tmp_path: Path, track: str, happy: float, confidence: float, expected: float
) -> None:
    series = faces("", 0.7, 0.8, rate=600) | faces(track, happy, confidence)
    check(tmp_path, series, [(DIFFERS, "10m", [0.0]), (DIFFERS, "110m", [expected])], "1m")


def test_without_another_version_there_is_nothing_to_compare(tmp_path: Path) -> None:
    series = photos("") | faces("", 0.7, 0.8)
    names = (versions.Z_SCORE, versions.MIX_PSI, versions.CONFIDENCE_SHIFTED)
    check(tmp_path, series, [(f"count({name})", "110m", []) for name in names], "1m")


@pytest.mark.parametrize(("track", "expected"), [("canary", 1.0), ("shadow", 0.0)])
def test_the_objectives_count_a_canarys_failures_and_no_shadows(tmp_path: Path, track: str, expected: float) -> None:
    """A shadow's answers reach nobody."""
    series = photos("", steps=180) | photos(track, failed=0.9, steps=180)
    check(tmp_path, series, [(firing("EmotionAvailabilityBurn1h"), "170m", [expected])], "1m")


@pytest.mark.parametrize("track", TRACKS)
@pytest.mark.parametrize("old", [{}, {f"emotion_workers_ready{{{pod()}}}": "0x20"}], ids=["gone", "without a worker"])
def test_another_versions_pods_do_not_hide_an_outage(tmp_path: Path, track: str, old: dict[str, str]) -> None:
    up = {f"emotion_torchserve_up{{{pod()}}}": "1x20"} if old else {}
    series = {f"emotion_workers_ready{{{pod(track)}}}": "2x20", f"emotion_torchserve_up{{{pod(track)}}}": "1x20"}
    check(tmp_path, series | old | up, [(firing("EmotionNoReadyWorker"), "15m", [1.0])], "1m")


def test_neither_the_first_week_nor_pods_wanted_are_mixed_with_another_versions(tmp_path: Path) -> None:
    series = faces("shadow", 0.7, 0.8) | {f"emotion_queue_depth{{{pod('shadow')}}}": "50x120"}
    samples: list[tuple[str, str, list[float]]] = [
        (f"count({name})", "110m", [])
        for name in ("emotion:faces:rate5m", "emotion:confidence_sum:rate5m", "emotion:replicas_wanted")
    ]
    check(tmp_path, series, samples, "1m")
    for trigger in yaml.safe_load((K8S / "components" / "keda" / "scaled-object.yaml").read_text())["spec"]["triggers"]:
        query = trigger["metadata"]["query"]
        assert "emotion:" not in query or 'namespace="emotion", track=""' in query


def test_the_dashboard_has_both_side_by_side() -> None:
    asked = " ".join(dashboard_queries())
    for series in (versions.SHARE, versions.Z_SCORE, versions.CONFIDENCE, versions.MIX, versions.MIX_PSI):
        assert series in asked
