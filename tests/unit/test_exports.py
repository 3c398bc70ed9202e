"""Files to take away say what was seen, in pixels of the person's own photos."""

import csv
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from client.api import Answer, ImageRefused
from client.exports import annotated, annotated_name, to_csv, to_json, to_zip
from client.photos import prepare
from client.results import COLUMNS, EMOTIONS, Outcome
from emotion.contract import Analysis
from tests.conftest import encoded, photo_bytes
from tests.unit.local_service import analysis, face

THRESHOLD = 0.5


def answer(*faces: dict[str, object], **more: object) -> Answer:
    return Answer(Analysis.model_validate(analysis(*faces) | more), 0.03, 0.001, "id")


@pytest.fixture
def outcomes(smiling: Image.Image) -> list[Outcome]:
    small = prepare("a, b.jpg", photo_bytes("serious"))
    large = prepare("large.jpg", encoded(smiling.resize((4000, 4000)), "JPEG"))
    return [
        Outcome(small, answer(face("sad"), face("happy", 0.45))),
        Outcome(large, answer(face("sad"), image={"width": 2000, "height": 2000})),
        Outcome(prepare("bad.jpg", b"x"), ImageRefused("truncated_image", "ends early")),
        Outcome(small, answer()),
    ]


def test_csv_has_a_row_a_face_and_says_all_that_was_seen(outcomes: list[Outcome]) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(outcomes, THRESHOLD).decode())))
    assert tuple(rows[0]) == COLUMNS
    seen = [(row["file"], row["status"], row["face"], row["emotion"], row["uncertain"]) for row in rows]
    assert seen == [
        ("a, b.jpg", "ok", "1", "sad", "no"),
        ("a, b.jpg", "ok", "2", "happy", "yes"),
        ("large.jpg", "ok", "1", "sad", "no"),
        ("bad.jpg", "truncated_image", "", "", ""),
        ("a, b.jpg", "no_face", "", "", ""),
    ]
    for column in ("x", "y", "width", "height", "left_eye_x", "nose_y"):
        assert float(rows[2][column]) == pytest.approx(2 * float(rows[0][column])), column
    assert (rows[2]["image_width"], rows[2]["image_height"]) == ("4000", "4000")
    assert (rows[0]["model"], rows[4]["model"]) == ("emotion 1.0.0", "emotion 1.0.0")
    assert (rows[0]["detect_ms"], rows[0]["round_trip_ms"], rows[0]["detection_confidence"]) == ("12.0", "30.0", "0.9")
    assert sum(float(rows[0][emotion]) for emotion in EMOTIONS) == pytest.approx(1)


def test_json_has_the_apis_own_shape(outcomes: list[Outcome]) -> None:
    content = json.loads(to_json(outcomes, THRESHOLD))
    first, large, refused, empty = content
    sent = outcomes[0].answer
    assert isinstance(sent, Answer)
    assert Analysis.model_validate(first) == sent.analysis, "an answer of the API can be read from it"
    assert [each["uncertain"] for each in first["faces"]] == [False, True]
    assert first["uncertain_below"] == THRESHOLD
    assert large["image"] == {"width": 4000, "height": 4000}
    (one,) = outcomes[1].faces
    assert large["faces"][0]["box"]["x"] == 2 * one.box.x
    assert large["faces"][0]["landmarks"]["nose"] == [2 * at for at in one.landmarks.nose]
    assert refused == {"file": "bad.jpg", "error": {"code": "truncated_image", "message": "ends early"}}
    assert empty["faces"] == []


def test_the_annotated_picture_is_ones_own_photo_at_its_own_size(outcomes: list[Outcome], smiling: Image.Image) -> None:
    picture = Image.open(io.BytesIO(annotated(outcomes[1], THRESHOLD)))
    assert (picture.format, picture.size, annotated_name(outcomes[1])) == ("JPEG", (4000, 4000), "large-emotions.jpg")
    drawn, own = np.asarray(picture, dtype=int), np.asarray(smiling.resize((4000, 4000)), dtype=int)
    (one,) = outcomes[1].faces
    edge = np.s_[round(2 * (one.box.y + one.box.height / 2)), round(2 * one.box.x) + 4]
    assert np.abs(drawn[edge] - own[edge]).max() > 40, "the box"
    png = Outcome(prepare("a.png", encoded(smiling)), answer(face()))
    assert (Image.open(io.BytesIO(annotated(png, 0))).format, annotated_name(png)) == ("PNG", "a-emotions.png")


def test_a_photo_too_large_to_decode_whole_is_drawn_as_it_was_sent() -> None:
    photo = prepare("huge.jpg", encoded(Image.new("L", (6000, 4200)), "JPEG"))
    outcome = Outcome(photo, answer(face(), image={"width": 2000, "height": 1400}))
    assert Image.open(io.BytesIO(annotated(outcome, 0))).size == (2000, 1400)


def test_without_ones_own_file_boxes_are_still_in_its_pixels(outcomes: list[Outcome]) -> None:
    """The page lets go of people's own files where they are too many."""
    kept = outcomes[1]
    thinned = replace(kept, photo=replace(kept.photo, original=b""))
    assert to_csv([thinned], THRESHOLD) == to_csv([kept], THRESHOLD)
    assert Image.open(io.BytesIO(annotated(thinned, THRESHOLD))).size == (2000, 2000)


def test_a_png_stays_one_where_ones_own_file_was_let_go(smiling: Image.Image) -> None:
    photo = replace(prepare("a.png", encoded(smiling.resize((2600, 2600)))), original=b"")
    outcome = Outcome(photo, answer(face()))
    picture = Image.open(io.BytesIO(annotated(outcome, 0)))
    assert (picture.format, annotated_name(outcome)) == ("PNG", "a-emotions.png")
    assert max(picture.size) == 2000, "as it was sent"


def test_everything_is_in_one_zip(outcomes: list[Outcome]) -> None:
    with zipfile.ZipFile(io.BytesIO(to_zip(outcomes, THRESHOLD))) as archive:
        names = [
            "emotions.csv",
            "emotions.json",
            *(f"{at}-emotions.jpg" for at in ("001-a, b", "002-large", "004-a, b")),
        ]
        assert archive.namelist() == names
        assert archive.read("emotions.csv") == to_csv(outcomes, THRESHOLD)
        assert Image.open(io.BytesIO(archive.read("002-large-emotions.jpg"))).size == (4000, 4000)


@pytest.mark.parametrize("begin", "=+-@\t")
def test_a_name_that_begins_like_a_formula_is_text_in_the_table(outcomes: list[Outcome], begin: str) -> None:
    outcomes = [replace(outcomes[0], photo=replace(outcomes[0].photo, name=f"{begin}1+2.jpg"))]
    (row, *_) = csv.DictReader(io.StringIO(to_csv(outcomes, 0.4).decode(), newline=""))
    assert row["file"] == f"'{begin}1+2.jpg"


def test_names_in_the_zip_lead_nowhere_on_any_system(outcomes: list[Outcome]) -> None:
    outcomes = [replace(outcomes[0], photo=replace(outcomes[0].photo, name="x\\..\\..\\evil.jpg"))]
    with zipfile.ZipFile(io.BytesIO(to_zip(outcomes, 0.4))) as archive:
        assert archive.namelist()[-1] == "001-evil-emotions.jpg"
