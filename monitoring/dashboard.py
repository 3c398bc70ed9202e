"""The Grafana dashboard, built with Grafana's own SDK.

One row for each question that someone on call asks. Panels show the chosen namespace, most also only the chosen pods.
"""

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, StackingMode, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

from monitoring import reference
from monitoring.rules import AVAILABILITY, BURN, LATENCY, LATENCY_BOUND, LEAST_FACES, PSI, SEEN_BY, SIGNALS

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

PODS = 'namespace="$namespace", pod=~"$pod"'
"""Matches the chosen pods."""

SERVER = f'{PODS}, container="server"'

HERE = 'namespace="$namespace"'

DOOR, DOOR_FAILED = SEEN_BY["door"]

RATE = "$__rate_interval"

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
        .with_variable(_variable("namespace", "label_values(emotion_torchserve_up, namespace)"))
        .with_variable(
            _variable("pod", f"label_values(emotion_torchserve_up{{{HERE}}}, pod)").multi(True).include_all(True)
        )
    )
    for title, panels in _rows():
        built = built.with_row(Row(title))
        for panel in panels:
            built = built.with_panel(panel)
    return built


def queries(document: dict[str, Any]) -> list[str]:
    """Every query of the finished dashboard, its variables still in it."""
    return [target["expr"] for panel in document["panels"] for target in panel.get("targets", [])]


def _rows() -> list[tuple[str, list[Any]]]:
    return [
        ("Does it answer", _answers()),
        ("How fast", _latency()),
        ("Is it full, does it scale", _scale()),
        ("What it sees, and whether that drifts", _content()),
    ]


def _answers() -> list[Any]:
    return [
        _stat(
            "Requests that failed, 1 h",
            f"max(emotion:failed:ratio1h{{{HERE}}})",
            "percentunit",
            _budget(AVAILABILITY),
            f"As the door or the page saw it, whichever is worse. The objective allows {1 - AVAILABILITY:.1%} over 30"
            " days.",
        ),
        _stat(
            f"Answers slower than {LATENCY_BOUND} s, 1 h",
            f"emotion:slow:ratio1h{{{HERE}}}",
            "percentunit",
            _budget(LATENCY),
            "From a request's arrival at the door to its answer.",
        ),
        _stat(
            "Workers ready, of those wanted",
            f"sum(emotion_workers_ready{{{HERE}}}) / sum(emotion_workers_wanted{{{HERE}}})",
            "percentunit",
            [(None, "red"), (0.5, "orange"), (1, "green")],
            "Pods that start have none yet.",
        ),
        _stat("Photos analysed, 24 h", f"sum(increase(emotion_images_analysed{{{HERE}}}[24h]))", "short", []),
        _graph(
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
        _graph(
            "The door's answers, by status",
            [(f"sum by (code) (rate({DOOR}, {PODS}}}[{RATE}]))", "{{code}}")],
            "reqps",
            "408, 502 and 503 count as failures; 502 also counts callers who went away while they sent a photo.",
            width=6,
        ),
        _graph(
            "The page's requests, by outcome",
            [(f"sum by (outcome) (rate(emotion_client_requests_total{{{HERE}}}[{RATE}]))", "{{outcome}}")],
            "reqps",
            width=6,
        ),
    ]


def _latency() -> list[Any]:
    return [
        _graph("End to end", _quantiles("emotion_request_seconds"), "s", "From the edge on, waiting included."),
        _graph(
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
        _graph("As the page sees it", _quantiles("emotion_client_latency_seconds", HERE), "s"),
        _graph("Work on one batch", _quantiles("emotion_batch_seconds"), "s"),
        *(
            _graph(f"Stage: {stage}", _quantiles("emotion_stage_seconds", f'{PODS}, stage="{stage}"'), "s", width=4)
            for stage in ("decode", "detect", "align", "classify")
        ),
    ]


def _scale() -> list[Any]:
    targets = reference.targets()
    return [
        _graph(
            f"Photos that wait, the {MOST} fullest pods",
            [
                (f"topk({MOST}, emotion_queue_depth{{{PODS}}})", "{{pod}}"),
                (f"max(emotion_queue_size{{{PODS}}})", "places"),
            ],
            "short",
        ),
        _graph(
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
        _graph(
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
        _graph(
            "Workers",
            [
                (f"sum(emotion_workers_ready{{{PODS}}})", "ready"),
                (f"sum(emotion_workers_wanted{{{PODS}}})", "wanted"),
            ],
            "short",
        ),
        _graph(
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
        _graph(
            "Model versions, by pods",
            [(f"count by (version) (emotion_model_info{{{PODS}}})", "{{version}}")],
            "short",
            stack=True,
        ),
        _graph(
            f"Restarts in an hour, the {MOST} pods with most",
            [(f"topk({MOST}, increase(kube_pod_container_status_restarts_total{{{PODS}}}[1h]) > 0)", "{{pod}}")],
            "short",
            CLUSTERS_OWN,
        ),
        _graph(
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
        _graph(
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
    ]


def _content() -> list[Any]:
    return [
        _graph(
            "Faces a second, by emotion",
            [(f"sum by (emotion) (rate(emotion_faces{{{PODS}}}[{RATE}]))", "{{emotion}}")],
            "cps",
            stack=True,
        ),
        _graph(
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
        _graph(
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
        _graph(
            "Mix of emotions, 6 h, against the first week",
            [
                (f"emotion:mix:share6h{{{HERE}}}", "{{emotion}}"),
                (f"emotion:mix:first_week{{{HERE}}}", "first week: {{emotion}}"),
            ],
            "percentunit",
            width=12,
        ),
        _graph(
            "Drift: population stability index, 6 h",
            [(f"emotion:mix:psi6h{{{HERE}}}", "index")],
            "short",
            f"Above {PSI} the mix differs from the first week's; needs that week, and {LEAST_FACES} faces.",
            width=6,
        ),
        _graph(
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


def _quantiles(histogram: str, matcher: str = PODS) -> list[tuple[str, str]]:
    buckets = f"sum by (le) (rate({histogram}_bucket{{{matcher}}}[{RATE}]))"
    return [(f"histogram_quantile({q}, {buckets})", f"p{round(q * 100)}") for q in (0.5, 0.95, 0.99)]


def _variable(name: str, query: str) -> QueryVariable:
    return QueryVariable(name).datasource(SOURCE).query(query).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)


def _target(expression: str, legend: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(SOURCE).expr(expression).legend_format(legend)


def _graph(  # noqa: PLR0913, a panel has that many properties
    title: str,
    series: Sequence[tuple[str, str]],
    unit: str,
    description: str = "",
    *,
    stack: bool = False,
    width: int = 8,
    floor: float | None = 0,
) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .height(8)
        .span(width)
        .line_width(2)
        .fill_opacity(25 if stack else 5)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    if floor is not None:
        panel = panel.min(floor)
    if stack:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for expression, legend in series:
        panel = panel.with_target(_target(expression, legend))
    return panel


def _stat(
    title: str, expression: str, unit: str, steps: Sequence[tuple[float | None, str]], description: str = ""
) -> stat.Panel:
    thresholds = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE)
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .height(4)
        .span(6)
        .no_value("–")
        .thresholds(thresholds.steps([Threshold(value, color) for value, color in steps or [(None, "blue")]]))
        .with_target(_target(expression, title))
    )
