"""What the page remembers while its browser tab is open, and what all sessions share."""

from collections import deque

import streamlit as st

from client import settings
from client.api import Answer, EmotionClient
from client.results import Outcome
from client.settings import Settings

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


def outcomes() -> dict[str, Outcome]:
    """This session's outcomes by the key of their photo."""
    kept: dict[str, Outcome] = st.session_state.setdefault("outcomes", {})
    return kept


def history() -> deque[Answer]:
    """This session's latest answers, oldest first."""
    kept: deque[Answer] = st.session_state.setdefault("history", deque(maxlen=HISTORY))
    return kept
