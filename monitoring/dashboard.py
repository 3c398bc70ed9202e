"""The Grafana dashboard, built with Grafana's own SDK.

One row for each question that someone on call asks. Panels show the chosen namespace, most also only the chosen pods.
"""

from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, Row
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync

from monitoring import reference, versions_row
from monitoring.panels import HERE, PODS, RATE, graph, quantiles, single, variable
from monitoring.rule import LATENCY_BOUND, PSI
from monitoring.rules import AVAILABILITY, BURN, LATENCY, LEAST_FACES, SEEN_BY, SIGNALS

SERVER = f'{PODS}, container="server"'

DOOR, DOOR_FAILED = SEEN_BY["door"]

MOST = 10
"""Pods in a panel that names them; a fleet has hundreds."""

AUTOSCALER = 'horizontalpodautoscaler=~"(keda-hpa-)?emotion-server"'

CLUSTERS_OWN = "From kube-state-metrics and the kubelet, which kube-prometheus-stack scrapes: empty where nobody does."


def as_json() -> str:
    """The dashboard as Grafana imports it."""
    return str(JSONEncoder(sort_keys=True, indent=2).encode(build().build())) + "\n"


def build() -> Dashboard:
    """The dashboard, before it is written as JSON."""
    built = (
        Dashboard("Emotion detection")
        .uid("emotion")
        .description("Requests, latency, queue, scaling and drift of the emotion service")
        .tags(["emotion"])
        .refresh("10s")
        .time("now-1h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(variable("namespace", "label_values(emotion_torchserve_up, namespace)"))
        .with_variable(
            variable("pod", f'label_values(emotion_torchserve_up{{{HERE}, track!="shadow"}}, pod)')
            .multi(True)
            .include_all(True)
        )
    )
    for title, panels in _rows():
        built = built.with_row(Row(title))
        for panel in panels:
            built = built.with_panel(panel)
    return built


def _rows() -> list[tuple[str, list[Any]]]:
    return [
        ("Does it answer", _answers()),
        ("How fast", _latency()),
        ("Is it full, does it scale", _scale()),
        ("What it sees, and whether that drifts", _content()),
        ("Versions side by side: a canary or a shadow beside the version that has no name here", versions_row.panels()),
    ]


def _answers() -> list[Any]:
    return [
        single(
            "Requests that failed, 1 h",
            f"max(emotion:failed:ratio1h{{{HERE}}})",
            "percentunit",
            _budget(AVAILABILITY),
            f"As the door or the page saw it, whichever is worse. The objective allows {1 - AVAILABILITY:.1%} over 30"
            " days.",
        ),
        single(
            f"Answers slower than {LATENCY_BOUND} s, 1 h",
            f"emotion:slow:ratio1h{{{HERE}}}",
            "percentunit",
            _budget(LATENCY),
            "From a request's arrival at the door to its answer.",
        ),
        single(
            "Workers ready, of those wanted",
            f"sum(emotion_workers_ready{{{HERE}}}) / sum(emotion_workers_wanted{{{HERE}}})",
            "percentunit",
            [(None, "red"), (0.5, "orange"), (1, "green")],
            "Pods that start have none yet.",
        ),
        single(
            "Photos analysed, 24 h",
            f'sum(increase(emotion_images_analysed{{{HERE}, track!="shadow"}}[24h]))',
            "short",
            [],
        ),
        graph(
            "Photos a second, by outcome",
            [
                (f"sum(rate(emotion_images_analysed{{{PODS}}}[{RATE}]))", "analysed"),
                (f"sum by (reason) (rate(emotion_images_rejected{{{PODS}}}[{RATE}]))", "rejected: {{reason}}"),
                (
                    f"sum(rate({DOOR}, {DOOR_FAILED}, {PODS}}}[{RATE}])) or sum(emotion:scraped:zero{{{PODS}}})",
                    "failed",
                ),
            ],
            "reqps",
            stack=True,
            width=12,
        ),
        graph(
            "The door's answers, by status",
            [(f"sum by (code) (rate({DOOR}, {PODS}}}[{RATE}]))", "{{code}}")],
            "reqps",
            "408, 502 and 503 count as failures; who goes away while sending counts as 400, or 200.",
            width=6,
        ),
        graph(
            "The page's requests, by outcome",
            [(f"sum by (outcome) (rate(emotion_client_requests_total{{{HERE}}}[{RATE}]))", "{{outcome}}")],
            "reqps",
            width=6,
        ),
    ]


def _latency() -> list[Any]:
    return [
        graph("End to end", quantiles("emotion_request_seconds"), "s", "From the edge on, waiting included."),
        graph(
            "Mean in TorchServe",
            [
                (
                    f"sum(rate(ts_inference_latency_microseconds{{{PODS}}}[{RATE}])) / 1e6"
                    f" / (sum(rate(ts_inference_requests_total{{{PODS}}}[{RATE}])) > 0)",
                    "request, including its wait",
                ),
                (
                    f"sum(rate(QueueTime_sum{{{PODS}}}[{RATE}])) / 1000"
                    f" / (sum(rate(QueueTime_count{{{PODS}}}[{RATE}])) > 0)",
                    "wait in the queue",
                ),
            ],
            "s",
            "Includes requests that did not say when they began.",
        ),
        graph("As the page sees it", quantiles("emotion_client_latency_seconds", HERE), "s"),
        graph("Work on one batch", quantiles("emotion_batch_seconds"), "s"),
        *(
            graph(f"Stage: {stage}", quantiles("emotion_stage_seconds", f'{PODS}, stage="{stage}"'), "s", width=4)
            for stage in ("decode", "detect", "align", "classify")
        ),
    ]


def _scale() -> list[Any]:
    targets = reference.targets()
    return [
        graph(
            f"Photos that wait, the {MOST} fullest pods",
            [
                (f"topk({MOST}, emotion_queue_depth{{{PODS}}})", "{{pod}}"),
                (f"max(emotion_queue_size{{{PODS}}})", "places"),
            ],
            "short",
        ),
        graph(
            "Pods: what each signal asks for, and what there is",
            [
                (f"emotion:replicas_wanted{{{HERE}}}", "wanted: {{signal}}"),
                (f"count(emotion_workers_ready{{{HERE}}} > 0)", "pods with a ready worker"),
                (
                    f"kube_horizontalpodautoscaler_status_desired_replicas{{{HERE}, {AUTOSCALER}}}",
                    "autoscaler: desired",
                ),
                (f"kube_horizontalpodautoscaler_spec_max_replicas{{{HERE}, {AUTOSCALER}}}", "autoscaler: maximum"),
            ],
            "short",
            f"The autoscaler takes the largest, between its minimum and maximum. {CLUSTERS_OWN}",
        ),
        graph(
            "The autoscaler's signals against their targets",
            [
                (
                    f"avg({series}{{{PODS}}}) / {targets[name]:g}",
                    f"{name} (target {targets[name]:g})",
                )
                for name, series in SIGNALS.items()
            ],
            "percentunit",
            "Above 110 % the autoscaler adds pods.",
        ),
        graph(
            "Workers",
            [
                (f"sum(emotion_workers_ready{{{PODS}}})", "ready"),
                (f"sum(emotion_workers_wanted{{{PODS}}})", "wanted"),
            ],
            "short",
        ),
        graph(
            f"Workers busy, and the {MOST} busiest pods",
            [
                (
                    f"sum(rate(emotion_batch_seconds_sum{{{PODS}}}[{RATE}])) / sum(emotion_workers_ready{{{PODS}}})",
                    "all",
                ),
                (f"topk({MOST}, emotion:workers_busy:ratio1m{{{PODS}}})", "{{pod}}"),
            ],
            "percentunit",
        ),
        graph(
            "Model versions, by pods",
            [(f"count by (version) (emotion_model_info{{{PODS}}})", "{{version}}")],
            "short",
            stack=True,
        ),
        graph(
            f"Restarts in an hour, the {MOST} pods with most",
            [(f"topk({MOST}, increase(kube_pod_container_status_restarts_total{{{PODS}}}[1h]) > 0)", "{{pod}}")],
            "short",
            CLUSTERS_OWN,
        ),
        graph(
            f"Throttled share of the time, the {MOST} pods with most",
            [
                (
                    f"topk({MOST}, rate(container_cpu_cfs_throttled_periods_total{{{SERVER}}}[{RATE}])"
                    f" / rate(container_cpu_cfs_periods_total{{{SERVER}}}[{RATE}]))",
                    "{{pod}}",
                )
            ],
            "percentunit",
            CLUSTERS_OWN,
        ),
        graph(
            "Photos a batch",
            [
                (
                    f"sum(rate(emotion_images_analysed{{{PODS}}}[{RATE}]))"
                    f" / (sum(rate(emotion_batch_seconds_count{{{PODS}}}[{RATE}])) > 0)",
                    "mean",
                )
            ],
            "short",
        ),
        graph(
            "Live cameras and videos at the page",
            [(f"sum(emotion_client_{each}{{{HERE}}})", each) for each in ("cameras", "videos")],
            "short",
            "Each frame, and each of a video's pictures, counts as a photo.",
        ),
    ]


def _content() -> list[Any]:
    return [
        graph(
            "Faces a second, by emotion",
            [(f"sum by (emotion) (rate(emotion_faces{{{PODS}}}[{RATE}]))", "{{emotion}}")],
            "cps",
            stack=True,
        ),
        graph(
            "Faces a photo",
            [
                (
                    f"sum(rate(emotion_faces_per_image_sum{{{PODS}}}[{RATE}]))"
                    f" / (sum(rate(emotion_faces_per_image_count{{{PODS}}}[{RATE}])) > 0)",
                    "mean",
                )
            ],
            "short",
        ),
        graph(
            "Mean confidence",
            [
                (
                    f"sum(rate(emotion_confidence_sum{{{PODS}}}[{RATE}]))"
                    f" / (sum(rate(emotion_confidence_count{{{PODS}}}[{RATE}])) > 0)",
                    "now",
                ),
                (f"emotion:confidence:first_week{{{HERE}}}", "first week"),
            ],
            "percentunit",
        ),
        graph(
            "Faces that are not relied on, by reason",
            [
                (
                    f"sum by (reason) (rate(emotion_faces_unreliable{{{PODS}}}[{RATE}])) / on () group_left ()"
                    f" (sum(rate(emotion_faces_per_image_sum{{{PODS}}}[{RATE}])) > 0)",
                    "{{reason}}",
                )
            ],
            "percentunit",
            "Of all faces found; one may have several reasons. Confidence and the mix of emotions are of the others.",
            width=12,
        ),
        graph(
            "Drift: faces not relied on, 6 h, against the first week",
            [(f"emotion:unreliable:shift6h{{{HERE}}}", "{{reason}}")],
            "percentunit",
            width=12,
            floor=None,
        ),
        graph(
            "Mix of emotions, 6 h, against the first week",
            [
                (f"emotion:mix:share6h{{{HERE}}}", "{{emotion}}"),
                (f"emotion:mix:first_week{{{HERE}}}", "first week: {{emotion}}"),
            ],
            "percentunit",
            width=12,
        ),
        graph(
            "Drift: population stability index, 6 h",
            [(f"emotion:mix:psi6h{{{HERE}}}", "index")],
            "short",
            f"Above {PSI} the mix differs from the first week's; needs that week, and {LEAST_FACES} faces.",
            width=6,
        ),
        graph(
            "Drift: mean confidence against the first week, 6 h",
            [(f"emotion:confidence:shift6h{{{HERE}}}", "shift")],
            "percentunit",
            width=6,
            floor=None,
        ),
    ]


def _budget(objective: float) -> list[tuple[float | None, str]]:
    """Green within the objective, orange beyond it, red where someone is woken."""
    allowed = 1 - objective
    return [(None, "green"), (round(allowed, 4), "orange"), (round(BURN[0][2] * allowed, 4), "red")]
