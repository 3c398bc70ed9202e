"""What happens to files in the browser on their way into the page's file uploader.

Pictures pasted anywhere are given to it; files that the page cannot read are refused in words beside their names and do
not travel.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

_component = st.components.v2.component("intake", js=Path(__file__).with_name("intake.js").read_text(encoding="utf-8"))


def watch_uploader(
    uploader: str, suffixes: Sequence[str], largest: int, *, said: bool, tell: Callable[[list[str]], None]
) -> None:
    """Watch the uploader with the key `uploader`: `suffixes` of the files it takes, and the bytes of the largest one.

    `tell` is called with a line for each of the files given last about which there is something to say; with none if
    there is something `said` already, of others.
    """

    def told() -> None:
        lines = st.session_state.get("intake", {}).get("said")
        if lines is not None:
            tell(lines)

    data = {"uploader": uploader, "suffixes": list(suffixes), "largest": largest, "said": said}
    _component(key="intake", data=data, on_said_change=told)
