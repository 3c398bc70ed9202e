"""Upload, paste or take photos; see each face with its emotion."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from client import consent, drawing, faces, metrics, results, session
from client.api import Answer, EmotionClient, ServiceError
from client.concurrency import bounded_map
from client.paste import paste_into_uploader
from client.photos import prepare
from client.results import Outcome
from emotion.contract import ACCEPTED, DETAILS, STANDARD, SUFFIXES, Analysis, Detail

SAMPLES = Path(__file__).resolve().parent.parent / "samples"

# Longest side of the photo on the page: more than its column is wide, far less than a phone's photo.
SHOWN_PIXELS = 1400


@dataclass(frozen=True)
class Source:
    """A photo that the user gave or chose, and how closely to look at it; `id` is the photo's in the session."""

    id: str
    name: str
    data: bytes
    detail: Detail

    @property
    def key(self) -> str:
        """Of its outcome: another one for each detail."""
        return f"{self.id} {self.detail}"


def show() -> None:
    """The page."""
    st.title("Read the expressions in a photo")
    st.write("Every face in a photo is found and read as one of seven expressions, with a calibrated confidence.")
    if not consent.acknowledged():
        return
    left, right = st.columns([3, 2], gap="large", vertical_alignment="bottom")
    with left:
        way = _choose_way()
    with right:
        threshold = _threshold()
        detail = _detail()
    sources = _choose(way, detail)
    st.caption(":material/lock: Photos are processed in memory and discarded: not stored, not logged, not shared.")
    _forget_all_but(sources)
    if not sources:
        return
    st.button("Clear everything", icon=":material/delete:", on_click=session.clear)
    _analyse(sources)
    outcomes = [session.outcomes()[source.key] for source in sources]
    index = 0 if len(outcomes) == 1 else _choose_outcome(outcomes, threshold)
    shown = outcomes[index]
    _show_outcome(shown, threshold)
    st.button("Remove this photo", icon=":material/close:", on_click=_remove, args=(sources[index].id,))
    _downloads(outcomes, shown, threshold)


def _choose_way() -> str | None:
    ways = {
        "Upload": ":material/upload: Upload",
        "Camera": ":material/photo_camera: Camera",
        "Samples": ":material/photo_library: Samples",
    }
    way: str | None = st.segmented_control(
        "Where from",
        list(ways),
        format_func=ways.__getitem__,
        label_visibility="collapsed",
        **session.remembered("way", "Upload"),
    )
    return way


def _choose(way: str | None, detail: Detail) -> list[Source]:
    """The photos that the user wants analysed: their own, whichever way they came, then the chosen samples."""
    if way == "Camera":
        key = session.fresh_key("camera")
        st.camera_input("Take a picture", key=key, on_change=_keep_picture, args=(key,))
    elif way == "Samples":
        _choose_samples()
    else:
        key = session.fresh_key("uploader")
        st.file_uploader(
            f"Photos, {ACCEPTED} each: choose them, drop them here, or paste one anywhere on this page",
            type=SUFFIXES,
            accept_multiple_files=True,
            key=key,
            on_change=_keep_uploads,
            args=(key,),
        )
        paste_into_uploader()
    if refused := st.session_state.pop("no room for", 0):
        st.warning(
            f"{refused} photo{'s were' if refused > 1 else ' was'} not taken: at most {session.MOST_PHOTOS} photos and "
            f"{session.MOST_BYTES // 10**6} MB at a time. Clear everything or remove some first."
        )
    own = [Source(key, photo.name, photo.data, detail) for key, photo in session.photos().items()]
    paths = {name: _sample_paths()[name] for name in session.recall("samples", [])}
    return own + [Source(name, path.name, path.read_bytes(), detail) for name, path in paths.items()]


def _remove(photo: str) -> None:
    """Take one photo off the page: the user's own by its id, a sample by its name."""
    if photo in session.photos():
        del session.photos()[photo]
    else:
        session.remember("samples", [name for name in session.recall("samples", []) if name != photo])


def _keep_uploads(key: str) -> None:
    for upload in st.session_state[key]:
        _keep(upload.name, upload)
    session.renew()


def _keep_picture(key: str) -> None:
    if picture := st.session_state[key]:
        _keep("camera.jpg", picture)
    session.renew()


def _keep(name: str, upload: UploadedFile) -> None:
    """Take a file over from Streamlit, which would hold it for as long as the session lasts."""
    if not session.add_photo(name, upload.getvalue()):
        st.session_state["no room for"] = st.session_state.get("no room for", 0) + 1
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, upload.file_id)


def _sample_paths() -> dict[str, Path]:
    return {path.stem.replace("-", " "): path for path in sorted(SAMPLES.glob("*.jpg"))}


def _choose_samples() -> None:
    st.pills(
        "Sample photos, freely licensed",
        list(_sample_paths()),
        selection_mode="multi",
        help="Where they come from stands in client/samples/SOURCES.md.",
        **session.remembered("samples", []),
    )


def _forget_all_but(sources: Sequence[Source]) -> None:
    """Drop the outcomes of photos that the user removed from the page."""
    kept = {source.key for source in sources}
    for key in set(session.outcomes()) - kept:
        del session.outcomes()[key]


def _analyse(sources: Sequence[Source]) -> None:
    """Send the photos that were not answered yet, a bounded number at once."""
    outcomes = session.outcomes()
    new = [source for source in sources if source.key not in outcomes]
    if not new:
        return
    configuration = session.configuration()
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


def _show_outcome(outcome: Outcome, threshold: float) -> None:
    """The annotated photo beside its faces, or what went wrong."""
    answer = outcome.answer
    if isinstance(answer, ServiceError):
        _show_error(answer)
        return
    if outcome.photo.thumbnail is None:
        st.error("The service could read this photo, but the page cannot show it. Save it anew and upload it again.")
        return
    image = outcome.photo.picture()
    left, right = st.columns([3, 2], gap="large")
    with right:
        focus = faces.show(image, outcome.faces, threshold)
    with left:
        picture = drawing.annotate(image, outcome.faces, threshold=threshold, focus=focus, longest=SHOWN_PIXELS)
        st.image(picture, width="stretch", output_format="JPEG", alt=_description(outcome, threshold))
        model = answer.analysis.model
        st.caption(
            f"{_count(len(outcome.faces))} · answered in **{answer.round_trip * 1000:.0f} ms** "
            f"by {model.name} {model.version}"
        )
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


def _downloads(outcomes: Sequence[Outcome], shown: Outcome, threshold: float) -> None:
    if not any(isinstance(outcome.answer, Answer) for outcome in outcomes):
        return
    with st.container(horizontal=True):
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


show()
