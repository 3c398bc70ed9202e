"""What the page remembers while its browser tab is open, and what all sessions share.

Widgets whose values outlive the page that they stand on are given `persist_state="session"`, and a default of their
own: one that is set into the session's state is lost when an upload interrupts the page that is being drawn.
"""

import uuid
from collections import deque
from collections.abc import Sequence

import streamlit as st
from streamlit import runtime

from client import given, settings
from client.api import Answer, EmotionClient
from client.given import Given
from client.results import Outcome
from client.settings import Settings

MOST_PHOTOS, MOST_BYTES = 100, 250_000_000
"""Of one session: the page's server holds them in memory, for all its users."""

HISTORY = 50
"""How many of the latest answers are kept for their timings."""


def configuration() -> Settings:
    """The client's settings; where they are wrong, the page says so and stops."""
    try:
        return settings.from_environment()
    except ValueError as error:
        st.error(f"The page is not set up right: {error}.", icon=":material/settings:")
        st.stop()


@st.cache_resource
def client(chosen: Settings) -> EmotionClient:
    """One client for all sessions: it keeps connections, never photos."""
    return EmotionClient(chosen.server, chosen.timeout, retries=chosen.retries, token=chosen.token)


def photos() -> dict[str, Given]:
    """The user's own photos by a name unique in the session, in the order in which they came.

    They do not depend on the widgets that they came from, which forget them when another page is shown.
    """
    kept: dict[str, Given] = st.session_state.setdefault("photos", {})
    return kept


def add_photo(photo: Given) -> str | None:
    """Keep one more photo; returns its id, or None where there is no room for it."""
    kept = photos()
    full = len(kept) >= MOST_PHOTOS or sum(each.size for each in (*kept.values(), photo)) > MOST_BYTES
    if full or given.held() > given.MOST_HELD:
        return None
    key = uuid.uuid4().hex
    kept[key] = photo
    return key


def lives(session: str) -> bool:
    """Whether the tab of the Streamlit session with this id is still open."""
    return runtime.exists() and runtime.get_instance().is_active_session(session)


def sample() -> str | None:
    """Title of the sample that the user chose."""
    chosen: str | None = st.session_state.get("sample")
    return chosen


def choose_sample(title: str | None) -> None:
    """Show this sample, after the user's own photos if there are any, and fold what it was chosen from; with None, no
    sample."""
    st.session_state.sample = title
    if title is not None:
        show(title)
        renew()


def show(photo: str) -> None:
    """Show the photo with this id."""
    st.session_state.shown = photo


def shown_at(ids: Sequence[str]) -> int:
    """Where the shown photo is among these; in place of one that was removed its follower is shown."""
    before: int = st.session_state.get("shown at", 0)
    shown = st.session_state.get("shown")
    at = ids.index(shown) if shown in ids else min(before, len(ids) - 1)
    st.session_state["shown at"] = at
    show(ids[at])
    return at


def fresh_key(name: str) -> str:
    """The key of a widget that `renew` empties."""
    return f"{name} {st.session_state.get('renewed', 0)}"


def renew() -> None:
    """Empty and fold the widgets that photos come from: what they held is kept elsewhere."""
    st.session_state.renewed = st.session_state.get("renewed", 0) + 1


def clear() -> None:
    """Forget photos, answers, timings and choices; that the notice was acknowledged stays."""
    renewed, acknowledged = st.session_state.get("renewed", 0), st.session_state.get("acknowledged", False)
    if "video" in st.session_state:
        st.session_state.video.put_away()
    st.session_state.clear()
    st.session_state.update(renewed=renewed + 1, acknowledged=acknowledged)


def outcomes() -> dict[str, Outcome]:
    """This session's outcomes by the key of their photo."""
    kept: dict[str, Outcome] = st.session_state.setdefault("outcomes", {})
    return kept


def history() -> deque[Answer]:
    """This session's latest answers, oldest first."""
    kept: deque[Answer] = st.session_state.setdefault("history", deque(maxlen=HISTORY))
    return kept
