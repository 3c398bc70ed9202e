"""Interactive charts; each has its numbers beside it or in its tooltips."""

import math
from collections.abc import Sequence

import altair as alt

from client.api import Answer
from client.drawing import COLOURS
from client.report import Clean, PeerStress, Report, Stress
from emotion.labels import css

STAGES = {
    "upload": "upload",
    "waiting": "queue and network",
    "decode": "decode",
    "detect": "find faces",
    "align": "align",
    "classify": "read emotions",
}
"""The parts of a round trip in the order in which they happen, and what the page calls them."""

STAGE_COLOURS = ["#60a5fa", "#94a3b8", "#fbbf24", "#f97316", "#a78bfa", "#34d399"]
"""Theirs, seen well on light and on dark."""

HEIGHT = 320


def class_scores(report: Report) -> alt.LayerChart:
    """F1 of each emotion as a bar in its colour with its 95% interval, with precision and recall beside it."""
    rows = [
        {
            "emotion": label,
            "F1": scores.f1,
            "low": scores.f1_interval[0],
            "high": scores.f1_interval[1],
            "precision": scores.precision,
            "recall": scores.recall,
        }
        for label, scores in report.per_class.items()
    ]
    order = best_first(report)
    colours = [css(COLOURS[emotion]) for emotion in order]
    unit, percent = alt.Scale(domain=[0, 1]), alt.Axis(format="%")
    tooltip = ["emotion:N", *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("F1", "precision", "recall"))]
    base = alt.Chart(alt.Data(values=rows)).encode(y=alt.Y("emotion:N", title=None, sort=order), tooltip=tooltip)
    bars = base.mark_bar(height=22).encode(
        x=alt.X("F1:Q", title="F1", scale=unit, axis=percent),
        color=alt.Color("emotion:N", scale=alt.Scale(domain=order, range=colours), legend=None),
    )
    intervals = base.mark_rule(color="gray", strokeWidth=1.5).encode(x=alt.X("low:Q", scale=unit), x2="high:Q")
    measures = ["precision", "recall"]
    points = (
        base.transform_fold(measures, as_=["measure", "value"])
        .mark_point(size=60, filled=True, color="gray", stroke="white", strokeWidth=1)
        .encode(
            x=alt.X("value:Q", scale=unit),
            shape=alt.Shape(
                "measure:N",
                scale=alt.Scale(domain=measures, range=["diamond", "circle"]),
                title=None,
                legend=alt.Legend(orient="top", symbolFillColor="gray"),
            ),
        )
    )
    return (bars + intervals + points).properties(height=HEIGHT + 80)


def best_first(report: Report) -> list[str]:
    """The emotions by F1, best first: the order of everything that has one row for each."""
    return sorted(report.per_class, key=lambda label: report.per_class[label].f1, reverse=True)


def confusion(report: Report, *, dark: bool) -> alt.LayerChart:
    """Shares of each true class, by predicted class: squares are the fuller the larger the share. `dark`: the theme."""
    labels = list(report.per_class)
    cells = [
        {"true": true, "predicted": predicted, "faces": count, "share": share}
        for true, counts, shares in zip(labels, report.confusion_matrix, report.confusion_shares, strict=True)
        for predicted, count, share in zip(labels, counts, shares, strict=True)
    ]
    order = best_first(report)
    base = alt.Chart(alt.Data(values=cells)).encode(
        x=alt.X("predicted:N", sort=order, title="the model says", axis=alt.Axis(labelAngle=-40)),
        y=alt.Y("true:N", sort=order, title="labelled as"),
        tooltip=["true:N", "predicted:N", "faces:Q", alt.Tooltip("share:Q", format=".1%")],
    )
    squares = base.mark_rect(color="#2563eb").encode(
        opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.03, 1]), legend=None)
    )
    share = alt.Text("share:Q", format=".0%")
    on_full = base.transform_filter("datum.share > 0.4").mark_text(fontSize=11, color="white").encode(text=share)
    ink = "#f1f5f9" if dark else "#0f172a"
    on_pale = base.transform_filter("datum.share <= 0.4").mark_text(fontSize=11, color=ink).encode(text=share)
    return (squares + on_full + on_pale).properties(height=HEIGHT + 80)


def reliability(report: Report) -> alt.LayerChart:
    """Accuracy against confidence with 95% intervals, over the diagonal of perfect calibration."""
    points = [
        {
            "confidence": each.confidence,
            "accuracy": each.accuracy,
            "faces": each.count,
            "low": each.accuracy_interval[0],
            "high": each.accuracy_interval[1],
        }
        for each in report.reliability
        if each.accuracy_interval
    ]
    percent = alt.Axis(format="%")
    unit = alt.Scale(domain=[0, 1])
    base = alt.Chart(alt.Data(values=points)).encode(
        x=alt.X("confidence:Q", title="stated confidence", scale=unit, axis=percent)
    )
    bars = base.mark_rule(color="gray").encode(
        y=alt.Y("low:Q", title="accuracy", scale=unit, axis=percent), y2="high:Q"
    )
    dots = base.mark_circle(size=70, opacity=1).encode(
        y="accuracy:Q",
        tooltip=[
            alt.Tooltip("confidence:Q", format=".1%"),
            alt.Tooltip("accuracy:Q", format=".1%"),
            alt.Tooltip("faces:Q"),
        ],
    )
    return (_diagonal([0, 1], unit) + bars + dots).properties(height=HEIGHT)


def coverage(report: Report) -> alt.Chart:
    """Accuracy on the faces answered, against their share."""
    points = [each.model_dump() for each in report.coverage]
    return (
        alt.Chart(alt.Data(values=points))
        .mark_line(point=alt.OverlayMarkDef(size=50))
        .encode(
            x=alt.X(
                "coverage:Q", title="share of faces answered", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])
            ),
            y=alt.Y("accuracy:Q", title="accuracy on them", axis=alt.Axis(format="%"), scale=alt.Scale(zero=False)),
            tooltip=[
                alt.Tooltip("threshold:Q", title="confidence at least", format=".0%"),
                alt.Tooltip("coverage:Q", title="answered", format=".1%"),
                alt.Tooltip("accuracy:Q", format=".1%"),
            ],
        )
        .properties(height=HEIGHT)
    )


AS_THEY_ARE = "as they are"


def stress(report: Stress, peer: PeerStress | None) -> alt.LayerChart:
    """Accuracy under each condition at the middle strength, with its 95% interval, and the peer's."""
    cells = _middle(report)
    ours = [
        {
            "condition": name,
            "model": report.model.name,
            "accuracy": cell.accuracy,
            "low": cell.accuracy_interval[0],
            "high": cell.accuracy_interval[1],
        }
        for name, cell in cells.items()
    ]
    theirs = []
    if peer is not None:
        measured = {AS_THEY_ARE: peer.clean} | {each.name: peer.middle(each.name) for each in report.conditions}
        theirs = [
            {"condition": name, "model": peer.model.name, "accuracy": accuracy}
            for name, accuracy in measured.items()
            if accuracy is not None
        ]
    best_first = sorted(cells, key=lambda name: cells[name].accuracy, reverse=True)
    models = [report.model.name, *([peer.model.name] if peer else [])]
    condition = alt.Y(
        "condition:N", sort=best_first, title=None, axis=alt.Axis(grid=True, labelLimit=200, labelOverlap=False)
    )
    intervals = (
        alt.Chart(alt.Data(values=ours))
        .mark_rule(color="gray", strokeWidth=1.5)
        .encode(y=condition, x=alt.X("low:Q", title="accuracy"), x2="high:Q")
    )
    dots = (
        alt.Chart(alt.Data(values=ours + theirs))
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            y=condition,
            x=alt.X("accuracy:Q", title="accuracy", axis=alt.Axis(format="%"), scale=alt.Scale(zero=False)),
            color=alt.Color("model:N", sort=models, title=None, legend=alt.Legend(orient="top")),
            shape=alt.Shape("model:N", sort=models, title=None),
            tooltip=["condition:N", "model:N", alt.Tooltip("accuracy:Q", format=".1%")],
        )
    )
    return (intervals + dots).properties(height=24 * len(cells))


def stress_confidence(report: Stress) -> alt.LayerChart:
    """Accuracy against mean stated confidence, a point for each condition at the middle strength."""
    cells = _middle(report)
    points = [
        {"condition": name, "confidence": cell.confidence, "accuracy": cell.accuracy} for name, cell in cells.items()
    ]
    values = [value for cell in cells.values() for value in (cell.confidence, cell.accuracy)]
    ends = [math.floor(min(values) * 20) / 20, math.ceil(max(values) * 20) / 20]
    both, percent = alt.Scale(domain=ends), alt.Axis(format="%")
    dots = (
        alt.Chart(alt.Data(values=points))
        .mark_circle(size=70, opacity=1)
        .encode(
            x=alt.X("confidence:Q", title="stated confidence, mean", scale=both, axis=percent),
            y=alt.Y("accuracy:Q", title="accuracy", scale=both, axis=percent),
            tooltip=[
                "condition:N",
                alt.Tooltip("confidence:Q", format=".1%"),
                alt.Tooltip("accuracy:Q", format=".1%"),
            ],
        )
    )
    return (_diagonal(ends, both) + dots).properties(height=HEIGHT + 80)


def _middle(report: Stress) -> dict[str, Clean]:
    """The undamaged faces, and each condition at its middle strength, by name."""
    return {AS_THEY_ARE: report.clean} | {each.name: each.middle for each in report.conditions}


def _diagonal(ends: Sequence[float], scale: alt.Scale) -> alt.Chart:
    """The dashed line on which confidence and accuracy are the same."""
    return (
        alt.Chart(alt.Data(values=[{"at": end} for end in ends]))
        .mark_line(strokeDash=[4, 4], color="gray")
        .encode(x=alt.X("at:Q", scale=scale), y=alt.Y("at:Q", scale=scale))
    )


def round_trips(answers: Sequence[Answer]) -> alt.Chart:
    """The parts of each answer's round trip, stacked from left to right, oldest above."""
    order = list(STAGES.values())
    parts = [
        {"photo": number, "part": STAGES[stage], "order": order.index(STAGES[stage]), "ms": round(milliseconds, 1)}
        for number, answer in enumerate(answers, start=1)
        for stage, milliseconds in stages(answer).items()
    ]
    one = len(answers) == 1
    return (
        alt.Chart(alt.Data(values=parts))
        .mark_bar(size=24 if one else 14)
        .encode(
            x=alt.X("ms:Q", title="milliseconds"),
            y=alt.Y(
                "photo:O", title=None if one else "photo, in the order of answers", axis=None if one else alt.Axis()
            ),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=order, range=STAGE_COLOURS),
                title=None,
                legend=alt.Legend(orient="top", columns=3),
            ),
            order=alt.Order("order:Q"),
            tooltip=["photo:O", "part:N", alt.Tooltip("ms:Q", title="milliseconds", format=".1f")],
        )
        .properties(height=150 if one else 22 * len(answers) + 140)
    )


def stages(answer: Answer) -> dict[str, float]:
    """Milliseconds of each part of the round trip, by the names of `STAGES`."""
    measured = {"upload": answer.upload * 1000, "waiting": answer.waiting * 1000}
    return measured | {name: time for name, time in answer.analysis.timings_ms.items() if name in STAGES}
