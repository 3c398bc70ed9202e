"""Thumbnails of many photos, each with what was read in it; a click shows one."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

FOLDER = Path(__file__).parent

_component = st.components.v2.component(
    "gallery",
    js=(FOLDER / "gallery.js").read_text(encoding="utf-8"),
    css=(FOLDER / "gallery.css").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Badge:
    """An emotion with how many faces show it, or what else there is to say of a photo; `colour` in CSS."""

    text: str
    colour: str


@dataclass(frozen=True)
class Tile:
    """One photo; `picture`: a URL, or None where it cannot be shown."""

    id: str
    number: int
    name: str
    picture: str | None
    badges: Sequence[Badge]


def show(tiles: Sequence[Tile], shown: str, choose: Callable[[str], None]) -> None:
    """The tiles, the one with the id `shown` marked; `choose` is called with the id of one that was clicked."""

    def clicked() -> None:
        chosen = st.session_state.get("gallery", {}).get("chosen")
        if chosen is not None:
            choose(chosen)

    _component(
        key="gallery", data={"tiles": [asdict(tile) for tile in tiles], "shown": shown}, on_chosen_change=clicked
    )
