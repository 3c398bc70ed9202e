"""Who shows what, when."""

import pytest

from client.api import Answer
from client.timeline import described, stretches, timeline
from client.tracking import Tracker
from client.video import Moment
from emotion.contract import Analysis
from tests.unit.local_service import analysis, face


def moments(*pictures: dict[str, str]) -> list[Moment]:
    """Of pictures half a second apart, each with the emotion of the person at the left or right."""
    places, tracker, found = {"left": 0.0, "right": 400.0}, Tracker(0), []
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
    found = stretches(moments({"left": "happy", "right": "sad"}, {"left": "happy"}), step=0.5, threshold=0.4)
    chart = timeline(found, until=1.0).to_dict()
    assert [(row["face"], row["emotion"]) for row in chart["data"]["values"]] == [
        ("Face 1", "happy"),
        ("Face 2", "sad"),
    ]
    assert chart["encoding"]["x"]["scale"]["domain"] == [0, 1.0]
    assert chart["encoding"]["color"]["scale"]["domain"] == ["happy", "sad"]


def test_the_timeline_is_described_in_words() -> None:
    found = stretches(moments({"left": "happy"}, {"left": "sad"}), step=0.5, threshold=0.4)
    assert (
        described(found)
        == "Emotion by time for each face: face 1 happy from 0.0 to 0.5 s; face 1 sad from 0.5 to 1.0 s"
    )
    assert described([]) == "No face was seen"
