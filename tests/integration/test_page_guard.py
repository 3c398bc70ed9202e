"""What the page's server refuses, asked over the wire: other sites' names, and files that no page asked for."""

import asyncio
import re
import socket
from collections.abc import Iterator

import pytest
import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

from serving.addresses import Addresses
from serving.page import page
from tests.integration.conftest import free_ports

OURS = "emotion.example.com"


@pytest.fixture(scope="module")
def strangers() -> Iterator[socket.socket]:
    """Whom the page's server connects to when it asks another host than its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.fixture(scope="module")
def port(strangers: socket.socket) -> Iterator[int]:
    """Of a page that people call by a name of its own."""
    (port,) = free_ports(1)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy"):
            patch.setenv(name, f"http://127.0.0.1:{strangers.getsockname()[1]}")
        patch.setenv("no_proxy", "127.0.0.1")
        patch.setenv("EMOTION_HOSTS", f" {OURS.upper()}, other.example.com")
        with page(port, Addresses()):
            yield port


def handshake(port: int, path: str, host: str, origin: str) -> int:
    """The status that a browser's WebSocket is answered with."""
    lines = (
        *(f"GET {path} HTTP/1.1", f"Host: {host}", f"Origin: {origin}", "Connection: Upgrade", "Upgrade: websocket"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""),
    )
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return int(connection.recv(100).split()[1])


@pytest.mark.parametrize("path", ["/_stcore/stream", "/live"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 101),
        ("localhost:{port}", 101),
        ("[::1]:{port}", 101),
        ("10.1.2.3", 101),
        (OURS, 101),
        (f"{OURS}:8443", 101),
        ("evil.example", 403),
        ("evil.example:{port}", 403),
        (f"{OURS}.evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:{port}", 403),
        ("[::1", 403),
    ],
)
def test_a_site_of_another_name_that_leads_here_gets_no_connection(
    port: int, path: str, host: str, status: int
) -> None:
    """To a browser it is of the same origin (DNS rebinding)."""
    host = host.format(port=port)
    assert handshake(port, path, host, f"http://{host}") == status


@pytest.mark.parametrize("path", ["/_stcore/stream", "/live"])
def test_another_site_gets_no_connection_and_no_stranger_is_asked(
    port: int, strangers: socket.socket, path: str
) -> None:
    assert handshake(port, path, f"127.0.0.1:{port}", "https://evil.example") == 403
    with pytest.raises(BlockingIOError):
        strangers.accept()


def test_a_foreign_name_is_told_what_to_set(port: int) -> None:
    answer = requests.get(f"http://127.0.0.1:{port}/", headers={"Host": "evil.example"}, timeout=20)
    assert answer.status_code == 403
    assert "'evil.example'" in answer.text and "EMOTION_HOSTS" in answer.text


def test_a_page_under_its_own_name_is_shown(port: int) -> None:
    assert requests.get(f"http://127.0.0.1:{port}/", headers={"Host": OURS}, timeout=20).status_code == 200


async def opened(port: int, then: str) -> int:
    """Opens a session without acknowledging anything, and gives it a file; the answer's status."""
    health = await asyncio.to_thread(requests.get, f"http://127.0.0.1:{port}/_stcore/host-config", timeout=20)
    token = health.cookies.get("_streamlit_xsrf", "")
    cookies = {"Cookie": f"_streamlit_xsrf={token}"}
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    async with connect(address, subprotocols=["streamlit"], additional_headers=cookies, max_size=None) as tab:  # type: ignore[list-item]
        begin = BackMsg()
        begin.rerun_script.query_string = ""
        await tab.send(begin.SerializeToString())
        owner = ""
        while not owner:
            message = ForwardMsg()
            message.ParseFromString(bytes(await asyncio.wait_for(tab.recv(), 20)))  # type: ignore[arg-type]
            owner = message.new_session.initialize.session_id
        answer = await asyncio.to_thread(
            requests.put,
            f"http://127.0.0.1:{port}/_stcore/upload_file/{owner}/1",
            files={"file": ("a.jpg", then.encode())},
            headers=cookies | {"X-Xsrftoken": token},
            timeout=20,
        )
        assert re.search("notice on the page", answer.text), answer.text
        return answer.status_code


def test_no_file_is_taken_before_the_notice_is_acknowledged(port: int) -> None:
    assert asyncio.run(opened(port, "a photo")) == 403
