"""The same from a program: the latest request as code, its answer, and the API's description."""

import json

import streamlit as st

from client import charts, examples, session
from client.api import Answer
from client.photos import Photo
from emotion import openapi
from emotion.contract import ACCEPTED, STANDARD


def show() -> None:
    """The page."""
    st.title("The same from your own program")
    configuration = session.configuration()
    latest = session.history()[-1] if session.history() else None
    if latest is None:
        st.write("This asks the service about a photo. After you have tried one on the page, its own request is here.")
        file, detail = "photo.jpg", STANDARD
    else:
        photo = _photo(latest)
        file, detail = photo.name if photo else "photo.jpg", latest.analysis.detail
        count = len(latest.analysis.faces)
        st.write(f"The request that this page made last, for {count} face{'' if count == 1 else 's'} in one photo:")
        if photo and photo.is_a_copy:
            st.caption(
                ":material/info: The page sent a smaller or converted copy of this file. The service itself reads "
                f"{ACCEPTED}, and refuses anything else; of a file that it reads its answer may differ a little."
            )
    ways = examples.examples(configuration, file, detail)
    for tab, way in zip(st.tabs([way.name for way in ways]), ways, strict=True):
        with tab:
            st.code(way.code, language=None, wrap_lines=True)  # in colours it would be hard to read
    if examples.public_address(configuration) == examples.PLACEHOLDER:
        st.caption("Put the address of your own service in place of the example's.")
    if latest is not None:
        _answer(latest)
    _description()


def _photo(answer: Answer) -> Photo | None:
    """What was answered so, unless it is gone."""
    return next((outcome.photo for outcome in session.outcomes().values() if outcome.answer is answer), None)


def _answer(answer: Answer) -> None:
    st.header("Its answer")
    st.write(f"After {answer.round_trip * 1000:.0f} ms, of which:")
    st.altair_chart(charts.round_trips([answer]), alt="Milliseconds of each part of the round trip")
    with st.container(height=420):
        st.code(json.dumps(json.loads(answer.body), indent=2), language=None)


def _description() -> None:
    st.header("The whole API")
    st.write(
        "Fields may be added in later versions, never renamed or removed. The OpenAPI document says what may be sent, "
        "what is answered, and what can go wrong; programs can be generated from it."
    )
    document = openapi.text()
    st.download_button("OpenAPI document", document, "openapi.json", "application/json", on_click="ignore")
    with st.expander("Read it here"):
        st.json(document, expanded=2)


show()
