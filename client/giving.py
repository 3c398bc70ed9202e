"""Where photos come from: chosen, dropped and pasted files, the camera, and the samples."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import streamlit as st
from streamlit.runtime.uploaded_file_manager import DeletedFile, UploadedFile

from client import consent, photos, session, uploads
from client.components.intake import Wanted, watch_uploader
from client.given import MOST_HELD, Given
from client.samples import samples
from client.unpacking import photos_in
from client.words import plain
from emotion.contract import Detail

VIDEO, LIVE = "Video", "Live camera"
"""Ways to give pictures that move."""

SUFFIXES = (*photos.SUFFIXES, ".zip")

LARGEST_FILE = 100
"""MiB of a file that is uploaded; photos are made smaller before they go on to the service."""

MOST_LINES = 8
"""Of what is said of files."""


@dataclass(frozen=True)
class Source:
    """A photo that the user gave or chose, and how closely to look at it; `id` is the photo's in the session."""

    id: str
    given: Given
    detail: Detail

    @property
    def key(self) -> str:
        """Of its outcome: another one for each detail."""
        return f"{self.id} {self.detail}"


def sources(detail: Detail) -> list[Source]:
    """The user's own photos, whichever way they came, then the chosen sample."""
    own = [Source(key, photo, detail) for key, photo in session.photos().items()]
    title = session.sample()
    if title is None:
        return own
    path = samples()[title].path
    return [*own, Source(title, Given(path.name, path.read_bytes()), detail)]


def remove(photo: str) -> None:
    """Take the photo with this `id` off the page."""
    if photo in session.photos():
        del session.photos()[photo]
    else:
        session.choose_sample(None)


def ways_to_give() -> None:
    """The widgets for one's own photos, once the notice is acknowledged."""
    if consent.acknowledged():
        _own_photos()
        promise("Photos")


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
        default="Upload",
        key="way",
        persist_state="session",
    )
    return way


def moving() -> str | None:
    """`VIDEO` or `LIVE` if the user chose it: they take the whole page."""
    way = st.session_state.get("way") if consent.is_acknowledged() else None
    return way if way in {VIDEO, LIVE} else None


def _own_photos() -> None:
    if choose_way() == "Camera":
        key = session.fresh_key("camera")
        st.camera_input("Take a picture", key=key, on_change=_keep_picture, args=(key,))
    else:
        key = session.fresh_key("uploader")
        watch(key, Wanted("photo", SUFFIXES, LARGEST_FILE * 2**20))
        st.file_uploader(
            f"{', '.join(photos.KINDS)}, or a ZIP of photos: choose them, drop them here, or paste one anywhere",
            type=SUFFIXES,
            accept_multiple_files=True,
            max_upload_size=LARGEST_FILE,
            key=key,
            on_change=_keep_uploads,
            args=(key,),
        )


def watch(uploader: str, wanted: Wanted) -> None:
    """Refuse in words what the uploader with this key does not take: `say_of_files` says them."""
    watch_uploader(uploader, wanted, said=bool(st.session_state.get("said of files")), tell=_say)


def sample_pictures() -> None:
    """The samples, as pictures to click."""
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


def given_by(key: str) -> list[UploadedFile]:
    """The files in the widget with this key.

    A widget that a page did not draw to its end, such as one that was left at once, reports its files again when the
    page is drawn anew; those that were `taken` are no longer there.
    """
    value: UploadedFile | DeletedFile | list[UploadedFile | DeletedFile] | None = st.session_state.get(key)
    several = value if isinstance(value, list) else [value]
    return [each for each in several if isinstance(each, UploadedFile)]


def _keep_uploads(key: str) -> None:
    if new := given_by(key):
        _keep(map(uploads.taken, new))


def _keep_picture(key: str) -> None:
    for picture in given_by(key):
        photo = uploads.taken(picture)
        number = st.session_state["pictures taken"] = st.session_state.get("pictures taken", 0) + 1
        photo.rename(f"camera-{number}.jpg")
        _keep([photo])


def _keep(files: Iterable[Given]) -> None:
    """Take what was given, and show the first photo of it. Each of `files` counts from when it is asked for."""
    if not session.photos():
        session.choose_sample(None)  # it was there to try the page
    said: list[str] = []
    added: list[str] = []
    for file in files:
        for photo in _unpacked(file) if file.name.lower().endswith(".zip") else [file]:
            if isinstance(photo, str):
                said.append(photo)
            elif (kept := session.add_photo(photo)) is None:
                said.append(f"{photo.name}: {_no_room()}")
            else:
                added.append(kept)
    if added:
        session.show(added[0])
    if said:
        _say([*st.session_state.get("said of files", []), *said])
    session.renew()


def _unpacked(file: Given) -> Iterator[Given | str]:
    """The photos in a ZIP file, or what is to be said of them."""
    for name, content in photos_in(file.name, file.data):
        yield f"{name}: {content}" if isinstance(content, str) else Given(name, content)


def _no_room() -> str:
    most = f"{session.MOST_PHOTOS} photos and {session.MOST_BYTES // 10**6} MB"
    return (
        f"there is no room; at most {most} at a time, and {MOST_HELD // 10**6} MB of all people. "
        "Clear everything or remove some first, or try again later."
    )


def _say(lines: list[str]) -> None:
    """Keep what is to be said of the files given last, until others are given."""
    st.session_state["said of files"] = lines


def say_of_files() -> None:
    """What there is to say of the files given last, such as why one was not taken."""
    if lines := st.session_state.get("said of files"):
        more = len(lines) - MOST_LINES
        shown = [f"- {plain(line)}" for line in lines[:MOST_LINES]] + ([f"- and {more} more"] if more > 0 else [])
        st.warning("\n".join(["Not taken:", "", *shown]), icon=":material/block:")
