"""Closing the door's socket cuts nobody off who has just connected."""

import platform
import re
import socket
import sys

import pytest

from serving.addresses import ServerFailed
from serving.door import seconds_of
from serving.listener import can_take_no_more, listen, take_no_more

KERNEL = tuple(map(int, re.findall(r"\d+", platform.release())[:2])) if sys.platform == "linux" else (0, 0)
linux = pytest.mark.skipif(KERNEL < (5, 7), reason="only Linux from 5.7 on can be told to take no more")


@linux
def test_linux_can_be_told() -> None:
    """Without a right too: tests/image/test_images.py stops the door where it has none."""
    assert can_take_no_more()


@linux
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104, as in the container
def test_who_is_connected_is_served_and_nobody_new_connects(host: str) -> None:
    with listen(host, 0) as ours:
        port = ours.getsockname()[1]
        with ours.dup() as doors, socket.create_connection(("127.0.0.1", port), timeout=5) as waiting:
            take_no_more(ours)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=5)
            waiting.sendall(b"photo")
            taken, _ = doors.accept()
            with taken:
                assert taken.recv(5) == b"photo"
                taken.sendall(b"happy")
            assert waiting.recv(5) == b"happy"


def test_a_port_has_one_door() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", first.getsockname()[1])


@pytest.mark.parametrize(("text", "seconds"), [("8s", 8), ("750ms", 0.75), ("1.5m", 90), ("0.5s", 0.5)])
def test_how_long_it_leaves_is_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["8", "", "-1s", "soon"])
def test_how_long_it_leaves_must_be_a_duration(text: str) -> None:
    with pytest.raises(ServerFailed, match=r"DOOR_LEAVING is .* like 8s"):
        seconds_of(text)


@pytest.mark.parametrize("text", ["0s", "0ms", "499ms"])
def test_it_never_leaves_so_soon_that_requests_are_lost(text: str) -> None:
    with pytest.raises(
        ServerFailed, match=rf"DOOR_LEAVING is '{text}'; a stop of less than 0.5s .* leave it out for 1s"
    ):
        seconds_of(text)
