"""The timeline of a video: who shows what, when."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

import altair as alt

from client import words
from client.api import ServiceError
from client.drawing import COLOURS
from client.results import EMOTIONS, UNCERTAIN, named, shown_emotion
from client.video import Moment
from emotion.labels import css

ROW_HEIGHT, AROUND = 34, 150
"""Pixels of each face, and of legend and axis."""

MOST_ROWS = 10
"""People; in an edited film, whoever is seen after a cut is a new one."""

MOST_PLACES = 400
"""Of the timeline that can be clicked: about as many as can be told apart."""

MOST_NAMED = 8
"""Stretches in the timeline's description."""

HOLE = 2
"""Steps from one picture to the next from which on what was lost between them is a gap."""


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
    """What each person shows, in order of their beginnings; between them are gaps where her face was not seen, or where
    the video is damaged.

    `step`: seconds from one picture to the next, which the last picture of a stretch also takes.
    """
    found: list[Stretch] = []
    latest: dict[int, Stretch] = {}  # of the people in the picture before
    for number, moment in enumerate(moments):
        following = moments[number + 1] if number + 1 < len(moments) else None
        hole = following is not None and following.after_loss and following.at - moment.at > HOLE * step
        end = moment.at + step if following is None or hole else following.at
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
        latest = {} if hole else current
    return found


def most_seen(found: Sequence[Stretch]) -> list[Stretch]:
    """The stretches of the `MOST_ROWS` people who were seen longest."""
    seen: dict[int, float] = {}
    for each in found:
        seen[each.person] = seen.get(each.person, 0.0) + each.end - each.begin
    people = sorted(seen, key=seen.__getitem__, reverse=True)[:MOST_ROWS]
    return [each for each in found if each.person in people]


def timeline(found: Sequence[Stretch], moments: Sequence[Moment], step: float, threshold: float) -> alt.LayerChart:
    """A row for each person, coloured by emotion; the selection `moment` has `at` of the moment that is clicked."""
    shown = [emotion for emotion in (*EMOTIONS, UNCERTAIN) if any(each.emotion == emotion for each in found)]
    values = [
        {
            "face": f"Face {each.person}",
            "emotion": each.emotion,
            "begin": round(each.begin, 3),
            "end": round(each.end, 3),
        }
        for each in found
    ]
    rows = list(dict.fromkeys(value["face"] for value in values))
    until = moments[-1].at + step
    seconds = alt.Scale(domain=[0, max(until, 0.1)], nice=False)
    stretches = (
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
        )
    )
    # What a pointer meets: a column for each moment, in front and not to be seen.
    chosen = moments[:: len(moments) // MOST_PLACES + 1]
    ends = [*(round(each.at, 3) for each in chosen[1:]), round(until, 3)]
    people = {each.person for each in found}
    places = [
        {"at": round(each.at, 3), "end": end, "seen": seen(each, threshold, people)}
        for each, end in zip(chosen, ends, strict=True)
    ]
    columns = (
        alt.Chart(alt.Data(values=places))
        .mark_rect(opacity=0)
        .encode(x=alt.X("at:Q", scale=seconds), x2="end:Q", tooltip=[alt.Tooltip("at:Q", title="seconds"), "seen:N"])
        .add_params(alt.selection_point("moment", fields=["at"]))
    )
    return (stretches + columns).properties(height=ROW_HEIGHT * len(rows) + AROUND)


def seen(moment: Moment, threshold: float, people: Container[int] | None = None) -> str:
    """Who shows what at a moment, of these people or of all, or why that is not known."""
    if isinstance(moment.answer, ServiceError):
        return words.of_error(moment.answer)
    said = [
        f"Face {each.person}: {named(each.smoothed, threshold, ', ')}"
        for each in moment.followed
        if people is None or each.person in people
    ]
    return "; ".join(said) or ("only faces without a row" if moment.followed else "no face")


def described(found: Sequence[Stretch]) -> str:
    """The timeline in words: its longest stretches, in order of their beginnings."""
    if not found:
        return "No face was seen"
    longest = sorted(sorted(found, key=lambda each: each.begin - each.end)[:MOST_NAMED], key=lambda each: each.begin)
    parts = [f"face {each.person} {each.emotion} from {each.begin:.1f} to {each.end:.1f} s" for each in longest]
    some = f", the {MOST_NAMED} longest of {len(found)} stretches" if len(found) > MOST_NAMED else ""
    return f"Emotion by time for each face{some}: {'; '.join(parts)}"
