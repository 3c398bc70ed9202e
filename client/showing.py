"""One outcome on the page: the annotated photo with its faces, or what went wrong, and the files to download."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from client import drawing, faces, results, session
from client.api import Answer, ServiceError
from client.results import Outcome
from emotion.contract import Analysis

# Longest side of the photo on the page: more than its column is wide, far less than a phone's photo.
SHOWN_PIXELS = 1400


def show_outcome(outcome: Outcome, threshold: float, caption: str = "", *, beside: bool = True) -> None:
    """The annotated photo and its faces, `beside` it or below, or what went wrong.

    `caption`: what to say of the photo instead of how long its answer took.
    """
    answer = outcome.answer
    if isinstance(answer, ServiceError):
        _show_error(answer)
        return
    if outcome.photo.thumbnail is None:
        st.error("The service could read this photo, but the page cannot show it. Save it anew and upload it again.")
        return
    image = outcome.photo.picture()
    left, right = st.columns([3, 2], gap="large") if beside else (st.container(), st.container())
    with right:
        focus = faces.show(image, outcome.faces, threshold, columns=1 if beside else 2)
    with left:
        picture = drawing.annotate(image, outcome.faces, threshold=threshold, focus=focus, longest=SHOWN_PIXELS)
        with st.container(key="photo"):
            st.image(picture, width="stretch", output_format="JPEG", alt=_description(outcome, threshold))
        model = answer.analysis.model
        took = f"answered in **{answer.round_trip * 1000:.0f} ms** by {model.name} {model.version}"
        st.caption(f"{_count(len(outcome.faces))} · {caption or took}")
        if remark := _remark(answer.analysis):
            st.caption(f":material/info: {remark}")


def _count(faces: int) -> str:
    if faces == 0:
        return "No face"
    return "1 face" if faces == 1 else f"{faces} faces, largest first"


def _remark(analysis: Analysis) -> str:
    """What else there is to know of how the photo was read; "" if nothing."""
    turns = {0: "", 90: "a quarter turn to the right", 180: "upside down", 270: "a quarter turn to the left"}
    remarks = []
    if analysis.turned:
        remarks.append(f"The faces were read with the photo turned: {turns[analysis.turned]}.")
    if analysis.left_out:
        remarks.append(f"{analysis.left_out} smaller faces were found and not read.")
    return " ".join(remarks)


def _show_error(error: ServiceError) -> None:
    message = str(error)
    st.error(f"**{message[:1].upper()}{message[1:]}.** {error.advice}", icon=":material/block:")
    if error.passes:
        st.button("Try again", icon=":material/refresh:", on_click=_forget_failures)


def _forget_failures() -> None:
    outcomes = session.outcomes()
    for key, outcome in tuple(outcomes.items()):
        if isinstance(outcome.answer, ServiceError) and outcome.answer.passes:
            del outcomes[key]


def downloads(outcomes: Sequence[Outcome], shown: Outcome, threshold: float) -> None:
    """Buttons for all results as tables, and for the shown photo with its marks."""
    if not any(isinstance(outcome.answer, Answer) for outcome in outcomes):
        return
    # `ignore`: a download changes nothing on the page, so there is nothing to run again.
    st.download_button("Results as CSV", results.to_csv(outcomes), "emotions.csv", "text/csv", on_click="ignore")
    st.download_button(
        "Results as JSON", results.to_json(outcomes), "emotions.json", "application/json", on_click="ignore"
    )
    if shown.photo.thumbnail and isinstance(shown.answer, Answer):
        st.download_button(
            "Annotated picture as PNG",
            # A function, so that it is drawn only on request: a large PNG takes longer than all the rest.
            lambda: results.to_png(drawing.annotate(shown.photo.picture(), shown.faces, threshold=threshold)),
            f"{Path(shown.photo.name).stem}-emotions.png",
            "image/png",
            on_click="ignore",
        )


def _description(outcome: Outcome, threshold: float) -> str:
    """The annotated photo in words, for people who cannot see it."""
    if not outcome.faces:
        return "The photo; no face was found"
    found = [
        f"Face {number}: {results.shown_emotion(face, threshold)}, {face.confidence:.0%}"
        for number, face in enumerate(outcome.faces, start=1)
    ]
    return f"The photo with {len(found)} marked face{'s' if len(found) > 1 else ''}. {'; '.join(found)}"
