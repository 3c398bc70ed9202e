"""Upload, paste or take photos; see each face with its emotion."""

from collections.abc import Sequence

import streamlit as st

from client import giving, metrics, results, session, showing, video_page
from client.api import Answer, EmotionClient, ServiceError
from client.components.live import live_camera
from client.concurrency import bounded_map
from client.giving import Source
from client.photos import prepare
from client.results import Outcome
from client.samples import example
from emotion.contract import DETAILS, STANDARD, Detail


def show() -> None:
    """The page: with photos of one's own their results, before that what the service does with a sample."""
    way = giving.moving()
    if way is not None:
        _moving(way)
    elif session.photos():
        _own_photos()
    else:
        _first_screen()


def _moving(way: str) -> None:
    st.title("Read the expressions of moving faces")
    giving.choose_way()
    with st.expander("Settings", icon=":material/tune:"):
        threshold, detail = _threshold(), _detail()
    if way == giving.LIVE:
        live_camera(threshold, detail)
    else:
        video_page.show(threshold, detail)
    giving.promise("Pictures")


def _first_screen() -> None:
    st.title("Read the expressions in a photo")
    st.write("Every face in a photo is found and read as one of seven expressions, with a calibrated confidence.")
    left, right = st.columns([2, 3], gap="large")
    with left:
        giving.ways_to_give()
        giving.say_what_was_not_taken()
        with st.expander("Settings", icon=":material/tune:"):
            threshold, detail = _threshold(), _detail()
    with right:
        outcomes = _analyse(giving.sources(detail))
        if outcomes:
            showing.show_outcome(outcomes[0], threshold, beside=False)
            with st.container(horizontal=True):
                showing.downloads(outcomes, outcomes[0], threshold)
        else:
            showing.show_outcome(example(), threshold, "an example, read beforehand", beside=False)


def _own_photos() -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.title("Read the expressions in a photo", width="content")
        st.button("Clear everything", icon=":material/delete:", on_click=session.clear)
    with st.expander("More photos, samples and settings", icon=":material/add:", key=session.fresh_key("controls")):
        left, right = st.columns([3, 2], gap="large")
        with left:
            giving.ways_to_give()
        with right:
            threshold, detail = _threshold(), _detail()
    giving.say_what_was_not_taken()
    sources = giving.sources(detail)
    outcomes = _analyse(sources)
    index = 0 if len(outcomes) == 1 else _choose_outcome(outcomes, threshold)
    showing.show_outcome(outcomes[index], threshold)
    with st.container(horizontal=True):
        showing.downloads(outcomes, outcomes[index], threshold)
        st.button("Remove this photo", icon=":material/close:", on_click=giving.remove, args=(sources[index].id,))


def _analyse(sources: Sequence[Source]) -> list[Outcome]:
    """The outcome of each photo, in order; those that were removed are forgotten."""
    outcomes = session.outcomes()
    for key in set(outcomes) - {source.key for source in sources}:
        del outcomes[key]
    _send([source for source in sources if source.key not in outcomes])
    return [outcomes[source.key] for source in sources]


def _send(new: Sequence[Source]) -> None:
    """Send the photos that were not answered yet, a bounded number at once."""
    if not new:
        return
    outcomes, configuration = session.outcomes(), session.configuration()
    client = session.client(configuration)
    progress = st.progress(0.0, "Looking …")
    answered = bounded_map(lambda source: _look(client, source), new, configuration.concurrency)
    for done, (source, outcome) in enumerate(answered, start=1):
        outcomes[source.key] = outcome
        if isinstance(outcome.answer, Answer):
            session.history().append(outcome.answer)
        progress.progress(done / len(new), f"{done} of {len(new)} photos")
    progress.empty()


def _look(client: EmotionClient, source: Source) -> Outcome:
    """Runs in a thread of its own, where Streamlit's functions cannot be used."""
    photo = prepare(source.name, source.data)
    try:
        answer: Answer | ServiceError = client.analyse(photo.data, source.detail)
    except ServiceError as error:
        answer = error
    metrics.record(answer)
    return Outcome(photo, answer)


def _threshold() -> float:
    percent: int = st.slider(
        "Mark as uncertain below",
        min_value=0,
        max_value=95,
        step=5,
        format="%d %%",
        **session.remembered("threshold", 40),
        help="The page “Model performance” shows what it changes. Higher: fewer answers, more of them right.",
    )
    return percent / 100


def _detail() -> Detail:
    words = {
        "fast": "Largest faces only, fastest",
        "standard": "Faces that can be read",
        "thorough": "Small faces too, slower",
    }
    detail: Detail = st.selectbox(
        "Look for",
        DETAILS,
        format_func=words.__getitem__,
        width="stretch",
        **session.remembered("detail", STANDARD),
    )
    return detail


def _choose_outcome(outcomes: Sequence[Outcome], threshold: float) -> int:
    """An overview of many photos; returns the index of the one to show below."""
    failed = sum(isinstance(outcome.answer, ServiceError) for outcome in outcomes)
    counts = {
        "Photos": len(outcomes),
        "Faces": sum(len(outcome.faces) for outcome in outcomes),
        "Not analysed": failed,
    }
    for column, (name, value) in zip(st.columns(3), counts.items(), strict=True):
        column.metric(name, value, border=True)
    rows = [
        {
            "photo": outcome.photo.thumbnail,
            "file": outcome.photo.name,
            "faces": len(outcome.faces),
            "expressions": _expressions(outcome, threshold),
        }
        for outcome in outcomes
    ]
    st.dataframe(
        rows,
        hide_index=True,
        row_height=56,
        column_config={"photo": st.column_config.ImageColumn("photo", width=72)},
        alt="File, number of faces and expressions of each photo",
        key="table",
        on_select=_show_selected,
        selection_mode="single-row",
    )
    if st.session_state.get("shown", 0) >= len(outcomes):
        st.session_state.shown = len(outcomes) - 1  # the last photo was removed
    index: int = st.selectbox(
        "Photo to show; a click into the table's first column chooses one too",
        range(len(outcomes)),
        format_func=lambda at: f"{at + 1} · {outcomes[at].photo.name}",
        key="shown",
    )
    return index


def _show_selected() -> None:
    for row in st.session_state.table.selection.rows:
        st.session_state.shown = row


def _expressions(outcome: Outcome, threshold: float) -> str:
    if isinstance(outcome.answer, ServiceError):
        return f"not analysed: {outcome.answer}"
    if not outcome.faces:
        return "no face found"
    return ", ".join(results.shown_emotion(face, threshold) for face in outcome.faces)


show()
