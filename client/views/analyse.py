"""Upload, paste or take photos; see each face with its emotion."""

from collections.abc import Sequence
from contextlib import closing

import streamlit as st

from client import giving, metrics, overview, results, session, showing, video_page, words
from client.api import Answer, EmotionClient, ImageRefused, ServiceError
from client.components.live import live_camera
from client.concurrency import bounded_map
from client.giving import Source
from client.results import Outcome
from client.samples import example
from emotion.contract import DETAILS, IMAGE_TOO_LARGE, STANDARD, Detail


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
    watched = video_page.given() if way == giving.VIDEO else None
    with st.expander("Settings", icon=":material/tune:"):
        threshold = _threshold()
        detail = _detail() if watched is None else STANDARD  # which a video that was given keeps
    if way == giving.LIVE:
        live_camera(threshold, detail)
    elif watched is None:
        video_page.give(detail)
    else:
        video_page.show(watched, threshold)
    giving.promise("Pictures")


def _first_screen() -> None:
    st.title("Read the expressions in a photo")
    st.write("Every face in a photo is found and read as one of seven expressions, with a calibrated confidence.")
    # Side by side, and on a phone one below the other; app.py has the style.
    with st.container(key="first-screen"):
        with st.container():
            giving.ways_to_give()
            giving.say_of_files()
        result = st.container()
        with st.container():
            giving.sample_pictures()
            with st.expander("Settings", icon=":material/tune:"):
                threshold, detail = _threshold(), _detail()
    with result:
        outcomes = _analyse(giving.sources(detail))
        if outcomes:
            showing.show_outcome(outcomes[0], threshold)
            with st.container(horizontal=True):
                showing.downloads(outcomes, outcomes[0], threshold)
        else:
            showing.show_outcome(example(), threshold, "an example, read beforehand")


def _own_photos() -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.title("Read the expressions in a photo", width="content")
        st.button("Clear everything", icon=":material/delete:", on_click=session.clear)
    label, key = "More photos, samples and settings", session.fresh_key("controls")
    with st.expander(label, icon=":material/add:", key=key, on_change="rerun") as controls:
        left, right = st.columns([3, 2], gap="large")
        with left:
            giving.ways_to_give()
            if controls.open:  # only then, or they would be drawn before the person's own photo
                giving.sample_pictures()
        with right:
            threshold, detail = _threshold(), _detail()
    giving.say_of_files()
    sources = giving.sources(detail)
    ids, outcomes = [source.id for source in sources], _analyse(sources)
    at, every = session.shown_at(ids), overview.entries(ids, outcomes, threshold)
    if len(every) > 1:
        overview.summary(every)
        showing.try_all_again(outcomes)
        other = overview.turn_pages(every, at)
        if other is None:
            showing.show_outcome(outcomes[at], threshold, alone=False)
        else:
            for column, number, key in zip(st.columns(2), (at, other), ("photo", "other photo"), strict=True):
                with column:
                    st.markdown(f"**{number + 1} · {words.plain(words.shortened(outcomes[number].photo.name))}**")
                    showing.show_outcome(outcomes[number], threshold, alone=False, key=key)
    else:
        showing.show_outcome(outcomes[at], threshold)
    with st.container(horizontal=True):
        showing.downloads(outcomes, outcomes[at], threshold)
        st.button("Remove this photo", icon=":material/close:", on_click=giving.remove, args=(ids[at],))
    if len(every) > 1:
        st.header("All photos")
        overview.choose(every, ids[at])


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
    outcomes, history, configuration = session.outcomes(), session.history(), session.configuration()
    client = session.client(configuration)

    def look(source: Source) -> None:
        # Kept here and not below, where the page may be drawn anew before this one's turn comes.
        outcome = _look(client, source)
        outcomes[source.key] = outcome
        if isinstance(outcome.answer, Answer):
            history.append(outcome.answer)

    progress = st.progress(0.0, "Looking …")
    # Closed in any case: what is under way ends before the page is drawn anew, and is not sent again.
    with closing(bounded_map(look, new, configuration.concurrency)) as answered:
        for done, _ in enumerate(answered, start=1):
            progress.progress(done / len(new), f"{done} of {len(new)} photos")
    progress.empty()


def _look(client: EmotionClient, source: Source) -> Outcome:
    """Runs in a thread of its own, where Streamlit's functions cannot be used."""
    photo = source.given.photo()
    if photo.is_too_large:
        return Outcome(photo, ImageRefused(IMAGE_TOO_LARGE.code, words.of_size(photo)))
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
        format="%d%%",
        value=round(results.THRESHOLD * 100),
        key="threshold",
        persist_state="session",
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
        index=DETAILS.index(STANDARD),
        key="detail",
        persist_state="session",
    )
    return detail


show()
