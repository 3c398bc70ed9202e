"""A photo with a box on every face and a card for each; pointing at one marks the other.

    photo.show(outcome.photo, answer.analysis, 0.4, report=None, key="photo")

Nothing in it asks the page's server anything: choosing a face stays in the browser.
"""

from pathlib import Path
from typing import Any

import streamlit as st

from client import crops, words
from client.drawing import COLOURS
from client.photos import Photo
from client.report import Report
from client.results import EMOTIONS, named, ranked, shown_emotion
from emotion.contract import Analysis, Face
from emotion.labels import css

FOLDER = Path(__file__).parent

_component = st.components.v2.component(
    "faces_of_a_photo",
    js=(FOLDER / "photo.js").read_text(encoding="utf-8"),
    css=(FOLDER / "photo.css").read_text(encoding="utf-8"),
)


def show(  # noqa: PLR0913
    photo: Photo, analysis: Analysis, threshold: float, *, report: Report | None, seen: bool = False, key: str
) -> None:
    """The photo, and its faces beside it, or below where there is no room.

    `report`: of the model that answered, if there is one. `seen`: also show what the network sees of each face.
    """
    faces = analysis.faces
    grey = crops.read_crops(photo.picture(), faces, analysis.turned) if seen else [None] * len(faces)
    data = {
        "image": photo.to_show(),
        "width": analysis.image.width,
        "height": analysis.image.height,
        "turned": analysis.turned,
        "description": words.of_photo(faces, threshold),
        "faces": [
            {**_face(face, threshold, report), "number": number, "seen": crop}
            for number, (face, crop) in enumerate(zip(faces, grey, strict=True), start=1)
        ],
    }
    _component(key=key, data=data)


def _face(face: Face, threshold: float, report: Report | None) -> dict[str, Any]:
    emotion = shown_emotion(face, threshold)
    return {
        "box": face.box.model_dump(),
        "emotion": emotion,
        "named": named(face, threshold),
        "colour": css(COLOURS[emotion]),
        "notes": words.of_face(face, threshold, report),
        "bars": [
            {
                "name": name,
                "share": share,
                "percent": words.percent(share),
                "colour": css(COLOURS[name]),
                "place": EMOTIONS.index(name),
            }
            for name, share in ranked(face)
        ],
    }
