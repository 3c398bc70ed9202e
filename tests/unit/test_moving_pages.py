"""The ways Video and Live camera through Streamlit's AppTest, against a real local HTTP server."""

import itertools
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Slider

from client import frames, live, session, video_page, watching
from client.frames import Picture
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


def give(page: AppTest, data: bytes, name: str = "holiday.mp4", until_end: bool = True) -> Watched:
    """Upload a video, and wait until its analysis has ended."""
    page.file_uploader[0].set_value((name, data, "video/mp4")).run()
    watched = page.session_state["video"]
    assert isinstance(watched, Watched)
    if until_end:
        end(page, watched)
    return watched


def end(page: AppTest, watched: Watched) -> None:
    """Wait until its analysis has ended, and look at it."""
    assert watched.wait(30)
    page.run()
    assert not page.exception


class Gate:
    """Lets the pictures of a video through one by one, each when the one before it is answered and kept."""

    def __init__(self) -> None:
        self._permits, self._asked = threading.Semaphore(0), threading.Semaphore(0)
        self._pictures = frames.pictures
        self._let = 0

    def pictures(self, *arguments: Any, **options: Any) -> Iterator[Picture]:
        for picture in self._pictures(*arguments, **options):
            self._asked.release()
            assert self._permits.acquire(timeout=30)
            yield picture

    def let(self, count: int) -> None:
        """Wait until so many more pictures are kept, and the next is asked for."""
        self._permits.release(count)
        for _ in range(count if self._let else count + 1):
            assert self._asked.acquire(timeout=30)
        self._let += count

    def open(self) -> None:
        self._permits.release(1000)


@pytest.fixture
def gate(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(frames, "pictures", gate.pictures)
    monkeypatch.setenv("EMOTION_CONCURRENCY", "1")
    yield gate
    gate.open()


def slider(page: AppTest) -> Slider[int]:
    """The one that chooses a picture."""
    (found,) = (each for each in page.slider if each.label.startswith("Picture to show"))
    return found


def click(page: AppTest, label: str) -> None:
    next(each for each in page.button if each.label == label).click().run()
    assert not page.exception


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
    assert r"**holiday\.mp4** · 6 pictures, 2 faces" in texts(page)
    assert "At 0:00.0 · Face 1: happy, 90%; Face 2: sad, 70%" in texts(page)
    slider(page).set_value(3).run()
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
    click(page, "Another video")
    assert page.file_uploader
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
    click(page, "Another video")
    assert not watched.data


def test_a_video_that_finds_no_room_is_not_taken(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    way(page, "Video")
    watched = give(page, VIDEO)
    monkeypatch.setattr(watching, "MOST_HELD", len(VIDEO) + 1)
    assert watching.take("other.mp4", VIDEO, 2, "standard", "somebody") is None, "the first video is there"
    click(page, "Another video")
    monkeypatch.setattr(watching, "MOST_HELD", len(VIDEO) - 1)
    page.file_uploader[0].set_value(("short.mp4", VIDEO, "video/mp4")).run()
    assert "Try again a little later" in page.warning[0].value and "video" not in page.session_state
    assert not watched.data


def test_a_video_that_is_put_away_counts_until_its_work_has_ended(page: AppTest, gate: Gate) -> None:
    way(page, "Video")
    watched = give(page, VIDEO, until_end=False)
    gate.let(2)
    watched.put_away()
    assert watched.data, "it is being decoded"
    gate.open()
    assert watched.wait(30) and not watched.data and len(watched.moments) <= 3


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


def test_a_picture_can_be_chosen_while_the_video_is_analysed(page: AppTest, gate: Gate) -> None:
    way(page, "Video")
    watched = give(page, VIDEO, until_end=False)
    gate.let(3)
    page.run()
    assert "At 0:00.0 ·" in texts(page) and button(page, "Cancel")
    slider(page).set_value(1).run()
    bounds = slider(page).max
    assert "At 0:00.5 ·" in texts(page) and bounds == 5
    gate.let(1)
    page.run()
    assert "At 0:00.5 ·" in texts(page) and slider(page).value == 1
    assert slider(page).max == bounds, "or the keyboard's focus would be lost"
    slider(page).set_value(5).run()
    assert "At 0:01.5 ·" in texts(page), "the latest that there is"
    click(page, "0:00.0")  # a strongest moment
    gate.let(1)
    page.run()
    assert "At 0:00.0 ·" in texts(page) and slider(page).value == 0
    slider(page).set_value(2).run()
    gate.open()
    end(page, watched)
    assert "At 0:01.0 ·" in texts(page) and slider(page).value == 2 and button(page, "Another video")


def test_a_choice_stays_when_nobody_knows_how_long_the_video_is(page: AppTest, gate: Gate) -> None:
    way(page, "Video")
    page.slider(key="rate").set_value(5).run()
    watched = give(page, clip(shown([(still("red"), 3.0)]), "webm", live="1"), "stream.webm", until_end=False)
    gate.let(3)
    page.run()
    slider(page).set_value(2).run()
    before = watched.done
    for _ in range(3):
        gate.let(3)
        page.run()
        assert "At 0:00.4 ·" in texts(page) and slider(page).value == 2
    assert watched.length is None and before > 0
    gate.open()
    end(page, watched)
    assert slider(page).value == 2 and slider(page).max == 14


def test_what_is_known_stays_when_it_is_cancelled(page: AppTest, service: Service, gate: Gate) -> None:
    way(page, "Video")
    watched = give(page, VIDEO, until_end=False)
    gate.let(3)
    page.run()
    click(page, "Cancel")
    gate.open()
    end(page, watched)
    known = len(watched.moments)
    assert watched.error is None and 3 <= known <= 4 and service.requests == known
    assert f"{known} pictures, 1 face" in texts(page) and "At 0:00.0 · Face 1: happy" in texts(page)
    assert page.get("vega_lite_chart") and page.get("download_button") and "**Happy**" in texts(page)


def test_the_work_ends_with_the_session(page: AppTest, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    way(page, "Video")
    watched = give(page, VIDEO, until_end=False)
    gate.let(2)
    monkeypatch.setattr(session, "lives", lambda _: False)
    gate.open()
    assert watched.wait(30) and len(watched.moments) <= 3


def test_the_work_ends_between_two_pictures(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose time stands still is decoded for long from one picture to the next."""
    asked = itertools.count(1)
    monkeypatch.setattr(session, "lives", lambda _: next(asked) < 50)
    way(page, "Video")
    watched = give(page, clip([(number / 1000, still("red")) for number in range(900)]))
    assert watched.error is None and len(watched.moments) == 1
    assert next(asked) < 60


def test_an_error_that_nobody_thought_of_is_not_taken_for_the_end(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = frames.pictures

    def failing(*arguments: Any, **options: Any) -> Iterator[Picture]:
        yield from itertools.islice(real(*arguments, **options), 2)
        raise MemoryError("something of the video")

    monkeypatch.setattr(frames, "pictures", failing)
    way(page, "Video")
    with caplog.at_level(logging.ERROR):
        give(page, VIDEO)
    assert "The page failed at this video (MemoryError)" in texts(page) and "2 pictures" in texts(page)
    assert "MemoryError" in caplog.text and "something of the video" not in caplog.text + texts(page)


def test_after_a_moment_of_overload_the_video_goes_on(page: AppTest, service: Service, gate: Gate) -> None:
    way(page, "Video")
    watched = give(page, VIDEO, until_end=False)
    gate.let(2)
    service.answer(200, analysis(face(x=400.0)))  # somebody else
    gate.let(1)
    service.busy = 1
    gate.open()
    end(page, watched)
    assert "overloaded" in texts(page) and "3 pictures" in texts(page) and service.requests == 4
    click(page, "Go on")
    end(page, watched)
    assert watched.error is None and not page.error and service.requests == 7
    assert [moment.at for moment in watched.moments] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5])
    assert [each.person for moment in watched.moments for each in moment.followed] == [1, 1, 2, 2, 2, 2]
    assert "6 pictures, 2 faces" in texts(page) and not button(page, "Go on")


def test_nothing_can_be_set_that_a_given_video_does_not_heed(page: AppTest) -> None:
    way(page, "Video")
    assert [each.label for each in page.selectbox] == ["Look for"]
    page.selectbox[0].set_value("thorough").run()
    give(page, VIDEO)
    assert not page.selectbox
    click(page, "Another video")
    assert page.selectbox[0].value == "thorough"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.0, "0:00.0"), (59.94, "0:59.9"), (59.97, "1:00.0"), (600.0, "10:00.0")]
)
def test_times_are_rounded_before_they_are_split(seconds: float, said: str) -> None:
    assert video_page.clock(seconds) == said


def test_only_so_many_videos_are_analysed_at_once(page: AppTest, service: Service) -> None:
    for _ in range(watching.MOST_AT_ONCE):
        watching._turns.acquire()
    try:
        way(page, "Video")
        watched = give(page, VIDEO, until_end=False)
        assert watched.waits and not watched.ended and service.requests == 0
        click(page, "Cancel")
        assert watched.wait(30) and service.requests == 0
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
