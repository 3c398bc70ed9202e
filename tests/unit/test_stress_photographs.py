"""Stress for the whole pipeline: a real face in a photograph, found and read by the real pipeline."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from emotion.labels import INPUT_SIZE, LABELS
from emotion.pipeline import Face, Pipeline
from tests.conftest import analyse, photo_bytes
from training.canvas import place_on_canvas
from training.data import Split
from training.evaluate_pipeline import read_largest
from training.stress_photographs import (
    CONDITIONS,
    PhotographCondition,
    cell,
    damaged,
    found_in_real,
    is_in_the_middle,
    stress,
    summary,
    table,
)

NAMED = {condition.name: condition for condition in CONDITIONS}


@pytest.fixture(scope="module")
def smile(pipeline: Pipeline) -> np.ndarray:
    """A smiling face, cut out as FER-2013 does: uint8 `[48, 48]`."""
    portrait = np.asarray(cv2.imdecode(np.frombuffer(photo_bytes("smiling"), np.uint8), cv2.IMREAD_GRAYSCALE))
    (result,) = analyse(pipeline, photo_bytes("smiling"))
    box = result.faces[0].detection
    half = round(0.65 * box.height)
    x, y = round(box.x + box.width / 2), round(box.y + box.height * 0.5)
    return np.asarray(cv2.resize(portrait[max(y - half, 0) : y + half, x - half : x + half], (INPUT_SIZE,) * 2))


@pytest.fixture(scope="module")
def face(pipeline: Pipeline, smile: np.ndarray) -> Face:
    (found,) = read_largest(pipeline, [place_on_canvas(smile)[0]], 1)
    assert found is not None
    return found


def test_undamaged_it_is_found_and_read_and_a_dark_or_tiny_one_is_not_relied_on(
    pipeline: Pipeline, smile: np.ndarray
) -> None:
    conditions = (
        PhotographCondition("small face", "pixels", (64, 56, 48, 10, 4), None),
        replace(NAMED["low light"], strengths=(1.0, 0.5, 0.1, 0.01, 0.0)),
    )
    report = stress(pipeline, Split("a smile", smile[None], np.array([LABELS.index("happy")])), conditions, fewest=1)
    shares = ("found", "accuracy", "kept", "reliable", "reliable_accuracy")
    assert [report["clean"][name] for name in shares] == [1.0] * 5
    small, dark = (row["cells"] for row in report["conditions"])
    assert [each["found"] for each in small] == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert small[0] == report["clean"] | {"strength": 64}
    assert [each["real_found"] for each in (report["clean"], small[0], dark[0], dark[4])] == [12, 12, 12, 0]
    assert small[2]["real_found"] == 12, "shrunk, they lie elsewhere"
    assert (dark[2]["found"], dark[2]["reliable"], dark[2]["reliable_accuracy"]) == (1.0, 0.0, None)
    assert dark[4]["found"] == 0.0
    text = table(report)
    assert "| small face | 4 pixels | 0.0% | – | – | – | – | – | " in text
    assert "each a square of 64 pixels" in text
    assert "| small face, 48 pixels | 100.0% |" in summary(report)


@pytest.mark.parametrize("condition", CONDITIONS, ids=list(NAMED))
def test_the_whole_photograph_is_damaged_alike_in_every_call(
    grey_faces: np.ndarray, condition: PhotographCondition
) -> None:
    faces = grey_faces[:2]
    weak, strong, again = (np.stack(list(damaged(faces, condition, condition.strengths[at]))) for at in (0, -1, -1))
    assert weak.shape == (2, 480, 640, 3)
    np.testing.assert_array_equal(strong, again)
    whole = np.stack([place_on_canvas(each, 64)[0] for each in faces]).astype(float)
    assert 0 < np.abs(weak - whole).mean() < np.abs(strong - whole).mean()
    if condition.name == "Gaussian noise":
        assert (strong[:, :100] != whole[:, :100]).mean() > 0.5, "beside the face, too"


def test_a_turned_photograph_keeps_its_face_in_the_middle(smile: np.ndarray, pipeline: Pipeline) -> None:
    photographs = list(damaged(smile[None], NAMED["rotation"], 20))
    assert read_largest(pipeline, photographs, 1, is_in_the_middle) != [None]


@pytest.mark.parametrize("strength", NAMED["overexposure"].strengths)
def test_more_light_makes_no_pixel_darker(smile: np.ndarray, strength: float) -> None:
    """A whole number of times the light, too, which would wrap around in uint8."""
    (brighter,) = damaged(smile[None], NAMED["overexposure"], strength)
    assert (brighter >= place_on_canvas(smile, 64)[0]).all()


@pytest.mark.parametrize(("name", "strength"), [("rotation", 15), ("rotation", 180), ("small face", 40), ("JPEG", 20)])
def test_a_face_in_a_real_photograph_is_found_where_the_damage_moves_it(
    pipeline: Pipeline, name: str, strength: float
) -> None:
    """And what is found elsewhere is not it."""
    photograph = np.asarray(cv2.imdecode(np.frombuffer(photo_bytes("smiling"), np.uint8), cv2.IMREAD_GRAYSCALE))
    (result,) = analyse(pipeline, photo_bytes("smiling"))
    box = result.faces[0].detection
    elsewhere = replace(box, x=box.x + 2 * box.width)
    found = found_in_real(pipeline, [photograph], [[box, elsewhere]], NAMED[name], strength)
    assert found == 1


def test_a_share_of_few_faces_is_not_told(face: Face) -> None:
    happy = np.full(30, LABELS.index("happy"))
    faces: list[Face | None] = [face] * 29
    assert cell([*faces, None], [*faces, face], happy)["accuracy"] is None
    assert cell([*faces, face], [*faces, face], happy)["accuracy"] in {0.0, 1.0}


def test_scores_are_of_the_faces_found(face: Face) -> None:
    happy, sad = LABELS.index("happy"), LABELS.index("sad")
    sure = replace(face, probabilities=tuple(0.94 if at == happy else 0.01 for at in range(7)))
    other = replace(face, probabilities=tuple(0.4 if at == sad else 0.1 for at in range(7)))
    small = replace(sure, quality=replace(sure.quality, size=10.0))
    assert sure.reliable and not small.reliable
    scores = cell(
        [sure, other, small, None], [sure, sure, None, sure], np.array([happy, happy, happy, happy]), fewest=1
    )
    assert scores["found"] == 0.75
    assert scores["accuracy"] == pytest.approx(2 / 3, abs=1e-3)
    assert scores["kept"] == pytest.approx(1 / 3, abs=1e-3)
    assert scores["confidence"] == pytest.approx((0.94 + 0.4 + 0.94) / 3, abs=1e-3)
    assert scores["reliable"] == pytest.approx(2 / 3, abs=1e-3)
    assert scores["reliable_accuracy"] == 0.5


def test_where_no_face_is_found_nothing_is_claimed() -> None:
    scores = cell([None, None], [None, None], np.array([0, 1]), fewest=1)
    assert scores.pop("found") == 0.0
    assert set(scores.values()) == {None}


def test_what_is_found_elsewhere_is_not_the_face(pipeline: Pipeline, smile: np.ndarray) -> None:
    """Not even where it is larger."""
    photo, _ = place_on_canvas(smile, 64)
    larger, _ = place_on_canvas(smile, 120)
    photo[:120, :120] = larger[180:300, 260:380]
    (largest,) = read_largest(pipeline, [photo], 1)
    (middle,) = read_largest(pipeline, [photo], 1, is_in_the_middle)
    assert largest is not None and not is_in_the_middle(largest.detection)
    assert middle is not None and is_in_the_middle(middle.detection)
