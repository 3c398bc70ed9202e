"""Drawing on photos, preparing them, and writing results down."""

import base64
import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from client import drawing
from client.api import Answer, ImageRefused
from client.photos import LARGEST_SIDE, prepare
from client.results import COLUMNS, EMOTIONS, UNCERTAIN, Outcome, shown_emotion, to_csv, to_json, to_png
from emotion.contract import Analysis, Face
from tests.conftest import encoded, photo_bytes
from tests.unit.local_service import analysis, face


def parsed(*faces: dict[str, object]) -> tuple[Face, ...]:
    return Analysis.model_validate(analysis(*faces)).faces


@pytest.mark.parametrize("size", [(64, 48), (640, 480), (4000, 3000)])
def test_boxes_and_labels_are_drawn_at_any_size(size: tuple[int, int]) -> None:
    photo = Image.new("RGB", size, "white")
    width, height = size
    faces = parsed(
        face(x=width * 0.1, y=-height * 0.1, width=width * 0.3, height=height * 0.5),
        face("sad", x=width * 0.8, y=height * 0.7, width=width * 0.3, height=height * 0.5),
    )
    drawn = np.asarray(drawing.annotate(photo, faces))
    assert drawn.shape[:2] == (height, width)
    dark = (drawn == drawing.PAPER).all(axis=2)
    assert dark[: height // 2].any() and dark[height // 2 :].any()
    assert (np.asarray(photo) == 255).all(), "the photo itself is left alone"


def test_a_large_photo_is_shown_smaller_with_its_boxes_in_place() -> None:
    photo = Image.new("RGB", (4000, 3000), "white")
    (one,) = parsed(face(x=2000, y=1500, width=400, height=600))
    shown = np.asarray(drawing.annotate(photo, (one,), longest=800))
    assert shown.shape[:2] == (600, 800)
    coloured = np.argwhere((shown == drawing.COLOURS["happy"]).all(axis=2))
    assert coloured[:, 0].max() == pytest.approx(420, abs=3)
    assert coloured[:, 1].max() == pytest.approx(480, abs=3)


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    photo = Image.new("RGB", (600, 400), "white")
    near = parsed(face(x=200, y=150, width=60, height=80), face(x=280, y=150, width=60, height=80))
    apart = drawing.annotate(photo, near)
    ink = sum((np.asarray(apart)[:, :, 0] < 40).ravel())
    single = sum((np.asarray(drawing.annotate(photo, (one,)))[:, :, 0] < 40).sum() for one in near)
    assert ink == pytest.approx(single, rel=0.02)


def test_a_crop_over_the_edge_is_still_square() -> None:
    photo = Image.new("RGB", (100, 100))
    (at_the_edge,) = parsed(face(x=-20, y=70, width=50, height=60))
    assert drawing.face_crop(photo, at_the_edge).size == (160, 160)


def test_one_face_in_focus_is_the_only_one_that_is_bright_and_labelled() -> None:
    photo = Image.new("RGB", (600, 400), "white")
    pair = parsed(face(x=50, y=150, width=100, height=120), face("sad", x=400, y=150, width=100, height=120))
    drawn = np.asarray(drawing.annotate(photo, pair, focus=2))
    assert (drawn[200, 450] == 255).all(), "inside the face in focus"
    assert (drawn[200, 100] < 128).all(), "inside the other one"
    assert (drawn == drawing.COLOURS["sad"]).all(axis=2).any()
    assert not (drawn == drawing.COLOURS["happy"]).all(axis=2).any()


def test_an_uncertain_face_is_labelled_so() -> None:
    (one,) = parsed(face(confidence=0.45))
    assert shown_emotion(one, 0.5) == UNCERTAIN
    assert shown_emotion(one, 0.45) == "happy"
    photo = Image.new("RGB", (512, 512), "white")
    drawn = np.asarray(drawing.annotate(photo, (one,), threshold=0.5))
    assert (drawn == drawing.COLOURS[UNCERTAIN]).all(axis=2).any()


def test_photos_are_seen_upright_and_in_colour(smiling: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = prepare("turned.jpg", encoded(smiling.crop((0, 0, 300, 200)), "JPEG", exif=exif))
    assert turned.picture().size == (200, 300)
    assert prepare("cmyk.jpg", encoded(smiling.convert("CMYK"), "JPEG")).picture().mode == "RGB"
    clear = prepare("clear.png", encoded(Image.new("RGBA", (20, 20), (0, 0, 0, 0))))
    assert clear.picture().getpixel((5, 5)) == (255, 255, 255)
    deep = prepare("deep.png", encoded(Image.fromarray(np.full((20, 20), 128 * 256, dtype=np.uint16))))
    assert deep.picture().getpixel((5, 5)) == (128, 128, 128)


def test_a_small_photo_without_metadata_is_sent_as_it_is(smiling: Image.Image) -> None:
    data = encoded(smiling, "JPEG")
    photo = prepare("smiling.jpg", data)
    assert photo.data == data
    assert photo.scale == 1.0
    assert photo.thumbnail is not None
    small = Image.open(io.BytesIO(base64.b64decode(photo.thumbnail.partition(",")[2])))
    assert max(small.size) == 96


def test_a_phones_photo_is_sent_upright_smaller_and_without_its_metadata(smiling: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    exif[0x010F] = "a camera"
    large = smiling.resize((4000, 3000))
    photo = prepare("phone.jpg", encoded(large, "JPEG", exif=exif))
    assert photo.picture().size == (LARGEST_SIDE * 3 // 4, LARGEST_SIDE)
    assert photo.scale == pytest.approx(LARGEST_SIDE / 4000)
    assert not Image.open(io.BytesIO(photo.data)).getexif()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_small_photo_is_sent_upright_and_without_its_metadata(smiling: Image.Image, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"  # where it was taken
    exif[0x010F] = "a camera"
    photo = prepare("small", encoded(smiling.crop((0, 0, 300, 200)), kind, exif=exif))
    assert b"a camera" not in photo.data
    sent = Image.open(io.BytesIO(photo.data))
    assert not sent.getexif() and "exif" not in sent.info
    assert (sent.size, photo.scale) == ((200, 300), 1.0)


def test_comments_are_not_sent(smiling: Image.Image) -> None:
    assert b"secret" not in prepare("noted.jpg", encoded(smiling, "JPEG", comment=b"secret")).data


@pytest.mark.parametrize("kind", ["PNG", "progressive JPEG"])
def test_what_would_be_decoded_whole_is_not_decoded_beyond_the_services_bound(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = Image.new("L", (5001, 5000))
    data = encoded(large) if kind == "PNG" else encoded(large, "JPEG", progressive=True)

    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    photo = prepare("large", data)
    assert (photo.data, photo.thumbnail) == (data, None)


def test_a_large_transparent_picture_is_shrunk_onto_white() -> None:
    photo = prepare("clear.png", encoded(Image.new("RGBA", (3000, 1500), (0, 0, 0, 0))))
    assert photo.picture().size == (2048, 1024)
    assert photo.picture().getpixel((1000, 500)) == (255, 255, 255)


@pytest.mark.parametrize("data", [b"", b"no photo", photo_bytes("serious")[:2000]])
def test_what_cannot_be_read_is_left_to_the_service(data: bytes) -> None:
    photo = prepare("broken.jpg", data)
    assert photo.data == data
    assert photo.thumbnail is None


def outcomes() -> list[Outcome]:
    answer = Answer(Analysis.model_validate(analysis(face("sad"), face("happy", 0.8))), 0.03, 0.001, "id")
    photo = prepare("a, b.jpg", photo_bytes("serious"))
    halved = Outcome(type(photo)("half.jpg", photo.data, 0.5, photo.thumbnail), answer)
    refused = Outcome(prepare("bad.jpg", b"x"), ImageRefused("truncated_image", "ends early"))
    empty = Answer(Analysis.model_validate(analysis()), 0.03, 0.001, "id")
    return [Outcome(photo, answer), halved, refused, Outcome(photo, empty)]


def test_results_as_csv_have_a_line_a_face_in_pixels_of_the_persons_photo() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(outcomes()).decode())))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["file"], row["status"], row["face"], row["emotion"]) for row in rows] == [
        ("a, b.jpg", "ok", "1", "sad"),
        ("a, b.jpg", "ok", "2", "happy"),
        ("half.jpg", "ok", "1", "sad"),
        ("half.jpg", "ok", "2", "happy"),
        ("bad.jpg", "truncated_image", "", ""),
        ("a, b.jpg", "no_face", "", ""),
    ]
    assert float(rows[2]["x"]) == 2 * float(rows[0]["x"])
    assert sum(float(rows[0][emotion]) for emotion in EMOTIONS) == pytest.approx(1)


def test_results_as_json_say_the_same_and_which_model_answered() -> None:
    content = json.loads(to_json(outcomes()))
    assert [len(entry["results"]) for entry in content] == [2, 2, 1, 1]
    assert content[0]["model"]["version"] == "1.0.0"
    assert content[2]["results"][0]["message"] == "ends early"


def test_the_annotated_picture_is_a_png(smiling: Image.Image) -> None:
    picture = Image.open(io.BytesIO(to_png(smiling)))
    assert picture.format == "PNG" and picture.size == smiling.size
