"""What happens to files in the browser on their way into the page's file uploader.

Pictures pasted anywhere are given to it; files that the page cannot read are refused in words beside their names and do
not travel; many files travel in portions, so that the page's server never holds all of them as they came.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

_component = st.components.v2.component("intake", js=Path(__file__).with_name("intake.js").read_text(encoding="utf-8"))


def watch_uploader(  # noqa: PLR0913
    uploader: str,
    suffixes: Sequence[str],
    largest: int,
    *,
    said: bool,
    cleared: int,
    tell: Callable[[list[str]], None],
    expect: Callable[[int], None],
) -> None:
    """Watch the uploader with the key `uploader`: `suffixes` of the files it takes, and the bytes of the largest one.

    Many files come in portions, each when the one before was taken and the uploader has another key. `tell` is called
    with a line for each of the files given last about which there is something to say; with none if there is something
    `said` already, of others. `expect` is called with how many files are still to come. Those are forgotten when
    `cleared` has another value.
    """

    def told() -> None:
        lines = st.session_state.get("intake", {}).get("said")
        if lines is not None:
            tell(lines)

    def coming() -> None:
        count = st.session_state.get("intake", {}).get("coming")
        if count is not None:
            expect(int(count))

    data = {
        "uploader": uploader,
        "suffixes": list(suffixes),
        "largest": largest,
        "said": said,
        "cleared": cleared,
    }
    _component(key="intake", data=data, on_said_change=told, on_coming_change=coming)
