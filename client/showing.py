"""One outcome on the page: the annotated photo with its faces, or what went wrong, and the files to download."""

from collections.abc import Sequence

import streamlit as st

from client import exports, session, words
from client.api import Answer, ServiceError
from client.components import photo
from client.report import load_report
from client.results import Outcome


def show_outcome(
    outcome: Outcome, threshold: float, caption: str = "", *, alone: bool = True, key: str = "photo"
) -> None:
    """The photo with its faces, or what went wrong.

    `caption`: what to say of the photo instead of how long its answer took. `alone`: whether there is no other photo;
    if there is, `try_all_again` stands above. `key`: another one for each on the page.
    """
    answer = outcome.answer
    if isinstance(answer, ServiceError):
        _show_error(answer, again=alone)
        return
    if outcome.photo.thumbnail is None:
        st.error("The service could read this photo, but the page cannot show it. Save it anew and upload it again.")
        return
    analysis = answer.analysis
    took = f"**{answer.round_trip * 1000:.0f} ms** · model {analysis.model.version}"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(f"{words.count_of(outcome.faces)} · {caption or took}", width="content")
        seen = bool(outcome.faces) and st.toggle(
            "What the network sees",
            help="Of each face the network reads a levelled grey picture of 48 × 48 pixels, and nothing else.",
            key=f"seen {key}",
            persist_state="session",
        )
    if remark := words.of_answer(analysis, outcome.photo):
        st.caption(f":material/info: {remark}")
    report = load_report(session.configuration().reports)
    if report is not None and report.model.version != analysis.model.version:
        report = None
    if not outcome.faces:
        st.info(words.of_no_face(outcome.photo), icon=":material/search:")
    photo.show(outcome.photo, analysis, threshold, report=report, seen=seen, key=f"faces in {key}")


def try_all_again(outcomes: Sequence[Outcome]) -> None:
    """Of many photos: how many were not read, and a button for those that may be read on the next try."""
    failed = [(outcome.photo.name, outcome.answer) for outcome in outcomes if isinstance(outcome.answer, ServiceError)]
    if not failed:
        return
    passing = sum(error.passes for _, error in failed)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/block: {len(failed)} of {len(outcomes)} photos could not be read.", width="content")
        if passing:
            label = f"Try {passing} again" if passing < len(failed) else "Try again"
            st.button(label, icon=":material/refresh:", on_click=_forget_failures)
        with st.popover("Which, and why", type="tertiary"):
            st.markdown(
                "\n".join(
                    f"- **{words.plain(words.shortened(name))}**: {words.of_error(error)}." for name, error in failed
                )
            )


def _show_error(error: ServiceError, *, again: bool) -> None:
    st.error(f"**{words.of_error(error)}.** {words.advice(error)}", icon=":material/block:")
    if again and error.passes:
        st.button("Try again", icon=":material/refresh:", on_click=_forget_failures)


def _forget_failures() -> None:
    outcomes = session.outcomes()
    for key, outcome in tuple(outcomes.items()):
        if isinstance(outcome.answer, ServiceError) and outcome.answer.passes:
            del outcomes[key]


def downloads(outcomes: Sequence[Outcome], shown: Outcome, threshold: float) -> None:
    """Buttons for all results as tables, the shown photo with its marks, and all of it at once."""
    if not any(isinstance(outcome.answer, Answer) for outcome in outcomes):
        return
    # Each is made only on request, and a download changes nothing on the page, so there is nothing to run again.
    files = [
        ("Results as CSV", lambda: exports.to_csv(outcomes, threshold), "emotions.csv", "text/csv"),
        ("Results as JSON", lambda: exports.to_json(outcomes, threshold), "emotions.json", "application/json"),
    ]
    if exports.has_picture(shown):
        kind = "image/png" if shown.photo.is_png else "image/jpeg"
        name = exports.annotated_name(shown)
        files.append(("Annotated picture", lambda: exports.annotated(shown, threshold), name, kind))
    if len(outcomes) > 1:
        everything = lambda: exports.to_zip(outcomes, threshold)  # noqa: E731
        files.append(("Everything as ZIP", everything, "emotions.zip", "application/zip"))
    for label, content, name, kind in files:
        st.download_button(label, content, name, kind, on_click="ignore")
