"""How good the served model is, from its committed reports."""

import streamlit as st

from client import charts, session
from client.report import (
    Compression,
    Interval,
    PeerStress,
    PhotographCell,
    PhotographStress,
    Report,
    Stress,
    load_compression,
    load_peer_stress,
    load_photograph_stress,
    load_report,
    load_stress,
)


def show() -> None:
    """The page."""
    st.title("How good is the model?")
    folder = session.configuration().reports
    report, compression = load_report(folder), load_compression(folder)
    if report is None:
        st.info(
            f"There is no evaluation report in {folder}. `make evaluate` writes one.", icon=":material/description:"
        )
        return
    _headline(report)
    _classes(report)
    left, right = st.columns(2, gap="large")
    with left:
        _reliability(report)
    with right:
        _coverage(report)
    if (stress := load_stress(folder)) is not None:
        _stress(stress, load_peer_stress(folder))
    if (photographs := load_photograph_stress(folder)) is not None:
        _photographs(photographs)
    if compression is not None:
        _compression(compression)


def _headline(report: Report) -> None:
    overall = {
        "Accuracy": (report.accuracy, report.accuracy_interval),
        "Precision": (report.macro_precision, report.macro_precision_interval),
        "Recall": (report.macro_recall, report.macro_recall_interval),
        "F1": (report.macro_f1, report.macro_f1_interval),
    }
    for column, (name, (value, interval)) in zip(st.columns(4), overall.items(), strict=True):
        column.metric(name, f"{value:.1%}", _interval(interval), delta_color="off", delta_arrow="off", border=True)
    st.markdown(
        f"{report.model.name.capitalize()} {report.model.version} on the {report.count:,} faces of "
        f"**{report.data.name}**, one view a face; below each score its 95% interval. People reach an accuracy of "
        "about 65% on these photos. Precision, recall and F1 are means over the seven emotions, each counting alike."
    )
    if report.deduplicated is not None:
        left_out = report.count - report.deduplicated.count
        st.caption(
            f"{left_out} of these faces are also among the training photos, pixel for pixel. Without them the accuracy "
            f"is {report.deduplicated.accuracy:.1%} and F1 {report.deduplicated.macro_f1:.1%}."
        )


def _classes(report: Report) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Each emotion")
        st.write(
            "Precision: of the faces called so, how many are. Recall: of the faces that are so, how many are found. "
            "The bar is F1, the harmonic mean of both, the grey line its 95% interval."
        )
        st.altair_chart(
            charts.class_scores(report), alt="F1, precision and recall of each emotion; the table has the numbers"
        )
        rows = [
            {
                "emotion": label,
                "precision": f"{scores.precision:.1%} ({_interval(scores.precision_interval)})",
                "recall": f"{scores.recall:.1%} ({_interval(scores.recall_interval)})",
                "F1": f"{scores.f1:.1%} ({_interval(scores.f1_interval)})",
                "faces": scores.count,
            }
            for label, scores in ((label, report.per_class[label]) for label in charts.best_first(report))
        ]
        with st.expander("The numbers"):
            st.dataframe(rows, hide_index=True, alt="Precision, recall, F1 and number of faces of each emotion")
    with right:
        st.header("Which expressions get confused")
        st.write("Rows: what faces are labelled as. Columns: what the model says. The diagonal is what it gets right.")
        st.altair_chart(
            charts.confusion(report, dark=st.context.theme.type == "dark"),
            alt="Confusion matrix: share of each labelled emotion by what the model says",
        )


def _reliability(report: Report) -> None:
    st.header("Can its confidence be believed?")
    st.write(
        "Where points lie on the dashed line, a face that is called “happy, 80%” is happy in 80 of 100 cases. "
        f"On average the two differ by {report.ece * 100:.1f} percentage points; on as many faces it would be "
        f"{report.ece_by_chance * 100:.1f} by chance alone."
    )
    st.altair_chart(
        charts.reliability(report), alt="Accuracy against stated confidence, in bins; close to the diagonal"
    )


def _coverage(report: Report) -> None:
    st.header("Higher threshold: fewer answers, more of them right")
    st.write(
        "Answer only above a confidence: the further left, the fewer faces are answered, and the more of them rightly."
    )
    st.altair_chart(
        charts.coverage(report), alt="Accuracy on the faces answered against the share of faces that are answered"
    )


def _stress(stress: Stress, peer: PeerStress | None) -> None:
    st.header("How much does it take?")
    middle, unnoticed = stress.middle, stress.limits.unnoticed
    if peer is not None and peer.data != stress.data:
        peer = None
    beside = f" Beside it the library {peer.model.name} {peer.model.version} on the same faces." if peer else ""
    st.write(
        f"{stress.data.count:,} faces of {stress.data.name}, each damaged in {len(stress.conditions)} ways; here at "
        f"the middle of five strengths. {stress.model.name.capitalize()} {stress.model.version} is right on "
        f"{middle.accuracy:.1%} of them on average and on {middle.worst_accuracy:.1%} under the worst condition; "
        f"{stress.clean.accuracy:.1%} as they are.{beside}"
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.altair_chart(
            charts.stress(stress, peer), alt="Accuracy under each condition at the middle strength; the table has it"
        )
    with right:
        st.write(
            "A point for each condition. Below the dashed line the model is surer than it is right: by "
            f"{middle.overconfidence * 100:.1f} percentage points on average, "
            f"{middle.worst_overconfidence * 100:.1f} at worst."
        )
        st.altair_chart(charts.stress_confidence(stress), alt="Accuracy against stated confidence under each condition")
    st.write(
        f"In {stress.limits.failing} of {stress.limits.cells} combinations of a condition and a strength the model is "
        f"wrong in more than two cases of five. In {stress.limits.caught} of these at least nine of ten faces are "
        f"called not reliable{f'; not noticed: {unnoticed}' if unnoticed else ''}."
    )
    with st.expander("The numbers"):
        rows = [
            {
                "condition": each.name,
                "middle strength": f"{each.middle.strength:g} {each.unit}",
                "known from training": "yes" if each.trained else "no",
                "accuracy": f"{each.middle.accuracy:.1%} ({_interval(each.middle.accuracy_interval)})",
                "stated confidence": f"{each.middle.confidence:.1%}",
                "called not reliable": f"{each.middle.unreliable:.1%}",
                **({peer.model.name: _percent(peer.middle(each.name))} if peer else {}),
            }
            for each in stress.conditions
        ]
        st.dataframe(rows, hide_index=True, alt="Accuracy and stated confidence under each condition")


def _photographs(report: PhotographStress) -> None:
    st.subheader("Whole photos under the same damage")
    st.write(
        f"{report.data.count:,} faces, each in a photo and only {report.data.side} pixels wide from hair to chin. "
        "Here the photo is damaged, and the face must still be found in it. Each row is the middle one of five "
        "strengths. Where an answer is not called reliable, the page “Analyse” says why. Last, how many of "
        f"{report.data.real} faces in real photos are found: those are larger and show the whole head, which helps."
    )
    rows = [{"condition": "as they are"} | _photograph_shares(report.clean)]
    rows += [
        {"condition": f"{each.name}, {each.middle.strength:g} {each.unit}"} | _photograph_shares(each.middle)
        for each in report.conditions
    ]
    st.dataframe(rows, hide_index=True, alt="Faces found and read rightly in damaged photos")


def _photograph_shares(cell: PhotographCell) -> dict[str, str]:
    return {
        "found": _percent(cell.found),
        "accuracy": _percent(cell.accuracy),
        "stated confidence": _percent(cell.confidence),
        "called reliable": _percent(cell.reliable),
        "accuracy of these": _percent(cell.reliable_accuracy),
        "real faces found": f"{cell.real_found}",
    }


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _compression(compression: Compression) -> None:
    st.header("What compression costs")
    pruned = "fewer channels (pruned), " if any("pruned" in title for title in compression.points) else ""
    ways = f"{pruned}8-bit numbers (int8)"
    st.write(
        f"The same network made smaller: {ways}. The one marked is served. "
        "Milliseconds are for one call on one processor core."
    )
    rows = [
        {
            "network": f"{title} (served)" if title == compression.shipped else title,
            "parameters, million": round(point.parameters / 1e6, 2),
            "file, MB": round(point.bytes / 1e6, 2) if point.bytes else None,
            **{f"{size} face{'s' if size != '1' else ''}, ms": time for size, time in point.milliseconds.items()},
            "times as fast": point.faster,
            "accuracy": f"{point.accuracy:.1%}",
            "F1": f"{point.macro_f1:.1%}",
        }
        for title, point in compression.points.items()
    ]
    alt = "Size, speed and accuracy of each way to compress the network"
    st.dataframe(rows, hide_index=True, placeholder="–", alt=alt)


def _interval(interval: Interval) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"


show()
