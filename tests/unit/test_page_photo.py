"""One photo on the page, through Streamlit's AppTest against a real local HTTP server."""

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from client.report import load_report
from client.results import EMOTIONS
from client.settings import Settings
from tests.conftest import encoded, photo_bytes
from tests.unit.local_service import Service, analysis, face
from tests.unit.pages import APP, button, counted, read, sample_button, shown, switch, texts, tiles, upload_one


def test_nothing_can_be_uploaded_before_the_notice_is_acknowledged(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTION_SERVER", service.url)
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    assert not page.exception
    assert not page.file_uploader
    for word in ("discarded", "not a feeling", "hiring", "AI Act"):
        assert word in texts(page)
    page.button[0].click().run()
    assert page.file_uploader
    assert "Before your first photo" not in texts(page)


def test_an_uploaded_photo_shows_its_faces_and_the_time(page: AppTest) -> None:
    upload_one(page, photo_bytes("smiling"))
    assert not page.exception
    assert read(page) == ["1 · happy 90%"]
    assert "1 face · **" in texts(page) and "ms** · model 1.0.0" in texts(page)
    (face,) = shown(page)["faces"]
    assert {bar["name"] for bar in face["bars"]} == set(EMOTIONS)
    assert shown(page)["description"] == "The photo with 1 marked face. Face 1: happy, 90%"


def test_what_the_network_sees_is_shown_on_request(page: AppTest) -> None:
    upload_one(page, photo_bytes("smiling"))
    assert shown(page)["faces"][0]["seen"] is None
    page.toggle[0].set_value(True).run()
    assert shown(page)["faces"][0]["seen"].startswith("data:image/png;base64,")


def test_how_often_such_faces_are_right_is_said_only_by_the_report_of_this_model(
    page: AppTest, service: Service
) -> None:
    upload_one(page, photo_bytes("smiling"))
    assert shown(page)["faces"][0]["notes"] == []
    report = load_report(Settings().reports)
    assert report is not None
    model = {"name": "emotion", "version": report.model.version}
    service.answer(200, analysis(face()) | {"model": model})
    upload_one(page, photo_bytes("serious"))
    assert "of 100 cases" in shown(page)["faces"][0]["notes"][0]


def test_below_the_threshold_a_face_is_uncertain(page: AppTest, service: Service) -> None:
    service.answer(200, analysis(face(confidence=0.45)))
    upload_one(page, photo_bytes("smiling"))
    assert read(page) == ["1 · happy 45%"]
    page.slider[0].set_value(50).run()
    assert read(page) == ["1 · uncertain"]
    assert shown(page)["faces"][0]["notes"][0] == "Most likely happy, 45%."
    assert service.requests == 1, "nothing was sent again"


def test_work_is_kept_on_other_pages_and_in_other_ways_of_giving_photos(page: AppTest, service: Service) -> None:
    upload_one(page, photo_bytes("smiling"))
    page.slider[0].set_value(60).run()
    switch(page, "privacy")
    switch(page, "analyse")
    assert read(page) == ["1 · happy 90%"] and page.slider[0].value == 60
    with pytest.raises(KeyError):
        sample_button(page, "Grace Hopper")  # not drawn while they are folded away
    page.session_state[f"controls {page.session_state['renewed']}"] = True
    page.run()
    sample_button(page, "Grace Hopper").click().run()
    with pytest.raises(KeyError):
        sample_button(page, "Grace Hopper")  # folded again, so that the photo is in view
    page.button_group[0].set_value("Camera").run()
    switch(page, "service")
    switch(page, "analyse")
    assert page.button_group[0].value == "Camera"
    assert tiles(page) == ["photo.jpg", "[Grace-Hopper.jpg]"]
    assert service.requests == 2, "each photo was sent once"


def test_everything_is_cleared_at_once(page: AppTest) -> None:
    upload_one(page, photo_bytes("smiling"))
    page.slider[0].set_value(60).run()
    button(page, "Clear everything").click().run()
    assert not page.exception
    assert page.slider[0].value == 40, "choices are forgotten too"
    assert not page.session_state["photos"] and not page.session_state["outcomes"]
    assert "an example" in texts(page)
    assert page.file_uploader, "the notice stays acknowledged"
    assert len(shown(page)["faces"]) == 2, "the example"


def test_of_a_moving_picture_it_is_said_that_only_the_first_is_read(page: AppTest, smiling: Image.Image) -> None:
    upload_one(page, encoded(smiling, "GIF", save_all=True, append_images=[smiling.rotate(90)]), "moving.gif")
    assert "Only the first picture in this file was read." in texts(page)


def test_no_face_gives_a_hint(page: AppTest, service: Service) -> None:
    service.answer(200, analysis())
    upload_one(page, photo_bytes("landscape"))
    assert "No face was found" in page.info[0].value


def test_the_camera_is_asked_for_only_when_it_is_chosen(page: AppTest) -> None:
    assert not page.get("camera_input")
    page.button_group[0].set_value("Camera").run()
    assert page.get("camera_input")


def test_outcomes_are_counted(page: AppTest, service: Service) -> None:
    def counts() -> list[float]:
        return [
            counted("emotion_client_requests_total", outcome="ok"),
            counted("emotion_client_faces_total"),
            counted("emotion_client_images_total"),
            counted("emotion_client_latency_seconds_count"),
            counted("emotion_client_requests_total", outcome="busy"),
        ]

    before = counts()
    service.answer(200, analysis(face(), face("sad")))
    upload_one(page, photo_bytes("smiling"))
    service.busy = 1
    upload_one(page, photo_bytes("serious"), "other.jpg")
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [1, 2, 1, 1, 1]
