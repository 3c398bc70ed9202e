"""What the page says when a photo is not read."""

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from tests.conftest import encoded, photo_bytes
from tests.unit.local_service import Service, analysis, face
from tests.unit.pages import APP, button, numbered, read, switch, texts, upload, upload_one

REFUSALS = {
    "broken": (400, {"error": {"code": "truncated_image", "message": "the JPEG file ends early"}}),
    "busy": (503, b""),
    "token": (401, b""),
    "large": (413, b""),
}


@pytest.mark.parametrize(
    ("refusal", "message", "advice"),
    [
        ("broken", "The end of this file is missing.", "Try another photo"),
        ("busy", "The service is overloaded or restarting (status 503).", "Wait a few seconds"),
        ("token", "The service refused the token (status 401).", "EMOTION_TOKEN"),
        ("large", "The file is larger than the service accepts.", "16 MB"),
    ],
)
def test_an_error_is_shown_with_what_to_do(
    page: AppTest, service: Service, refusal: str, message: str, advice: str
) -> None:
    service.answer(*REFUSALS[refusal])
    upload_one(page, photo_bytes("smiling"))
    assert not page.exception
    assert message in page.error[0].value
    assert advice in page.error[0].value
    assert ("Try again" in {each.label for each in page.button}) == (refusal == "busy"), (
        "only what may be gone on the next try can be tried again"
    )


def test_trying_again_after_an_outage_answers(page: AppTest, service: Service) -> None:
    service.busy = 1
    upload_one(page, photo_bytes("smiling"))
    assert "overloaded" in page.error[0].value
    button(page, "Try again").click().run()
    assert not page.error
    assert read(page) == ["1 · happy 90%"]


def test_a_photo_that_only_the_service_can_read_is_explained(page: AppTest) -> None:
    upload_one(page, b"no photo for Pillow")
    assert not page.exception
    assert "the page cannot show it" in page.error[0].value


def test_a_server_away_is_shown_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_SERVER", "http://127.0.0.1:9")
    monkeypatch.setenv("EMOTION_RETRIES", "0")
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    page.button[0].click().run()
    upload_one(page, photo_bytes("smiling"))
    assert not page.exception
    assert "make run" in page.error[0].value
    switch(page, "service")
    assert "no connection" in page.error[0].value and "127.0.0.1" not in page.error[0].value


def test_all_that_failed_is_tried_again_at_once(page: AppTest, service: Service) -> None:
    service.busy = 2
    upload(page, *numbered(4))
    assert "2 of 4 photos could not be read." in texts(page)
    button(page, "Try again").click().run()
    assert "could not be read" not in texts(page)
    assert service.requests == 6, "those that were read are not sent again"
    assert list(page.dataframe[0].value["expressions"]) == ["happy"] * 4


def test_what_was_refused_for_good_is_not_sent_again_with_the_rest(page: AppTest, service: Service) -> None:
    service.answer(*REFUSALS["broken"])
    upload_one(page, photo_bytes("smiling"))
    service.answer(200, analysis(face()))
    service.busy = 1
    upload_one(page, photo_bytes("serious"), "other.jpg")
    button(page, "Try 1 again").click().run()
    assert service.requests == 3
    assert "1 of 2 photos could not be read." in texts(page)
    assert r"- **photo\.jpg**: The end of this file is missing." in texts(page)


def test_photos_beyond_the_bound_of_a_session_are_not_taken(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.session.MOST_PHOTOS", 2)
    upload(page, *((f"{n}.jpg", photo_bytes("smiling") + bytes([n])) for n in range(3)))
    assert page.warning[0].value.startswith("Not taken:\n\n" r"- 2\.jpg\: there is no room\; at most 2 photos")
    assert len(page.session_state["photos"]) == 2


def test_a_picture_of_too_many_pixels_is_refused_without_being_sent(
    page: AppTest, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.photos.MAX_PIXELS", 10_000)
    upload_one(page, encoded(Image.new("L", (200, 100))), "drawing.png")
    assert "This picture is 200×100" in page.error[0].value
    assert service.requests == 0
