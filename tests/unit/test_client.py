"""The client against a real local HTTP server that answers by the contract, or badly."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from client import drawing, settings
from client.api import (
    EMOTIONS,
    Analysis,
    Box,
    EmotionClient,
    Face,
    ImageRefused,
    ServerAway,
    ServerBusy,
    ServiceError,
)
from client.report import load_report
from emotion.labels import LABELS
from tests.conftest import ROOT, encoded, photo_bytes
from tests.unit.local_service import Service, analysis, face

APP = ROOT / "client" / "app.py"


@pytest.fixture
def page(service: Service, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("EMOTION_SERVER", service.url)
    return AppTest.from_file(str(APP), default_timeout=30).run()


def upload(page: AppTest, data: bytes, name: str = "photo.jpg") -> AppTest:
    page.file_uploader[0].upload(name, data, "image/jpeg")
    return page.run()


def texts(page: AppTest) -> str:
    elements = [*page.markdown, *page.caption, *page.error, *page.info, *page.title, *page.subheader]
    return "\n".join(element.value for element in elements)


def test_the_bytes_arrive_as_they_are(service: Service) -> None:
    answer = EmotionClient(service.url).analyse(photo_bytes("serious"))
    assert service.received == photo_bytes("serious")
    assert answer.analysis.faces[0].emotion == "happy"
    assert answer.round_trip > 0


def test_fields_of_a_newer_server_are_no_error(service: Service) -> None:
    service.answer(200, analysis(face()) | {"mood": "good"})
    assert EmotionClient(service.url).analyse(b"x").analysis.model.name == "emotion"


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (400, {"error": {"code": "truncated_image", "message": "ends early"}}, ImageRefused, "ends early"),
        (413, b"", ImageRefused, "larger than the service accepts"),
        (503, {"code": 503, "type": "ServiceUnavailableException", "message": "…"}, ServerBusy, "overloaded"),
        (404, {"code": 404}, ServiceError, "status 404"),
        (200, {"faces": 3}, ServiceError, "contract"),
        (200, b"<html>", ServiceError, "contract"),
    ],
)
def test_every_bad_answer_has_its_error(
    service: Service, status: int, body: object, error: type[ServiceError], message: str
) -> None:
    service.answer(status, body)
    with pytest.raises(error, match=message):
        EmotionClient(service.url).analyse(b"x")


def test_a_slow_server_is_given_up_on(service: Service) -> None:
    service.delay = 0.5
    with pytest.raises(ServerAway, match=r"within 0\.1 seconds"):
        EmotionClient(service.url, timeout=0.1).analyse(b"x")


def test_no_server_is_said_to_be_away() -> None:
    with pytest.raises(ServerAway, match="no connection"):
        EmotionClient("http://127.0.0.1:9", timeout=1).analyse(b"x")


def test_the_page_opens_without_a_photo(page: AppTest) -> None:
    assert not page.exception
    assert page.markdown[0].value.startswith("Upload a photo")
    assert "discarded" in texts(page)
    assert "not a feeling" in texts(page)


def test_the_page_shows_the_models_scores(page: AppTest) -> None:
    report = load_report(settings.Settings().report)
    assert report is not None, "the report of the served model is committed"
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["Accuracy"] == f"{report.accuracy:.1%}"
    assert set(shown) == {"Accuracy", "Precision", "Recall", "F1"}


def test_an_uploaded_photo_shows_its_faces_and_the_time(page: AppTest) -> None:
    upload(page, photo_bytes("smiling"))
    assert not page.exception
    assert "**1 · Happy** — 90% confident" in texts(page)
    assert "Round trip" in texts(page)
    for label in EMOTIONS:
        assert f"<span>{label}</span>" in texts(page)


def test_no_face_gives_a_hint(page: AppTest, service: Service) -> None:
    service.answer(200, analysis())
    upload(page, photo_bytes("landscape"))
    assert "No face was found" in page.info[0].value


def test_a_refusal_is_shown_with_what_to_do(page: AppTest, service: Service) -> None:
    service.answer(400, {"error": {"code": "truncated_image", "message": "the JPEG file ends early"}})
    upload(page, b"broken")
    assert not page.exception
    assert "The JPEG file ends early." in page.error[0].value
    assert "Try another photo" in page.error[0].value


def test_a_photo_that_only_the_service_can_read_is_explained(page: AppTest) -> None:
    upload(page, b"no photo for Pillow")
    assert not page.exception
    assert "the page cannot show it" in page.error[0].value


def test_a_server_away_is_shown_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_SERVER", "http://127.0.0.1:9")
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    upload(page, photo_bytes("smiling"))
    assert not page.exception
    assert "make run" in page.error[0].value


def test_a_missing_report_leaves_the_page_working(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EMOTION_SERVER", service.url)
    monkeypatch.setenv("EMOTION_REPORT", str(tmp_path / "none.json"))
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    assert not page.exception
    assert "make evaluate" in texts(page)


@pytest.mark.parametrize(
    ("variable", "value"), [("EMOTION_SERVER", "localhost:8080"), ("EMOTION_TIMEOUT", "soon"), ("EMOTION_TIMEOUT", "0")]
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"{variable} is '{value}'"):
        settings.from_environment()


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


def test_photos_open_upright_and_in_colour(smiling: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = drawing.open_upright(encoded(smiling.crop((0, 0, 300, 200)), "JPEG", exif=exif))
    assert turned.size == (200, 300)
    assert drawing.open_upright(encoded(smiling.convert("CMYK"), "JPEG")).mode == "RGB"
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert drawing.open_upright(encoded(clear)).getpixel((5, 5)) == (255, 255, 255)
    deep = Image.fromarray(np.full((20, 20), 128 * 256, dtype=np.uint16))
    assert drawing.open_upright(encoded(deep)).getpixel((5, 5)) == (128, 128, 128)


def test_colours_and_order_cover_the_contract() -> None:
    assert set(drawing.COLOURS) == set(EMOTIONS) == set(LABELS)
    assert Box(x=1, y=2, width=3, height=4).height == 4
