"""The ways Video and Live camera through Streamlit's AppTest, against a real local HTTP server."""

import json
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from client import frames, live, session, watching
from client.giving import LARGEST_FILE
from client.watching import Watched
from tests.conftest import ROOT
from tests.unit.clips import clip, shown, sound, still
from tests.unit.local_service import Service, analysis, face
from tests.unit.pages import counted, texts

APP = ROOT / "client" / "app.py"
VIDEO = clip(shown([(still("red", (640, 480)), 3.0)]))


@pytest.fixture
def page(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page, the notice acknowledged, in a tab that is open."""
    monkeypatch.setattr(session, "lives", lambda _: True)
    return page


def way(page: AppTest, name: str) -> AppTest:
    page.button_group[0].set_value(name).run()
    assert not page.exception
    return page


def give(page: AppTest, data: bytes, name: str = "holiday.mp4") -> Watched:
    """Upload a video and wait until its analysis has ended."""
    page.file_uploader[0].set_value((name, data, "video/mp4")).run()
    watched = page.session_state["video"]
    assert isinstance(watched, Watched)
    deadline = time.monotonic() + 30
    while not watched.ended:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    page.run()
    assert not page.exception
    return watched


def button(page: AppTest, label: str) -> bool:
    return any(each.label == label for each in page.button)


def test_neither_way_is_there_before_the_notice_is_acknowledged(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTION_SERVER", service.url)
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.session_state["kept way"] = "Live camera"
    page.run()
    assert not page.exception and "Before your first photo" in texts(page)
    assert not page.get("bidi_component") or "ticket" not in str(page.get("bidi_component"))


def test_the_live_camera_has_a_ticket_that_stays_the_session_s(page: AppTest) -> None:
    way(page, "Live camera")
    (component,) = page.get("bidi_component")
    data = json.loads(component.proto.json)
    assert live._sessions[data["ticket"]] and data["path"] == "/live"
    assert data["threshold"] == 0.4 and data["detail"] == "standard"
    page.slider[0].set_value(60).run()
    again = json.loads(page.get("bidi_component")[0].proto.json)
    assert again["ticket"] == data["ticket"] and again["threshold"] == 0.6


def test_a_ticket_ends_with_its_session(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    live._sessions["old"] = "a closed tab"
    monkeypatch.setattr(session, "lives", lambda owner: owner != "a closed tab")
    way(page, "Live camera")
    assert "old" not in live._sessions


def test_a_video_is_analysed_and_shown(page: AppTest, service: Service) -> None:
    service.answer(200, analysis(face("happy"), face("sad", 0.7, x=10.0)))
    way(page, "Video")
    before = counted("emotion_client_requests_total", outcome="ok")
    watched = give(page, VIDEO)
    assert watched.error is None and service.requests == 6
    assert counted("emotion_client_requests_total", outcome="ok") == before + 6
    assert r"**holiday\.mp4** · 6 pictures, 2 people" in texts(page)
    assert "At 0:00.0 · Face 1: happy, 90%; Face 2: sad, 70%" in texts(page)
    page.slider(key="moment").set_value(3).run()
    assert "At 0:01.5 ·" in texts(page)
    assert service.requests == 6, "looking at a moment sends nothing"
    (chart,) = page.get("vega_lite_chart")
    assert "Face 2" in chart.proto.spec
    assert "**Happy** 90%" in texts(page) and "**Sad** 70%" in texts(page)
    assert [each.proto.label for each in page.get("download_button")] == ["Results as CSV", "Results as JSON"]


def test_as_many_pictures_as_chosen_and_another_video_after_it(page: AppTest, service: Service) -> None:
    way(page, "Video")
    page.slider(key="rate").set_value(5).run()
    give(page, VIDEO)
    assert service.requests == 15
    next(each for each in page.button if each.label == "Another video").click().run()
    assert not page.exception and page.file_uploader
    assert "video" not in page.session_state


def test_the_shown_picture_is_decoded_once(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a video is read the page is drawn anew each second."""
    decoded: list[float] = []
    picture_at = frames.picture_at

    def counted(data: bytes, at: float) -> frames.Picture:
        decoded.append(at)
        return picture_at(data, at)

    monkeypatch.setattr(frames, "picture_at", counted)
    way(page, "Video")
    watched = give(page, VIDEO)
    page.run()
    assert decoded == [0.0]
    watched.picture(watched.moments[1])
    assert decoded == [0.0, watched.moments[1].at]


def test_a_video_that_is_put_away_is_held_no_longer(page: AppTest) -> None:
    way(page, "Video")
    watched = give(page, VIDEO)
    assert watched.data == VIDEO
    next(each for each in page.button if each.label == "Another video").click().run()
    assert not watched.data


def test_a_video_that_finds_no_room_is_not_taken(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    way(page, "Video")
    watched = give(page, VIDEO)
    monkeypatch.setattr(watching, "MOST_HELD", len(VIDEO) + 1)
    assert not watching.has_room(len(VIDEO)), "the other person's video is there"
    next(each for each in page.button if each.label == "Another video").click().run()
    monkeypatch.setattr(watching, "MOST_HELD", len(VIDEO) - 1)
    page.file_uploader[0].set_value(("short.mp4", VIDEO, "video/mp4")).run()
    assert "Try again a little later" in page.warning[0].value and "video" not in page.session_state
    assert not watched.data


def test_work_on_a_video_is_kept_on_other_pages(page: AppTest, service: Service) -> None:
    way(page, "Video")
    give(page, VIDEO)
    page.switch_page("views/privacy.py").run()
    page.switch_page("views/analyse.py").run()
    assert "6 pictures" in texts(page) and service.requests == 6


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"nonsense" * 100, "no video that can be read here"), (sound(), "no moving picture, only sound")],
)
def test_what_is_no_video_says_so(page: AppTest, data: bytes, message: str) -> None:
    way(page, "Video")
    give(page, data)
    assert message in texts(page)
    assert button(page, "Another video")


def test_a_service_that_is_away_says_so(page: AppTest, service: Service) -> None:
    service.answer(503, {})
    way(page, "Video")
    give(page, VIDEO)
    assert "overloaded" in texts(page) and "Wait a few seconds" in texts(page)


def test_where_the_service_is_is_nobodys_business(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_SERVER", "http://127.0.0.1:9")
    monkeypatch.setenv("EMOTION_RETRIES", "0")
    way(page, "Video")
    give(page, VIDEO)
    assert "There is no connection to the service." in texts(page) and "127.0.0.1" not in texts(page)


def test_a_video_without_faces(page: AppTest, service: Service) -> None:
    service.answer(200, analysis())
    way(page, "Video")
    give(page, VIDEO)
    assert "No face was found." in texts(page)


def test_what_is_known_stays_when_it_is_cancelled(service: Service, page: AppTest) -> None:
    service.delay = 0.3
    way(page, "Video")
    page.slider(key="rate").set_value(10).run()
    page.file_uploader[0].set_value(("long.mp4", clip(shown([(still("red"), 60.0)])), "video/mp4")).run()
    next(each for each in page.button if each.label == "Cancel").click().run()
    watched = page.session_state["video"]
    deadline = time.monotonic() + 20
    while not watched.ended and time.monotonic() < deadline:
        time.sleep(0.02)
    assert watched.ended and watched.error is None
    assert service.requests < 50


def test_the_work_ends_with_the_session(service: Service, page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    service.delay = 0.2
    way(page, "Video")
    page.file_uploader[0].set_value(("long.mp4", clip(shown([(still("red"), 60.0)])), "video/mp4")).run()
    watched = page.session_state["video"]
    monkeypatch.setattr(session, "lives", lambda _: False)
    deadline = time.monotonic() + 20
    while not watched.ended and time.monotonic() < deadline:
        time.sleep(0.02)
    assert watched.ended and service.requests < 50


def test_only_so_many_videos_are_analysed_at_once(page: AppTest, service: Service) -> None:
    for _ in range(watching.MOST_AT_ONCE):
        watching._turns.acquire()
    try:
        way(page, "Video")
        page.file_uploader[0].set_value(("short.mp4", VIDEO, "video/mp4")).run()
        time.sleep(0.3)
        assert page.session_state["video"].waits and service.requests == 0
        page.session_state["video"].cancel()
        deadline = time.monotonic() + 20
        while not page.session_state["video"].ended and time.monotonic() < deadline:
            time.sleep(0.02)
        assert page.session_state["video"].ended
    finally:
        for _ in range(watching.MOST_AT_ONCE):
            watching._turns.release()


def test_the_uploaders_have_their_own_bounds(page: AppTest) -> None:
    assert page.file_uploader[0].proto.max_upload_size_mb == LARGEST_FILE
    way(page, "Video")
    assert page.file_uploader[0].proto.max_upload_size_mb == 200


def test_the_scripts_fetch_nothing_from_elsewhere() -> None:
    folder = Path(live.__file__).with_name("components") / "live"
    for script in folder.iterdir():
        assert "http://" not in (text := script.read_text(encoding="utf-8") if script.is_file() else "")
        assert "https://" not in text and "import(" not in text
