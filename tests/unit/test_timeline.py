"""Who shows what, when."""

from dataclasses import replace
from itertools import pairwise

import pytest

from client.api import Answer
from client.timeline import MOST_PLACES, MOST_ROWS, described, most_seen, stretches, timeline
from client.tracking import Tracker
from client.video import Moment
from emotion.contract import Analysis
from tests.unit.local_service import analysis, face


def moments(*pictures: dict[str, str]) -> list[Moment]:
    """Of pictures half a second apart, each with the emotion of the person at the left, right, or at x pixels."""
    places, tracker, found = {"left": 0.0, "right": 400.0} | {str(x): float(x) for x in range(10_000)}, Tracker(0), []
    for number, people in enumerate(pictures):
        faces = [face(emotion, x=places[place]) for place, emotion in people.items()]
        answer = Answer(Analysis.model_validate(analysis(*faces)), 0.1, 0.0, "")
        found.append(Moment(number / 2, 1.0, answer, tuple(tracker.follow(number / 2, answer.analysis.faces))))
    return found


def test_stretches_follow_each_other_and_leave_gaps() -> None:
    found = stretches(
        moments(
            {"left": "happy"},
            {"left": "happy"},
            {"left": "sad", "right": "neutral"},
            {"left": "sad"},
            {},
            {"left": "sad"},
        ),
        step=0.5,
        threshold=0.4,
    )
    assert [(each.person, each.emotion, each.begin, each.end) for each in found] == [
        (1, "happy", 0.0, 1.0),
        (1, "sad", 1.0, 2.0),
        (2, "neutral", 1.0, 1.5),
        (1, "sad", 2.5, 3.0),
    ]
    assert found[0].confidence == pytest.approx(0.9)


def test_below_the_threshold_a_stretch_is_uncertain() -> None:
    (found,) = stretches(moments({"left": "happy"}, {"left": "happy"}), step=0.5, threshold=0.95)
    assert found.emotion == "uncertain"


def test_the_chart_has_a_row_for_each_face_and_reaches_to_the_end() -> None:
    known = moments({"left": "happy", "right": "sad"}, {"left": "happy"})
    chart = timeline(stretches(known, 0.5, 0.4), known, 0.5, 0.4).to_dict()
    rows = chart["layer"][0]
    assert [(row["face"], row["emotion"]) for row in rows["data"]["values"]] == [("Face 1", "happy"), ("Face 2", "sad")]
    assert rows["encoding"]["x"]["scale"]["domain"] == [0, 1.0]
    assert rows["encoding"]["color"]["scale"]["domain"] == ["happy", "sad"]


def test_each_moment_can_be_chosen_not_only_where_a_stretch_begins() -> None:
    known = moments({"left": "happy", "right": "sad"}, {"left": "happy"}, {})
    chart = timeline(stretches(known, 0.5, 0.4), known, 0.5, 0.4).to_dict()
    columns = chart["layer"][1]
    assert columns["data"]["values"] == [
        {"at": 0.0, "end": 0.5, "seen": "Face 1: happy, 90%; Face 2: sad, 90%"},
        {"at": 0.5, "end": 1.0, "seen": "Face 1: happy, 90%"},
        {"at": 1.0, "end": 1.5, "seen": "no face"},
    ]
    (selection,) = chart["params"]
    assert selection["name"] == "moment" and selection["select"]["fields"] == ["at"]
    assert selection["views"] == [columns["name"]]


def test_a_long_video_has_a_bounded_number_of_places_to_choose() -> None:
    known = moments(*[{"left": "happy"}] * (MOST_PLACES * 2 + 1))
    columns = timeline(stretches(known, 0.5, 0.4), known, 0.5, 0.4).to_dict()["layer"][1]["data"]["values"]
    assert len(columns) <= MOST_PLACES
    assert (columns[0]["at"], columns[-1]["end"]) == (0.0, known[-1].at + 0.5)
    assert all(before["end"] == after["at"] for before, after in pairwise(columns))


def test_only_those_seen_longest_have_a_row() -> None:
    """Whoever is seen after a cut is a new person."""
    film = [{str(400 * (number % 24)): "happy"} for number in range(50)]
    film[31:31] = [film[30]] * 2
    found = stretches(moments(*film), 0.5, 0.4)
    assert len({each.person for each in found}) == 50
    shown = most_seen(found)
    assert len(shown) == MOST_ROWS and 31 in {each.person for each in shown}
    assert shown == sorted(shown, key=lambda each: each.begin)


def test_a_face_is_not_said_to_be_seen_where_the_video_is_damaged() -> None:
    known = moments(*[{"left": "happy"}] * 10)
    del known[2:7]
    assert [(each.begin, each.end) for each in stretches(known, 0.5, 0.4)] == [(0.0, 5.0)], "one picture shown for long"
    known[2] = replace(known[2], after_loss=True)
    assert [(each.begin, each.end) for each in stretches(known, 0.5, 0.4)] == [(0.0, 1.0), (3.5, 5.0)]


def test_the_timeline_is_described_in_words() -> None:
    found = stretches(moments({"left": "happy"}, {"left": "sad"}), step=0.5, threshold=0.4)
    assert (
        described(found)
        == "Emotion by time for each face: face 1 happy from 0.0 to 0.5 s; face 1 sad from 0.5 to 1.0 s"
    )
    assert described([]) == "No face was seen"


def test_the_description_of_many_stretches_says_that_it_is_not_all() -> None:
    found = stretches(moments(*[{"left": "happy"}, {"left": "sad"}] * 10), step=0.5, threshold=0.4)
    assert described(found).startswith(
        "Emotion by time for each face, the 8 longest of 20 stretches: face 1 happy from"
    )
