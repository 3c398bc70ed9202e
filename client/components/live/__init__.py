"""The live camera in the browser: its picture with the people's emotions over it, and a curve of the last minute.

The files of the folder are one script: nothing is fetched from anywhere.
"""

from pathlib import Path

import streamlit as st

from client import live
from client.drawing import COLOURS
from client.results import EMOTIONS
from emotion.contract import Detail
from emotion.labels import css

FOLDER = Path(__file__).parent

SCRIPTS = ("parts.js", "curve.js", "overlay.js", "camera.js")


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


_component = st.components.v2.component(
    "live_camera", html=_text("live.html"), css=_text("live.css"), js="\n".join(map(_text, SCRIPTS))
)


def live_camera(threshold: float, detail: Detail) -> None:
    """The component; only for those who acknowledged the notice."""
    _component(
        key="live camera",
        data={
            "path": live.path(),
            "ticket": live.ticket(),
            "threshold": threshold,
            "detail": detail,
            "emotions": EMOTIONS,
            "colours": {name: css(colour) for name, colour in COLOURS.items()},
        },
    )
