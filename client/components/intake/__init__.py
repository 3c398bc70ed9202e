"""What happens to files in the browser on their way into the page's file uploader.

Pictures pasted anywhere are given to it; files that the page cannot read are refused in words beside their names and do
not travel; on a slow connection large photos are scaled down before they do.
"""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from client.photos import LARGEST_SIDE

FOLDER = Path(__file__).parent

_component = st.components.v2.component(
    "intake",
    js=(FOLDER / "intake.js").read_text(encoding="utf-8"),
    css=(FOLDER / "intake.css").read_text(encoding="utf-8"),
)


def watch_uploader(suffixes: Sequence[str], largest: int) -> None:
    """Watch the uploader of photos: `suffixes` of the files that it takes, and the bytes of the largest one."""
    _component(key="intake", data={"suffixes": list(suffixes), "largest": largest, "side": LARGEST_SIDE})
