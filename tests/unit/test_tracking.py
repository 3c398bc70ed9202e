"""Faces followed from picture to picture."""

import math

import pytest

from client.tracking import REMEMBERED, Followed, Tracker
from emotion.contract import Face
from tests.unit.local_service import face


def seen(emotion: str = "happy", confidence: float = 0.9, **box: float) -> Face:
    return Face.model_validate(face(emotion, confidence, **box))


def persons(followed: list[Followed]) -> list[int]:
    return [each.person for each in followed]


def test_a_face_that_moves_keeps_its_number_and_another_gets_its_own() -> None:
    tracker = Tracker(0)
    assert persons(tracker.follow(0, [seen(x=100)])) == [1]
    assert persons(tracker.follow(1, [seen(x=150)])) == [1]
    assert persons(tracker.follow(2, [seen(x=500), seen(x=180)])) == [2, 1], "in the answer's order"


def test_two_faces_close_together_are_not_exchanged() -> None:
    tracker = Tracker(0)
    tracker.follow(0, [seen(x=100), seen(x=160)])
    assert persons(tracker.follow(1, [seen(x=165), seen(x=118)])) == [2, 1]


def test_a_face_unseen_for_a_moment_keeps_its_number_and_one_unseen_for_long_does_not() -> None:
    tracker = Tracker(0)
    tracker.follow(0, [seen()])
    tracker.follow(1, [])
    assert persons(tracker.follow(REMEMBERED, [seen()])) == [1]
    assert persons(tracker.follow(2 * REMEMBERED + 0.1, [seen()])) == [2]


@pytest.mark.parametrize("pictures_a_second", [1, 10])
def test_a_change_goes_through_to_63_percent_in_the_time_constant_at_any_rate(pictures_a_second: int) -> None:
    tracker = Tracker(1.0)
    tracker.follow(0, [seen("sad", 1.0)])
    for picture in range(1, pictures_a_second + 1):
        (followed,) = tracker.follow(picture / pictures_a_second, [seen("happy", 1.0)])
    assert followed.smoothed.probabilities["happy"] == pytest.approx(1 - 1 / math.e)
    assert followed.smoothed.probabilities["sad"] == pytest.approx(1 / math.e)
    assert followed.smoothed.emotion == "happy"
    assert followed.smoothed.confidence == pytest.approx(1 - 1 / math.e)
    assert followed.face.probabilities["happy"] == 1.0, "the answer itself stays"


def test_a_single_odd_picture_does_not_change_what_is_said() -> None:
    tracker = Tracker(1.0)
    for picture in range(20):
        (followed,) = tracker.follow(picture / 10, [seen("angry" if picture == 10 else "happy")])
        assert followed.smoothed.emotion == "happy"


def test_without_a_time_constant_nothing_is_averaged() -> None:
    tracker = Tracker(0)
    tracker.follow(0, [seen("sad")])
    (followed,) = tracker.follow(0, [seen("happy")])
    assert followed.smoothed == followed.face


def test_what_the_policy_withholds_stays_withheld() -> None:
    withheld = Face.model_validate(face() | {"emotion": None, "probabilities": {}, "withheld": "emotion"})
    tracker = Tracker(1.0)
    tracker.follow(0, [seen("happy")])
    (followed,) = tracker.follow(0.1, [withheld])
    assert followed.person == 1 and followed.smoothed == withheld
    (followed,) = tracker.follow(0.2, [seen("sad")])
    assert followed.person == 1 and followed.smoothed.emotion == "sad", "a new beginning"
