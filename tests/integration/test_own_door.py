"""Doors that a test starts for itself: before nothing, before a stand-in, or with little patience."""

import contextlib
import http.client
import http.server
import itertools
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from serving.addresses import Addresses
from serving.door import door
from tests.conftest import photo_bytes
from tests.integration.conftest import free_addresses
from tests.integration.doors import HEAD, HTTP, IN_FLIGHT, MARK, PART, TIMEOUT, assert_error, counted, scraped
from tests.integration.watching import eventually, status


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Addresses]:
    """A door with nothing behind it, which gives an upload two seconds."""
    monkeypatch.setenv("DOOR_UPLOAD", "2s")
    monkeypatch.setenv("DOOR_LEAVING", "0.5s")
    addresses = free_addresses()
    with door(addresses):
        eventually(lambda: status(f"{addresses.url}/ping", 3) == 503, 20, every=0.05)
        yield addresses


@contextlib.contextmanager
def standing_in(handler: type[http.server.BaseHTTPRequestHandler], addresses: Addresses) -> Iterator[None]:
    """Servers in the place of TorchServe's inference and management."""
    with contextlib.ExitStack() as stack:
        for port in (addresses.inference, addresses.management):
            server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", port), handler))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        yield


def test_without_a_worker_it_says_so_at_once(alone: Addresses, http: HTTP) -> None:
    """TorchServe would not answer at all."""
    started = time.monotonic()
    assert_error(http.get(f"{alone.url}/ping", timeout=TIMEOUT), 503, "not_ready")
    assert_error(http.post(alone.predictions, data=photo_bytes("smiling"), timeout=TIMEOUT), 503, "not_ready")
    assert time.monotonic() - started < 8  # it would wait ten for a TorchServe that takes no connection


def test_once_it_says_healthy_it_takes_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    """The door asks for the health of what is behind it twice, for `/ping` and for photos; here one hears it later."""
    monkeypatch.setenv("DOOR_LEAVING", "0.5s")
    addresses, ready, asked = free_addresses(), threading.Event(), itertools.count()

    class Behind(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = {"status": "READY" if ready.is_set() else "GONE"}
            if self.path != "/ping" and next(asked) % 2:
                time.sleep(0.4)
            self.answer(said)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer({})

        def answer(self, content: dict[str, str]) -> None:
            self.send_response(200)
            self.send_header("X-Answered-By", "a stand-in")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with standing_in(Behind, addresses), door(addresses):
        for _ in range(5):
            ready.clear()
            eventually(lambda: requests.post(addresses.predictions, data=b"x", timeout=TIMEOUT).status_code == 503, 20)
            eventually(lambda: status(f"{addresses.url}/ping") == 503, 20)
            ready.set()
            eventually(lambda: status(f"{addresses.url}/ping") == 200, 20, every=0.01)
            assert requests.post(addresses.predictions, data=b"x", timeout=TIMEOUT).status_code == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("path", ["/ping", "/predictions/emotion/2.3.0/../../../ping", "//ping", "/x/%2e%2e/ping?y"])
def test_whoever_asks_for_health_asks_for_nothing_else(
    monkeypatch: pytest.MonkeyPatch, path: str, chunked: bool
) -> None:
    """Caddy takes a path without its `..`, TorchServe with them: photos came by it without the token."""
    monkeypatch.setenv("DOOR_LEAVING", "0.5s")
    addresses, came = free_addresses(), list[tuple[str, str, dict[str, str]]]()

    class Behind(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            if not self.path.startswith("/models/"):
                came.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'[{"workers": [{"status": "READY"}]}]')

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with standing_in(Behind, addresses), door(addresses, token="a-token-of-someone-else"):  # noqa: S106, of this test
        eventually(lambda: status(f"{addresses.url}/ping") == 200, 20, every=0.05)
        came.clear()
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", addresses.door, timeout=TIMEOUT)) as asking:
            body = iter([photo_bytes("smiling")]) if chunked else photo_bytes("smiling")
            asking.request("GET", path, body, {"Content-Type": "multipart/form-data"}, encode_chunked=chunked)
            assert asking.getresponse().status in {200, 404}
    assert [(method, where.partition("?")[0]) for method, where, _ in came] in ([], [("GET", "/ping")])
    assert all(
        headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers for *_, headers in came
    ), came
    assert path.startswith(("//", "/x")) or came, "this path is Caddy's /ping"


def test_a_header_that_never_ends_ends(alone: Addresses) -> None:
    with socket.create_connection(("127.0.0.1", alone.door), timeout=TIMEOUT) as connection:
        connection.sendall(b"POST /predictions/emotion HTTP/1.1\r\nHost: x\r\n")
        assert connection.recv(1) == b""


def test_an_upload_that_stalls_ends(server: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second door before the same TorchServe, because the first one's patience is longer than a test's.

    Most are told why: 76 of 90 were, on an idle machine. Caddy takes the others for clients that have hung up, and
    answers these nothing.
    """
    monkeypatch.setenv("DOOR_UPLOAD", "2s")
    monkeypatch.setenv("DOOR_LEAVING", "0.5s")
    other = free_addresses()
    behind = Addresses(other.door, server.management, server.metrics, other.door_metrics, server.inference)
    sizes = [3, 300_000] * 10
    with door(behind):
        eventually(lambda: status(f"{behind.url}/ping", 3) == 200, 20, every=0.05)
        with ThreadPoolExecutor(len(sizes)) as pool:
            told = list(pool.map(lambda size: stalled(behind, size), sizes))
        codes = counted(behind)
    assert any(answer for _, answer in told), "of twenty none was told"
    for got, answer in told:
        assert not answer or (got, json.loads(answer)["error"]["code"]) == (408, "upload_timeout")
    assert {code for method, code in codes if method == "POST"} <= {200, 408, 499}, codes


def stalled(addresses: Addresses, size: int) -> tuple[int, bytes]:
    """Status and body that an upload gets of which `size` bytes arrive and a thousand never do."""
    with socket.create_connection(("127.0.0.1", addresses.door), timeout=TIMEOUT) as connection:
        head = f"POST /predictions/emotion HTTP/1.1\r\nHost: x\r\nContent-Length: {size + 1000}\r\n\r\n"
        connection.sendall(head.encode() + bytes(size))
        started = time.monotonic()
        response = http.client.HTTPResponse(connection)
        response.begin()
        told = response.status, response.read()
        assert connection.recv(1) == b"", "the door keeps the connection of an upload that it gave up"
        assert time.monotonic() - started < 10
        return told


def test_no_log_says_who_asked(
    server: Addresses, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not even of a client whose upload fails: Go's errors name both ends of its connection."""
    monkeypatch.setenv("DOOR_UPLOAD", "6s")
    monkeypatch.setenv("DOOR_LEAVING", "0.5s")
    other, who = free_addresses(), "127.0.0.77"
    behind = Addresses(other.door, server.management, server.metrics, other.door_metrics, server.inference)
    with door(behind), contextlib.ExitStack() as open_:
        eventually(lambda: status(f"{behind.url}/ping", 3) == 200, 20, every=0.05)
        for sent, reset in ((b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", False), (PART, False), (PART, True)):
            connection = socket.create_connection(("127.0.0.1", behind.door), TIMEOUT, source_address=(who, 0))
            open_.enter_context(connection).sendall(sent)
            if reset:
                eventually(lambda: re.search(IN_FLIGHT, scraped(behind)), 20, every=0.01)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            else:
                with contextlib.suppress(ConnectionResetError):
                    connection.recv(1)
        eventually(lambda: sum(count for (method, _), count in counted(behind).items() if method == "POST") == 2, 10)
        assert {code for method, code in counted(behind) if method == "POST"} <= {200, 400, 408, 499}
    said = "".join(capfd.readouterr())
    assert said.count('"handled request"') >= 3 and who not in said, said


class Upstream(http.server.BaseHTTPRequestHandler):
    """In TorchServe's place: ends at a photo "end" or one of unknown length, and answers any other one at length."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b'[{"workers": [{"status": "READY"}]}]')

    def do_POST(self) -> None:
        length = self.headers["Content-Length"]
        if self.rfile.read(int(length) if length else -1) == b"end" or not length:
            self.close_connection = True
        else:
            with contextlib.suppress(ConnectionError):
                self._answer(bytes(50_000_000))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("X-Answered-By", "emotion")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_the_log_says_what_went_wrong_behind_the_door_and_nothing_of_who_asked_or_what_was_sent(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOOR_LEAVING", "0.5s")
    addresses, who = free_addresses(), "127.0.0.77"
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    bodies = (HEAD + b"Content-Length: 3\r\n\r\nend", chunked + b"0\r\n" + MARK + b"\r\n\r\n", chunked)
    with standing_in(Upstream, addresses), door(addresses):
        eventually(lambda: status(f"{addresses.url}/ping", 3) == 200, 20, every=0.05)
        for sent in (*bodies, HEAD + b"Content-Length: 3\r\n\r\nany"):
            place = ("127.0.0.1", addresses.door)
            with socket.create_connection(place, TIMEOUT, source_address=(who, 0)) as connection:
                connection.sendall(sent)
                if sent != chunked:
                    connection.recv(1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The answer that was broken off counts as none.
        eventually(lambda: sum(count for (method, _), count in counted(addresses).items() if method == "POST") == 3, 20)
        codes = {code for method, code in counted(addresses) if method == "POST"}
    said = "".join(capfd.readouterr())
    assert '"cause":"EOF"' in said and "aborting with incomplete response" in said, said
    assert who not in said and MARK.decode() not in said, said
    assert codes <= {200, 400, 499, 502} and 400 in codes, codes
