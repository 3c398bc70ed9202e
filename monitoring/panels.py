"""The kinds of panels that the dashboard is made of."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import QueryVariable
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, StackingMode, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode, VariableRefresh

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

PODS = 'namespace="$namespace", pod=~"$pod"'
"""Matches the chosen pods."""

HERE = 'namespace="$namespace"'

RATE = "$__rate_interval"


def variable(name: str, query: str) -> QueryVariable:
    """A choice above the dashboard."""
    return QueryVariable(name).datasource(SOURCE).query(query).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)


def graph(  # noqa: PLR0913, a panel has that many properties
    title: str,
    series: Sequence[tuple[str, str]],
    unit: str,
    description: str = "",
    *,
    stack: bool = False,
    width: int = 8,
    floor: float | None = 0,
) -> timeseries.Panel:
    """A panel of lines; each of `series` is a query and its legend."""
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


def single(
    title: str, expression: str, unit: str, steps: Sequence[tuple[float | None, str]], description: str = ""
) -> stat.Panel:
    """A panel of one number; each step is a value and the colour from it on."""
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


def quantiles(histogram: str, matcher: str = PODS) -> list[tuple[str, str]]:
    """Median, p95 and p99 of a histogram, as the series of a graph."""
    buckets = f"sum by (le) (rate({histogram}_bucket{{{matcher}}}[{RATE}]))"
    return [(f"histogram_quantile({q}, {buckets})", f"p{round(q * 100)}") for q in (0.5, 0.95, 0.99)]


def _target(expression: str, legend: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(SOURCE).expr(expression).legend_format(legend)
