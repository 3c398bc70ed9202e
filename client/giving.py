"""Where photos come from: chosen, dropped and pasted files, the camera, and the samples."""

from dataclasses import dataclass
from functools import cache

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from client import consent, session
from client.paste import paste_into_uploader
from client.samples import samples
from emotion.contract import ACCEPTED, MAX_BODY, SUFFIXES, Detail

VIDEO, LIVE = "Video", "Live camera"
"""Ways to give pictures that move."""


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


def sources(detail: Detail) -> list[Source]:
    """The user's own photos, whichever way they came, then the chosen sample."""
    own = [Source(key, photo.name, photo.data, detail) for key, photo in session.photos().items()]
    title = session.sample()
    if title is None:
        return own
    path = samples()[title].path
    return [*own, Source(title, path.name, path.read_bytes(), detail)]


def remove(photo: str) -> None:
    """Take the photo with this `id` off the page."""
    if photo in session.photos():
        del session.photos()[photo]
    else:
        session.choose_sample(None)


def ways_to_give() -> None:
    """The widgets: for one's own photos, once the notice is acknowledged, and the samples."""
    acknowledged = consent.acknowledged()
    if acknowledged:
        _own_photos()
        promise("Photos")
    _sample_pictures()
    if acknowledged:
        paste_into_uploader()  # invisible, but it takes its place in the page


def promise(what: str) -> None:
    """What becomes of them."""
    st.caption(f":material/lock: {what} are processed in memory and discarded: not stored, not logged, not shared.")


def choose_way() -> str | None:
    """The choice where pictures come from; only for those who acknowledged the notice."""
    icons = {"Upload": "upload", "Camera": "photo_camera", VIDEO: "movie", LIVE: "videocam"}
    way: str | None = st.segmented_control(
        "Where from",
        list(icons),
        format_func=lambda way: f":material/{icons[way]}: {way}",
        label_visibility="collapsed",
        **session.remembered("way", "Upload"),
    )
    return way


def moving() -> str | None:
    """`VIDEO` or `LIVE` if the user chose it: they take the whole page."""
    way = session.recalled("way") if consent.is_acknowledged() else None
    return way if way in {VIDEO, LIVE} else None


def _own_photos() -> None:
    if choose_way() == "Camera":
        key = session.fresh_key("camera")
        st.camera_input("Take a picture", key=key, on_change=_keep_picture, args=(key,))
    else:
        key = session.fresh_key("uploader")
        st.file_uploader(
            f"Photos, {ACCEPTED} each: choose them, drop them here, or paste one anywhere on this page",
            type=SUFFIXES,
            accept_multiple_files=True,
            max_upload_size=MAX_BODY // 2**20,
            key=key,
            on_change=_keep_uploads,
            args=(key,),
        )


def _sample_pictures() -> None:
    st.html(_pictures_of_samples())
    with st.container(key="samples", gap="small"):
        st.markdown("Or try a sample")
        with st.container(horizontal=True, gap="xsmall"):
            for number, sample in enumerate(samples().values()):
                st.button(
                    sample.title,
                    key=f"sample{number}",
                    help=f"{sample.shows[0].upper()}{sample.shows[1:]}. Source: {sample.source}.",
                    on_click=session.choose_sample,
                    args=(sample.title,),
                )


@cache
def _pictures_of_samples() -> str:
    """Streamlit's buttons hold text only; this puts each sample's picture above its title."""
    pictures = "".join(
        f".st-key-sample{number} button::before {{ background-image: url({sample.thumbnail()}) }}\n"
        for number, sample in enumerate(samples().values())
    )
    return (
        "<style>.st-key-samples button { flex-direction: column; gap: .25rem; width: 6.5rem; padding: .25rem }\n"
        ".st-key-samples button p { font-size: .8rem; white-space: nowrap }\n"
        ".st-key-samples button::before { content: ''; width: 100%; height: 4rem; border-radius: .35rem; "
        f"background: center / cover }}\n{pictures}</style>"
    )


def _keep_uploads(key: str) -> None:
    _keep([(upload.name, upload) for upload in st.session_state[key]])


def _keep_picture(key: str) -> None:
    if picture := st.session_state[key]:
        _keep([("camera.jpg", picture)])


def _keep(uploads: list[tuple[str, UploadedFile]]) -> None:
    """Take files over from Streamlit, which would hold them for as long as the session lasts."""
    if not session.photos():
        session.choose_sample(None)  # it was there to try the page
    for name, upload in uploads:
        if not session.add_photo(name, taken(upload)):
            st.session_state["no room for"] = st.session_state.get("no room for", 0) + 1
    session.renew()


def taken(upload: UploadedFile) -> bytes:
    """A file's bytes, which Streamlit then holds no longer."""
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, upload.file_id)
    return upload.getvalue()


def say_what_was_not_taken() -> None:
    """A warning when there was no room for some of the photos given last."""
    if refused := st.session_state.pop("no room for", 0):
        st.warning(
            f"{refused} photo{'s were' if refused > 1 else ' was'} not taken: at most {session.MOST_PHOTOS} photos and "
            f"{session.MOST_BYTES // 10**6} MB at a time. Clear everything or remove some first."
        )
