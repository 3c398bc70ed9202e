"""The faces of one photo: which one is in focus, and a card for each."""

from html import escape

import streamlit as st
from PIL import Image

from client import drawing
from client.results import shown_emotion, why_unreliable
from emotion.contract import Face

MOST_CARDS = 6
"""Up to this many faces, every card shows its seven probabilities; with more, only the card in focus does."""

CROP_WIDTH = 104
"""Pixels; otherwise a phone would stretch the crop over the whole screen."""


def show(image: Image.Image, found: tuple[Face, ...], threshold: float, *, columns: int = 1) -> int | None:
    """The cards of the faces in `image`; returns the number, from 1, of the one in focus, or None if all are shown.

    `columns`: how many cards stand side by side.
    """
    if not found:
        st.info(
            "No face was found. Faces should look towards the camera, be lit, and be at least 20 pixels wide; "
            "try a photo that was taken from nearer.",
            icon=":material/search:",
        )
        return None
    focus = _choose(found, threshold) if len(found) > 1 else None
    slots = st.columns(columns if focus is None else 1)
    for number, face in enumerate(found, start=1):
        if focus in {None, number}:
            with slots[(number - 1) % len(slots)]:
                _card(image, number, face, threshold, bars=focus == number or len(found) <= MOST_CARDS)
    return focus


def _choose(found: tuple[Face, ...], threshold: float) -> int | None:
    choice: int | None = st.pills(
        "Look at one face",
        range(1, len(found) + 1),
        format_func=lambda number: f"{number} {shown_emotion(found[number - 1], threshold)}",
        help="Choose it again to see all faces.",
    )
    # The choice may be left over from a photo with more faces.
    return choice if choice is None or choice <= len(found) else None


def _card(image: Image.Image, number: int, face: Face, threshold: float, *, bars: bool) -> None:
    emotion = shown_emotion(face, threshold)
    with st.container(border=True):
        thumbnail, details = st.columns([1, 3])
        crop = drawing.face_crop(image, face)
        thumbnail.image(crop, width=CROP_WIDTH, output_format="JPEG", alt=f"Face {number}")
        if emotion == face.emotion:
            details.markdown(f"**{number} · {emotion.capitalize()}** — {face.confidence:.0%} confident")
        elif face.emotion is None:
            details.markdown(f"**{number} · {emotion.capitalize()}** — the service's policy withholds the emotion")
        else:
            details.markdown(
                f"**{number} · {emotion.capitalize()}** — most likely {face.emotion}, {face.confidence:.0%}"
            )
        if not face.reliable:
            details.caption(f":material/info: Not reliable: the face is {why_unreliable(face)}.")
        if bars and face.probabilities:
            details.html(_bars(face))


def _bars(face: Face) -> str:
    """The seven probabilities as bars, each with its name and number, so that colour is never the only sign."""
    ordered = sorted(face.probabilities.items(), key=lambda pair: pair[1], reverse=True)
    spoken = ", ".join(f"{name} {value:.0%}" for name, value in ordered)
    lines = "".join(
        "<div style='display:grid;grid-template-columns:5.5rem 1fr 3rem;gap:.5rem;align-items:center;"
        "font-size:.875rem;line-height:1.5'>"
        f"<span>{escape(name)}</span>"
        "<span style='background:rgba(128,128,128,.2);border-radius:4px;height:.6rem'>"
        f"<span style='display:block;width:{value:.1%};min-width:2px;height:100%;border-radius:4px;"
        f"background:rgb{drawing.COLOURS[name]}'></span></span>"
        f"<span style='text-align:right'>{value:.0%}</span></div>"
        for name, value in ordered
    )
    return f"<div role='img' aria-label='Probabilities: {escape(spoken)}'>{lines}</div>"
