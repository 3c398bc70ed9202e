"""What happens to files in the browser on their way into the page's file uploader.

Pictures pasted anywhere are given to it; files that the page cannot read are refused in words beside their names and do
not travel.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

_component = st.components.v2.component("intake", js=Path(__file__).with_name("intake.js").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Wanted:
    """What an uploader takes: its `kind` in a word, how the names end in lower case, and the bytes of the largest."""

    kind: str
    suffixes: Sequence[str]
    largest: int


def watch_uploader(uploader: str, wanted: Wanted, *, said: bool, tell: Callable[[list[str]], None]) -> None:
    """Watch the uploader with the key `uploader`.

    `tell` is called with a line for each of the files given last about which there is something to say; with none if
    there is something `said` already, of others.
    """

    def told() -> None:
        lines = st.session_state.get("intake", {}).get("said")
        if lines is not None:
            tell(lines)

    data = {"uploader": uploader, "said": said, **asdict(wanted)}
    _component(key="intake", data=data, on_said_change=told)
