"""What the door lets through, and what it says in place of everything that it does not."""

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
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from serving.addresses import Addresses
from serving.door import DOCUMENTS, door
from tests.conftest import photo_bytes
from tests.integration.conftest import free_addresses
from tests.integration.watching import eventually, status

TIMEOUT = 30
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

HTTP = requests.Session


def assert_error(response: requests.Response, expected: int, code: str) -> None:
    """A contract error, and nothing in it or beside it that tells of what is behind."""
    assert response.status_code == expected, response.text
    assert response.headers["Content-Type"] == "application/json"
    assert set(response.json()) == {"error"}
    assert set(response.json()["error"]) == {"code", "message"}
    assert response.json()["error"]["code"] == code
    assert ("Retry-After" in response.headers) == (expected == 503)
    assert_discreet(response)


def assert_discreet(response: requests.Response) -> None:
    everything = f"{response.headers} {response.text}".lower()
    for name in ("torchserve", "java", "netty", "caddy", "pytorch", "exception"):
        assert name not in everything, everything
    assert response.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/", "/models", "/metrics", "/api-description", "/v2/health/ready", "/ping/x")),
        *(("POST", path) for path in ("/invocations", "/explanations/emotion", "/v1/models/emotion:predict")),
        ("POST", "/predictions/other"),
        ("POST", "/predictions/emotion/1.0"),
        ("GET", "/predictions/emotion"),
        ("DELETE", "/predictions/emotion"),
        ("OPTIONS", "/"),
        ("POST", "/ping"),
    ],
)
def test_everything_else_is_not_there(server: Addresses, http: HTTP, method: str, path: str) -> None:
    assert_error(http.request(method, f"{server.url}{path}", timeout=TIMEOUT), 404, "not_found")


def test_an_answer_tells_nothing_of_what_is_behind(server: Addresses, http: HTTP) -> None:
    response = http.post(server.predictions, data=photo_bytes("smiling"), timeout=TIMEOUT)
    assert response.status_code == 200
    assert_discreet(response)
    assert set(response.headers) == {
        *("Cache-Control", "Connection", "Content-Length", "Content-Type", "Date", "X-Content-Type-Options"),
        "X-Request-Id",
    }
    assert_discreet(http.get(f"{server.url}/ping", timeout=TIMEOUT))


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "multipart/mixed", "", "é/ü"]
)
def test_a_photo_is_a_photo_whatever_it_calls_itself(server: Addresses, http: HTTP, kind: str) -> None:
    """`curl --data-binary` calls it a form."""
    headers = {"Content-Type": kind.encode()}
    response = http.post(server.predictions, data=photo_bytes("smiling"), headers=headers, timeout=TIMEOUT)
    assert response.status_code == 200, response.text
    assert len(response.json()["faces"]) == 1


def test_a_query_is_no_photo(server: Addresses, http: HTTP) -> None:
    response = http.post(f"{server.predictions}?data=x", data=photo_bytes("smiling"), timeout=TIMEOUT)
    assert len(response.json()["faces"]) == 1


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_over_the_limit_is_refused(server: Addresses, http: HTTP, chunked: bool) -> None:
    body = iter([bytes(2**20)] * 17) if chunked else bytes(17 * 2**20)
    assert_error(http.post(server.predictions, data=body, timeout=TIMEOUT), 413, "image_too_large")


def test_a_body_at_the_limit_is_looked_at(server: Addresses, http: HTTP) -> None:
    assert http.post(server.predictions, data=bytes(16 * 2**20), timeout=TIMEOUT).status_code == 415


def test_a_request_id_is_taken_where_it_is_fit_for_a_log_and_made_otherwise(server: Addresses, http: HTTP) -> None:
    for sent, taken in (("abc-1.2_3", True), ("a b", False), ("x" * 65, False), ("", False), (None, False)):
        answer = http.get(f"{server.url}/ping", headers={"X-Request-Id": sent}, timeout=TIMEOUT)
        given = answer.headers["X-Request-Id"]
        assert given == sent if taken else UUID.fullmatch(given), (sent, given)


def test_a_header_that_is_no_text_costs_nobody_an_answer(server: Addresses) -> None:
    """TorchServe would fail the whole batch."""
    connection = http.client.HTTPConnection("127.0.0.1", server.door, timeout=TIMEOUT)
    with contextlib.closing(connection):
        connection.request("POST", "/predictions/emotion", photo_bytes("smiling"), {"X-Odd": b"\xff\xfe"})
        assert connection.getresponse().status == 200


def test_a_form_that_names_its_part_like_a_header_costs_its_neighbours_nothing(server: Addresses) -> None:
    """Sent together, so that they share batches."""

    def ask(name: str) -> int:
        return requests.post(server.predictions, files={name: photo_bytes("smiling")}, timeout=TIMEOUT).status_code

    names = ["data", "data", "X-Request-Id", "data", "data", "X-Request-Start", "data", "data"] * 3
    with ThreadPoolExecutor(len(names)) as pool:
        assert list(pool.map(ask, names)) == [200 if name == "data" else 400 for name in names]


def test_pipelined_requests_are_answered_in_their_order(server: Addresses) -> None:
    """A large photo and then a small one, at once on one connection; TorchServe alone mixes them up."""
    bodies = {"first": photo_bytes("group"), "second": b"no photo"}
    with socket.create_connection(("127.0.0.1", server.door), timeout=TIMEOUT) as connection:
        for name, body in bodies.items():
            head = (
                f"POST /predictions/emotion HTTP/1.1\r\nHost: x\r\nX-Request-Id: {name}\r\nContent-Length: {len(body)}"
            )
            connection.sendall(f"{head}\r\n\r\n".encode() + body)
        received = b""
        while received.count(b"X-Request-Id") < 2:
            received += connection.recv(2**16)
        assert received.index(b"X-Request-Id: first") < received.index(b"X-Request-Id: second")


def test_the_contract_is_served_where_it_is_written(server: Addresses, http: HTTP) -> None:
    response = http.get(f"{server.url}/openapi.json", timeout=TIMEOUT)
    assert response.status_code == 200
    assert response.text == (DOCUMENTS / "openapi.json").read_text(encoding="utf-8")


def test_the_doors_numbers_are_on_a_port_of_their_own(server: Addresses, http: HTTP) -> None:
    before = counted(server)
    http.get(f"{server.url}/nothing", timeout=TIMEOUT)
    eventually(lambda: counted(server)["GET", 404] == before["GET", 404] + 1, 5)


@pytest.mark.parametrize("sent", [b"Content-Length: 300000\r\n\r\nabc", b"Content-Length: 9\r\n\r\nabc", b"chunked"])
def test_an_upload_that_is_cut_off_is_no_failure_of_the_service(server: Addresses, sent: bytes) -> None:
    """It counts as what its caller did, or, where Caddy hears of the end first, as 200, which says nothing."""
    if sent == b"chunked":
        sent = b"Transfer-Encoding: chunked\r\n\r\nno length\r\n"
    before = counted(server)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.door), timeout=TIMEOUT) as connection:
            connection.sendall(HEAD + sent)
    eventually(lambda: sum(counted(server).values()) == sum(before.values()) + 5, 10)
    grown = counted(server) - before
    assert {code for _, code in grown} <= {200, 400, 499}, grown


def scraped(server: Addresses) -> str:
    return requests.get(f"http://127.0.0.1:{server.door_metrics}/metrics", timeout=TIMEOUT).text


def counted(server: Addresses) -> Counter[tuple[str, int]]:
    """Requests that the door has ended, by method and status."""
    labels = r'code="(\d+)",handler="subroute",method="(\w+)",server="door"'
    found = re.findall(rf"caddy_http_request_duration_seconds_count\{{{labels}\}} (\d+)", scraped(server))
    return Counter({(method, int(code)): int(count) for code, method, count in found})


HEAD = b"POST /predictions/emotion HTTP/1.1\r\nHost: x\r\n"
PART = HEAD + b"Content-Length: 300000\r\n\r\nabc"
IN_FLIGHT = r'caddy_http_requests_in_flight\{[^}]*server="door"\} [1-9]'
MARK = b"Qz9vMarker"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"GET " + MARK + b"\r\n\r\n", b"400 Bad Request"),
        (b"GET /ping HTTP/9." + MARK + b"\r\n\r\n", b"400 Bad Request"),
        (b"GET /ping HTTP/1.1\r\n" + MARK + b" x: 1\r\n\r\n", b"400 Bad Request"),
        (b"GET /ping HTTP/1.1\r\nHost: " + MARK + b" x\r\n\r\n", b"400 Bad Request"),
        (HEAD + b"Transfer-Encoding: " + MARK + b"\r\n\r\n", b"501 Not Implemented"),
        (HEAD + b"X: " + 2500 * MARK + b"\r\n\r\n", b"431 Request Header Fields Too Large"),
    ],
    ids=["line", "version", "header", "host", "transfer coding", "too large"],
)
def test_what_is_no_request_is_answered_in_plain_words_and_quotes_nothing(
    server: Addresses, sent: bytes, expected: bytes
) -> None:
    """By Go's parser, before Caddy sees anything of it: there is nothing to set. The README says so."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.door), timeout=TIMEOUT) as connection:
        connection.sendall(sent)
        # Where more was sent than read, the end is a reset.
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                answer += piece
    head, _, text = answer.partition(b"\r\n\r\n")
    status_line, *headers = head.split(b"\r\n")
    assert status_line.startswith(b"HTTP/1.1 " + expected), answer
    assert set(headers) <= {b"Content-Type: text/plain; charset=utf-8", b"Connection: close"}, answer
    assert len(text) < 60 and MARK not in answer and b"caddy" not in answer.lower(), answer


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Addresses]:
    """A door with nothing behind it, which gives an upload two seconds."""
    monkeypatch.setenv("DOOR_UPLOAD", "2s")
    monkeypatch.setenv("DOOR_LEAVING", "0.5s")
    addresses = free_addresses()
    with door(addresses):
        eventually(lambda: status(f"{addresses.url}/ping", 3) == 503, 20, every=0.05)
        yield addresses


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

    with contextlib.ExitStack() as stack:
        for port in (addresses.inference, addresses.management):
            server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", port), Behind))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        stack.enter_context(door(addresses))
        for _ in range(5):
            ready.clear()
            eventually(lambda: requests.post(addresses.predictions, data=b"x", timeout=TIMEOUT).status_code == 503, 20)
            eventually(lambda: status(f"{addresses.url}/ping") == 503, 20)
            ready.set()
            eventually(lambda: status(f"{addresses.url}/ping") == 200, 20, every=0.01)
            assert requests.post(addresses.predictions, data=b"x", timeout=TIMEOUT).status_code == 200


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
    with contextlib.ExitStack() as open_:
        for port in (addresses.inference, addresses.management):
            upstream = open_.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", port), Upstream))
            threading.Thread(target=upstream.serve_forever).start()
            open_.callback(upstream.shutdown)
        open_.enter_context(door(addresses))
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


def test_a_client_cannot_have_the_doors_own_headers_left_out(server: Addresses, http: HTTP) -> None:
    headers = {"Connection": "X-Detail, X-Request-Start, X-Request-Id, Content-Type"}
    asked = f"{server.predictions}?detail=odd"
    answer = http.post(asked, data=photo_bytes("smiling"), headers=headers, timeout=TIMEOUT)
    assert_error(answer, 400, "invalid_parameter")
