"""The timeline of a video: who shows what, when."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from client.drawing import COLOURS
from client.results import EMOTIONS, UNCERTAIN, shown_emotion
from client.video import Moment
from emotion.labels import css

ROW_HEIGHT, AROUND = 34, 150
"""Pixels of each face, and of legend and axis."""


@dataclass
class Stretch:
    """A time in which a person shows the same, seen in every picture; seconds. `confidence` is the mean."""

    person: int
    emotion: str
    begin: float
    end: float
    confidence: float
    pictures: int = 1


def stretches(moments: Sequence[Moment], step: float, threshold: float) -> list[Stretch]:
    """What each person shows, in order of their beginnings; between them are gaps where her face was not seen.

    `step`: seconds from one picture to the next, which the last picture of a stretch also takes.
    """
    found: list[Stretch] = []
    latest: dict[int, Stretch] = {}  # of the people in the picture before
    for number, moment in enumerate(moments):
        end = moments[number + 1].at if number + 1 < len(moments) else moment.at + step
        current: dict[int, Stretch] = {}
        for each in moment.followed:
            emotion = shown_emotion(each.smoothed, threshold)
            stretch = latest.get(each.person)
            if stretch is not None and stretch.emotion == emotion:
                stretch.pictures += 1
                stretch.confidence += (each.smoothed.confidence - stretch.confidence) / stretch.pictures
                stretch.end = end
            else:
                stretch = Stretch(each.person, emotion, moment.at, end, each.smoothed.confidence)
                found.append(stretch)
            current[each.person] = stretch
        latest = current
    return found


def timeline(found: Sequence[Stretch], until: float) -> alt.Chart:
    """A row for each person, coloured by emotion; the selection `moment` has the `begin` of the stretch clicked."""
    shown = [emotion for emotion in (*EMOTIONS, UNCERTAIN) if any(each.emotion == emotion for each in found)]
    values = [
        {
            "face": f"Face {each.person}",
            "emotion": each.emotion,
            "begin": round(each.begin, 3),
            "end": round(each.end, 3),
            "confidence": each.confidence,
        }
        for each in found
    ]
    rows = list(dict.fromkeys(value["face"] for value in values))
    seconds = alt.Scale(domain=[0, max(until, 0.1)], nice=False)
    return (
        alt.Chart(alt.Data(values=values))
        .mark_rect(stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("begin:Q", title="seconds", scale=seconds),
            x2="end:Q",
            y=alt.Y("face:N", title=None, sort=rows),
            color=alt.Color(
                "emotion:N",
                title=None,
                scale=alt.Scale(domain=shown, range=[css(COLOURS[emotion]) for emotion in shown]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["face:N", "emotion:N", "begin:Q", "end:Q", alt.Tooltip("confidence:Q", format=".0%")],
        )
        .add_params(alt.selection_point("moment", fields=["begin"]))
        .properties(height=ROW_HEIGHT * len(rows) + AROUND)
    )


def described(found: Sequence[Stretch]) -> str:
    """The timeline in words: its eight longest stretches, in the order of time."""
    longest = sorted(sorted(found, key=lambda each: each.begin - each.end)[:8], key=lambda each: each.begin)
    parts = [f"face {each.person} {each.emotion} from {each.begin:.1f} to {each.end:.1f} s" for each in longest]
    return f"Emotion by time for each face: {'; '.join(parts)}" if parts else "No face was seen"
