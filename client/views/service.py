"""How the service does right now, as this session sees it."""

import statistics

import streamlit as st

from client import charts, session, words
from client.api import ServiceError
from client.report import load_report


def show() -> None:
    """The page."""
    st.title("Live service")
    configuration = session.configuration()
    _health()
    answers = list(session.history())
    if not answers:
        st.info("No photo was analysed in this session yet; then its times stand here.", icon=":material/timer:")
        return
    model = answers[-1].analysis.model
    trips = [answer.round_trip * 1000 for answer in answers]
    report = load_report(configuration.reports)
    numbers = {
        "Model": f"{model.name} {model.version}",
        "Median round trip": f"{statistics.median(trips):.0f} ms",
        "Slowest": f"{max(trips):.0f} ms",
    }
    for column, (name, value) in zip(st.columns(3), numbers.items(), strict=True):
        column.metric(name, value, border=True)
    st.caption(f"Run by {model.runtime}." if model.runtime else "The service does not say what runs the model.")
    if report is not None and report.model.version != model.version:
        st.warning(f"The report on the page “Model performance” is of version {report.model.version}.")
    st.header("Where the time goes")
    st.write(f"The latest photos of this session, at most {session.HISTORY}: from sending a photo to having its faces.")
    st.altair_chart(
        charts.round_trips(answers), alt="Milliseconds of each part of each round trip; the table has the numbers"
    )
    with st.expander("The numbers"):
        rows = [
            {
                "photo": number,
                "round trip, ms": round(answer.round_trip * 1000, 1),
                **{charts.STAGES[stage]: round(time, 1) for stage, time in charts.stages(answer).items()},
                "request id": answer.request_id,
            }
            for number, answer in enumerate(answers, start=1)
        ]
        st.dataframe(rows, hide_index=True, alt="Milliseconds of each part of each round trip, and its request id")
        st.caption("The request id stands in the service's log line of the same photo.")


def _health() -> None:
    configuration = session.configuration()
    with st.container(horizontal=True, vertical_alignment="center"):
        try:
            seconds = session.client(configuration).health()
            st.success(
                f"The service is healthy; it said so in {seconds * 1000:.0f} ms.",
                icon=":material/check_circle:",
            )
        except ServiceError as error:
            st.error(f"Not healthy. {words.of_error(error)}.", icon=":material/error:")
        st.button("Ask again", icon=":material/refresh:")


show()
