"""What the door lets through, and what it says in place of everything that it does not."""

import contextlib
import http.client
import http.server
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from serving.addresses import Addresses
from serving.door import DOCUMENTS
from tests.conftest import photo_bytes
from tests.integration.doors import HEAD, HTTP, MARK, TIMEOUT, assert_discreet, assert_error, counted
from tests.integration.watching import eventually

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


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


def test_a_form_whose_header_cannot_be_read_costs_its_neighbours_nothing(server: Addresses) -> None:
    odd = b"--b\r\nContent-Disposition: form-data; name*=a; name*0=b\r\n\r\nx\r\n--b--\r\n"

    def ask(body: bytes) -> int:
        headers = {"Content-Type": "multipart/form-data; boundary=b"} if body is odd else {}
        return requests.post(server.predictions, data=body, headers=headers, timeout=TIMEOUT).status_code

    sent = [photo_bytes("smiling"), odd] * 12
    with ThreadPoolExecutor(len(sent)) as pool:
        assert list(pool.map(ask, sent)) == [400 if body is odd else 200 for body in sent]


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


def test_a_client_cannot_have_the_doors_own_headers_left_out(server: Addresses, http: HTTP) -> None:
    headers = {"Connection": "X-Detail, X-Request-Start, X-Request-Id, Content-Type"}
    asked = f"{server.predictions}?detail=odd"
    answer = http.post(asked, data=photo_bytes("smiling"), headers=headers, timeout=TIMEOUT)
    assert_error(answer, 400, "invalid_parameter")
