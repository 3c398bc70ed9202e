"""A video on the page: given, watched while it is analysed, looked at moment by moment."""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from client import frames, giving, session, timeline, uploads, video, watching, words
from client.api import ServiceError
from client.components.intake import Wanted
from client.results import EMOTIONS, Row
from client.timeline import Stretch
from client.tracking import REMEMBERED
from client.video import Moment
from client.watching import Watched
from emotion.contract import Detail

EVERY = 1.0
"""Seconds between two looks at what is known."""


def given() -> Watched | None:
    """The video that this session is given."""
    watched: Watched | None = st.session_state.get("video")
    return watched


def give(detail: Detail) -> None:
    """The uploader."""
    if st.session_state.pop("no room for video", False):
        st.warning("The videos of other people fill this page's memory. Try again a little later, or a smaller file.")
    rate = st.slider(
        "Pictures a second",
        min_value=frames.RATES[0],
        max_value=frames.RATES[-1],
        width=400,
        value=2,
        key="rate",
        persist_state="session",
        help="How many pictures of the video are read. More show shorter expressions and take longer.",
    )
    key, suffixes = session.fresh_key("video"), [f".{suffix}" for suffix in frames.MEDIA_TYPES]
    giving.say_of_files()
    giving.watch(key, Wanted("video", suffixes, frames.MOST_BYTES))
    st.file_uploader(
        f"A video of at most {frames.MOST_SECONDS / 60:.0f} minutes",
        type=suffixes,
        max_upload_size=frames.MOST_BYTES // 10**6,
        key=key,
        on_change=_begin,
        args=(key, rate, detail),
    )


def show(watched: Watched, threshold: float) -> None:
    """The video that was given."""
    # A fragment is drawn anew by itself while there is something to wait for.
    ended = watched.ended
    st.fragment(_watch, run_every=None if ended else EVERY)(watched, threshold, ended)


def _begin(key: str, rate: int, detail: Detail) -> None:
    files, context = giving.given_by(key), get_script_run_ctx()
    if not files or context is None:
        return
    session.renew()
    file = uploads.taken(files[0])
    watched = watching.take(file.name, file.data, rate, detail, context.session_id)
    if watched is None:
        st.session_state["no room for video"] = True
        return
    _start(watched)
    st.session_state.video = watched


def _start(watched: Watched) -> None:
    configuration = session.configuration()
    watched.start(session.client(configuration), configuration.concurrency)


def _go_on(watched: Watched) -> None:
    if watched.may_go_on:  # and was not clicked twice
        _start(watched)


def _put_away() -> None:
    st.session_state.pop("video").put_away()
    st.session_state.pop("chosen moment", None)


def _watch(watched: Watched, threshold: float, ended: bool) -> None:
    if watched.ended != ended or given() is not watched:
        st.rerun()  # the whole page: this is drawn by itself from now on, or no longer, or not at all
    moments = list(watched.moments)
    with st.container(key="watched"):
        _draw(watched, moments, threshold, ended)


def _draw(watched: Watched, moments: list[Moment], threshold: float, ended: bool) -> None:
    _state(watched, moments, ended)
    if moments:
        step = 1 / watched.rate
        found = timeline.stretches(moments, step, threshold)
        if found:
            _timeline(found, moments, step, threshold)
            left, right = st.columns([3, 2], gap="large")
            with left:
                _moment(watched, moments, threshold)
            with right:
                _strongest(watched)
        else:
            st.info("No face was found so far." if not ended else "No face was found.", icon=":material/search:")
        _downloads(watched, moments, threshold)


def _state(watched: Watched, moments: list[Moment], ended: bool) -> None:
    pictures, people, failed = watching.counts(moments)
    seen = "1 face" if people == 1 else f"{people} faces"  # whose it is at each moment is not known
    name = words.plain(words.shortened(watched.name))
    known = f"{pictures} pictures, {seen}" + (f", {failed} not answered" if failed else "")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        if ended:
            st.markdown(f"**{name}**" + (f" · {known}" if moments else ""))
            with st.container(horizontal=True, width="content"):
                if watched.may_go_on:
                    st.button("Go on", icon=":material/play_arrow:", on_click=_go_on, args=(watched,))
                st.button("Another video", icon=":material/close:", on_click=_put_away)
        else:
            said = "Waiting for other videos …" if watched.waits else f"{name}: {known}"
            st.progress(watched.done, said)
            st.button("Cancel", icon=":material/stop:", on_click=watched.cancel)
    if watched.error is not None:
        advice = words.advice(watched.error) if isinstance(watched.error, ServiceError) else ""
        st.error(f"**{words.of_error(watched.error)}.** {advice}", icon=":material/block:")


def _timeline(found: list[Stretch], moments: list[Moment], step: float, threshold: float) -> None:
    shown = timeline.most_seen(found)
    st.altair_chart(
        timeline.timeline(shown, moments, step, threshold),
        key="timeline",
        on_select=lambda: _jump_to_selected(moments),
        selection_mode="moment",
        alt=timeline.described(shown),
    )
    people, rows = ({each.person for each in some} for some in (found, shown))
    said = []
    if len(people) > len(rows):
        said.append(f"The {len(rows)} faces that are seen longest; the results below have all {len(people)}.")
    if len(people) > 1:
        said.append(f"Behind a cut, or unseen for {REMEMBERED:.0f} seconds, a face is a new one: nobody is recognized.")
    if said:
        st.caption(" ".join(said))


def _jump_to_selected(moments: list[Moment]) -> None:
    for point in st.session_state.timeline.selection.get("moment", []):
        _jump(moments, float(point["at"]))


def _jump(moments: list[Moment], at: float) -> None:
    st.session_state["chosen moment"] = min(range(len(moments)), key=lambda number: abs(moments[number].at - at))


def _choice(watched: Watched, known: int) -> int:
    """The number of the moment to look at.

    Streamlit forgets a slider's value when its bounds change, so the choice is kept beside it. They seldom change: the
    keyboard's focus would be lost too.
    """
    last = max(watched.expected, known) - 1
    if last == 0:
        return 0
    key = f"moment up to {last}"
    chosen = min(st.session_state.setdefault("chosen moment", 0), last)
    if st.session_state.get(key) != chosen:
        st.session_state[key] = chosen

    def choose() -> None:
        st.session_state["chosen moment"] = st.session_state[key]

    number: int = st.slider(
        "Picture to show; arrow keys go from one to the next, a click into the timeline chooses one too",
        min_value=0,
        max_value=last,
        key=key,
        on_change=choose,
    )
    return min(number, known - 1)


def _moment(watched: Watched, moments: list[Moment], threshold: float) -> None:
    moment = moments[_choice(watched, len(moments))]
    try:
        picture = watched.picture(moment)
    except frames.VideoError as error:
        st.warning(f"This picture cannot be shown: {error}.")
        return
    seen = timeline.seen(moment, threshold)
    image = video.annotated(picture, moment, threshold)
    st.image(image, output_format="JPEG", alt=f"The picture at {moment.at:.1f} s. {seen}")
    st.caption(f"At {clock(moment.at)} · {seen}")


def _strongest(watched: Watched) -> None:
    found = {emotion: watched.strongest[emotion] for emotion in EMOTIONS if emotion in watched.strongest}
    if not found:
        return
    st.header("The strongest moments")
    with st.container(horizontal=True, gap="small"):
        for emotion, strong in found.items():
            with st.container(width=watching.THUMBNAIL, gap="xsmall"):
                st.image(
                    strong.thumbnail,
                    width=watching.THUMBNAIL,
                    output_format="JPEG",
                    alt=f"Face {strong.person}, {emotion}",
                )
                st.markdown(f"**{emotion.capitalize()}** {strong.confidence:.0%}")
                st.button(
                    clock(strong.at),
                    help=f"Show face {strong.person} at that time",
                    key=f"strongest {emotion}",
                    on_click=_jump,
                    args=(watched.moments, strong.at),
                )


def _downloads(watched: Watched, moments: list[Moment], threshold: float) -> None:
    stem = watched.name.rpartition(".")[0]

    def rows() -> list[Row]:
        return [row for moment in moments for row in video.moment_rows(moment, threshold)]

    with st.container(horizontal=True):
        st.download_button(
            "Results as CSV", lambda: video.to_csv(rows()), f"{stem}-emotions.csv", "text/csv", on_click="ignore"
        )
        st.download_button(
            "Results as JSON",
            lambda: video.to_json(watched.name, rows()),
            f"{stem}-emotions.json",
            "application/json",
            on_click="ignore",
        )


def clock(seconds: float) -> str:
    """As on a player: minutes and seconds."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    return f"{minutes}:{tenths / 10:04.1f}"
