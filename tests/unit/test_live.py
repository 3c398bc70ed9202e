"""The route of the live camera's frames, against a real local HTTP server."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from bench.live import Seen, judge
from client import live, metrics, session
from tests.integration.watching import eventually
from tests.unit.local_service import Service, analysis, face

TICKET = "a-ticket"

Opened = Callable[..., AbstractContextManager["Connection"]]


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The open tabs: one, which has a ticket."""
    tabs = {"tab"}
    monkeypatch.setattr(session, "lives", tabs.__contains__)
    monkeypatch.setattr(live, "_sessions", {TICKET: "tab"})
    return tabs


@pytest.fixture
def opened(service: Service, sessions: set[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Opens a connection to a real server of the route."""
    monkeypatch.setenv("EMOTION_SERVER", service.url)
    app = Starlette(routes=[WebSocketRoute("/live", live.answer_frames)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]

    @contextlib.contextmanager
    def opened(**options: Any) -> Iterator[Connection]:
        with connect(f"ws://127.0.0.1:{port}/live", proxy=None, **options) as socket:
            yield Connection(socket)

    yield opened
    server.should_exit = True
    thread.join()


class Connection:
    """A browser's end of the route."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def send(self, message: object) -> None:
        self.socket.send(json.dumps(message))

    def greet(self, **wishes: Any) -> None:
        self.send({"ticket": TICKET, **wishes})

    def ask(self, frame: bytes = b"a frame") -> dict[str, Any]:
        self.socket.send(frame)
        answer: dict[str, Any] = json.loads(self.socket.recv(timeout=10))
        return answer

    def closed_with(self) -> int:
        with pytest.raises(ConnectionClosed) as error:
            self.socket.recv(timeout=10)
        assert error.value.rcvd is not None
        return error.value.rcvd.code


def cameras() -> float:
    (sample,) = next(iter(metrics.CAMERAS.collect())).samples
    return sample.value


def test_a_frame_is_answered_with_the_people_in_it(opened: Opened, service: Service) -> None:
    with opened() as socket:
        socket.greet()
        (person,) = socket.ask(b"the bytes of a frame")["people"]
    assert service.received == b"the bytes of a frame"
    assert person["person"] == 1 and person["shown"] == "happy" and person["confidence"] == 0.9
    assert person["box"] == [180.0, 55.8, 92.3, 122.1] and person["probabilities"]["happy"] == 0.9


def test_people_are_followed_and_smoothed(opened: Opened, service: Service) -> None:
    with opened() as socket:
        socket.greet(smoothing=10)
        service.answer(200, analysis(face("happy", 1.0)))
        socket.ask()
        service.answer(200, analysis(face("sad", 1.0, x=190.0), face("happy", x=500.0)))
        one, two = socket.ask()["people"]
        assert (one["person"], one["shown"]) == (1, "happy") and two["person"] == 2
        socket.send({"smoothing": 0})
        one, _ = socket.ask()["people"]
    assert (one["person"], one["shown"]) == (1, "sad")


def test_a_wish_changes_what_is_uncertain_and_how_closely_is_looked(opened: Opened, service: Service) -> None:
    with opened() as socket:
        socket.greet(threshold=0.95)
        assert socket.ask()["people"][0]["shown"] == "uncertain"
        socket.send({"threshold": 0.5, "detail": "fast"})
        assert socket.ask()["people"][0]["shown"] == "happy"


def test_a_frame_that_is_refused_does_not_end_the_camera(opened: Opened, service: Service) -> None:
    with opened() as socket:
        socket.greet()
        service.answer(503, {})
        assert "overloaded" in socket.ask()["error"]
        service.answer(400, {"error": {"code": "invalid_image", "message": "The JPEG file is broken."}})
        assert "The JPEG file is broken" in socket.ask()["error"]
        sent = service.requests
        assert "the limit is 1 MB" in socket.ask(bytes(live.MOST_BYTES + 1))["error"]
        assert service.requests == sent == 2, "nothing is sent twice, and nothing too large"
        service.answer(200, analysis())
        assert socket.ask()["people"] == []


def test_where_the_service_is_is_nobodys_business(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_SERVER", "http://127.0.0.1:9")
    with opened() as socket:
        socket.greet()
        error = socket.ask()["error"]
    assert error.startswith("There is no connection to the service. ") and "127.0.0.1" not in error
    assert "start it with make run" in error, "no Markdown"


@pytest.mark.parametrize(
    "greeting",
    [{"ticket": "another"}, {}, {"ticket": TICKET, "smoothing": -1}, {"ticket": TICKET, "else": 1}, "text"],
    ids=str,
)
def test_without_a_ticket_no_frame_is_taken(opened: Opened, service: Service, greeting: object) -> None:
    with opened() as socket:
        socket.send(greeting)
        assert socket.closed_with() == live.REFUSED
    with opened() as socket:
        socket.socket.send(b"a frame")
        assert socket.closed_with() == live.REFUSED
    assert service.requests == 0


def test_a_long_message_is_not_taken_apart(opened: Opened, service: Service) -> None:
    """Nested lists need a hundred times their memory."""
    greeting = json.dumps({"ticket": TICKET})
    for fitting in (True, False):
        with opened() as socket:
            socket.socket.send(greeting + " " * (live.MOST_SAID - len(greeting) + (not fitting)))
            if fitting:
                assert socket.ask()["people"]
                socket.socket.send("{}" + " " * live.MOST_SAID)
            assert socket.closed_with() == live.REFUSED
    assert service.requests == 1


def test_with_the_session_its_camera_ends(opened: Opened, service: Service, sessions: set[str]) -> None:
    with opened() as socket:
        socket.greet()
        socket.ask()
        sessions.clear()
        socket.socket.send(b"a frame")
        assert socket.closed_with() == live.REFUSED
    assert service.requests == 1


def test_another_site_cannot_use_a_visitors_session(opened: Opened) -> None:
    with pytest.raises(InvalidStatus, match="403"), opened(origin="https://elsewhere.example"):
        pass
    with opened(origin="http://127.0.0.1") as socket:  # Streamlit's own list has it
        socket.greet()
        assert socket.ask()["people"]


def test_only_so_many_cameras_are_on_at_once(
    opened: Opened, sessions: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_CAMERAS", 1)
    sessions.add("other tab")
    live._sessions["other-ticket"] = "other tab"
    with opened() as first:
        first.greet()
        first.ask()
        assert cameras() == 1
        with opened() as second:
            second.send({"ticket": "other-ticket"})
            assert second.closed_with() == live.TOO_MANY
        assert first.ask()["people"]
    assert cameras() == 0


def test_one_person_has_one_camera_the_one_started_last(
    opened: Opened, sessions: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_CAMERAS", 2)
    sessions.add("other tab")
    live._sessions["other-ticket"] = "other tab"
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(opened()) for _ in range(4)]
        for socket in sockets:
            socket.greet()
            assert socket.ask()["people"]
        assert cameras() == 1
        for socket in sockets[:-1]:
            socket.socket.send(b"a frame")
            assert socket.closed_with() == live.REFUSED
        other = stack.enter_context(opened())
        other.send({"ticket": "other-ticket"})
        assert other.ask()["people"] and sockets[-1].ask()["people"]
        assert cameras() == 2
    assert cameras() == 0


def test_a_camera_started_anew_waits_for_the_frame_of_the_one_before(
    opened: Opened, service: Service, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(live, "TIMEOUT", 30.0)
    live._client.cache_clear()
    request.addfinalizer(live._client.cache_clear)  # it has this test's patience
    service.held = threading.Event()
    with opened() as first, opened() as second, opened() as third:
        for number, socket in enumerate((first, second, third), start=1):
            socket.greet()
            socket.socket.send(b"a frame")
            eventually(lambda: service.requests, 10, every=0.01)
            eventually(lambda number=number: len(live._on["tab"].connections) == number, 10, every=0.01)  # type: ignore[misc]
        service.held.set()
        assert json.loads(third.socket.recv(timeout=10))["people"]
        assert second.closed_with() == live.REFUSED
    assert service.requests == 2, "the second camera's frame was no longer wanted"


def test_one_session_has_only_so_many_connections(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_OF_ONE", 2)
    with opened() as first, opened() as second, opened() as third:
        for socket in (first, second):
            socket.greet()
        assert second.ask()["people"]
        third.greet()
        assert third.closed_with() == live.TOO_MANY
        assert second.ask()["people"]


def test_who_says_nothing_is_not_waited_for(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PATIENCE", 0.1)
    with opened() as socket:
        assert socket.closed_with() == live.REFUSED


def test_a_frame_that_is_not_answered_in_time_is_given_up(
    opened: Opened, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "TIMEOUT", 0.2)
    live._client.cache_clear()
    service.delay = 1.0
    with opened() as socket:
        socket.greet()
        assert "did not answer" in socket.ask()["error"]
    live._client.cache_clear()


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, []),
        ({"one": Seen(7.9, [250.0], 1), "two": [Seen(4.0, [400.0], 1)] * 2}, ["7.9 frames a second; 8 at least"]),
        ({"one": Seen(10, [100, 251, 252], 1)}, ["251 ms from camera to overlay; 250 at most"]),
        (
            {"two": [Seen(5.0, [0], 1), Seen(4.9, [0], 1)]},
            ["4.9 frames a second of one of two cameras; half of 10.0 at least"],
        ),
        ({"upload": 1001.0}, ["an upload shown after 1001 ms; 1000 at most"]),
        ({"memory": [{"the tab": 50.0}, {"the tab": 100.0}, {"the tab": 102.9}]}, []),
        (
            {"memory": [{"the tab": 50.0}, {"the tab": 100.0}, {"the tab": 103.1}]},
            ["the tab holds +3.1% since minute 1; +3% at most"],
        ),
    ],
    ids=str,
)
def test_the_benchmark_says_which_bounds_are_missed(change: dict[str, Any], missed: list[str]) -> None:
    good: dict[str, Any] = {
        "one": Seen(10, [250.0], 1),
        "two": [Seen(5, [400.0], 1)] * 2,
        "upload": 1000.0,
        "memory": [],
    }
    assert judge(**good | change) == missed
