"""What a server's policy holds back is not in the answer."""

from pathlib import Path

import pytest

from emotion import policy
from emotion.contract import Analysis, Policy, Quality
from emotion.policy import PolicyError, enforced
from tests.unit.local_service import analysis, face

ANALYSIS = Analysis.model_validate(
    analysis(
        face("happy", 0.9, width=200.0),
        face("fearful", 0.8, width=90.0),
        face("sad", 0.4, width=60.0) | {"reliable": False, "reasons": ["too_dark"]},
        face("angry", 0.7, width=30.0),
    )
)


def emotions(rules: Policy) -> list[str | None]:
    return [each.emotion for each in enforced(ANALYSIS, rules).faces]


def test_an_empty_policy_holds_nothing_back_and_is_named() -> None:
    assert enforced(ANALYSIS, Policy()) == ANALYSIS.model_copy(update={"policy": Policy()})


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        (Policy(most_faces=2), ["happy", "fearful"]),
        (Policy(most_faces=0), []),
        (Policy(smallest_face=60), ["happy", "fearful", "sad"]),
        (Policy(withhold=("fearful",)), ["happy", None, "sad", "angry"]),
        (Policy(abstain_below=0.75), ["happy", "fearful", None, None]),
        (Policy(only_reliable=True), ["happy", "fearful", None, "angry"]),
        (Policy(most_faces=3, smallest_face=61, withhold=("happy",), abstain_below=0.85), [None, None]),
    ],
)
def test_each_rule_holds_back_what_it_says(rules: Policy, left: list[str | None]) -> None:
    assert emotions(rules) == left


def test_a_face_in_a_photo_on_its_side_is_as_wide_as_upright() -> None:
    """Its box is as wide as the face is high."""
    quality = Quality(
        size=45, sharpness=0.5, noise=1, brightness=120, contrast=50, clipped=0, covered=0, roll=0, turn=0, inside=1
    ).model_dump()
    lying = Analysis.model_validate(
        analysis(face("happy", 0.9, width=60.0, height=45.0) | {"quality": quality}) | {"turned": 90}
    )
    assert len(enforced(lying, Policy(smallest_face=45)).faces) == 1
    assert enforced(lying, Policy(smallest_face=46)).faces == ()


def test_a_withheld_emotion_has_neither_name_nor_probability() -> None:
    happy, fearful, sad, angry = enforced(ANALYSIS, Policy(withhold=("fearful",), only_reliable=True)).faces
    assert (fearful.withheld, fearful.probabilities) == ("emotion", {})
    assert (sad.withheld, sad.probabilities) == ("unreliable", {})
    for shown in (happy, angry):
        assert shown.withheld is None
        assert len(shown.probabilities) == 6 and "fearful" not in shown.probabilities


def test_a_policy_is_read_from_the_file_that_the_environment_names(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('most_faces = 20\nwithhold = ["fearful"]\nabstain_below = 0.5\n', encoding="utf-8")
    read = policy.from_environment({"EMOTION_POLICY": str(path)})
    assert read == Policy(most_faces=20, withhold=("fearful",), abstain_below=0.5)
    assert policy.from_environment({}) is policy.from_environment({"EMOTION_POLICY": ""}) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("most_face = 3", "most_face"),
        ("most_faces = -1", "most_faces"),
        ('withhold = ["bored"]', "withhold"),
        ("abstain_below = 50", "abstain_below"),
        ("= 3", "TOML"),
        (None, "TOML"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(tmp_path: Path, text: str | None, named: str) -> None:
    path = tmp_path / "policy.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError, match=rf"policy\.toml.*{named}"):
        policy.load(path)
