"""Forms are taken apart within bounds, and what is broken is an error."""

import pytest
import requests

from emotion.errors import EmptyBody, UnreadableForm
from handler.forms import MAX_PARTS, photo_of

PHOTO = b"\xff\xd8 \r\n--not-the-end\r\n\r\n \xff\xd9"


def form(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


DATA = b'Content-Disposition: form-data; name="data"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + PHOTO


@pytest.mark.parametrize(
    "sent",
    [
        form(DATA),
        b"what comes before is not read\r\n" + form(DATA),
        form(b'Content-Disposition: form-data; name="X-Request-Id"\r\n\r\nx', DATA),
        form(b"\r\nno headers", DATA),
        form(b"Content-Disposition: form-data; name=data; filename*=nope''x\r\n\r\n" + PHOTO),
        form(b"content-disposition:form-data;name=data\r\nContent-Type: text/plain; charset=nope\r\n\r\n" + PHOTO),
        form(DATA, b"\r\nafterwards"),
        form(b"Content-Disposition: form-data; name*=a; name*0=b\r\n\r\nx", DATA),
        form(DATA)[:-7] + b"--b without an end",
        form(DATA, b"Content-Disposition: form-data; name=data\r\n\r\n"),
        form(b"Content-Disposition: form-data; name=data\r\n\r\n", DATA),
        form(DATA, *[b"\r\nx"] * MAX_PARTS),
    ],
)
def test_the_photo_is_found(sent: bytes) -> None:
    assert photo_of(sent, "b") == PHOTO
    assert photo_of(bytearray(sent), "b") == PHOTO


def test_what_a_library_writes_is_read() -> None:
    request = requests.Request("POST", "http://x", files={"data": ("ö.jpg", PHOTO), "other": b"1"}).prepare()
    assert isinstance(request.body, bytes)
    assert photo_of(request.body, request.headers["Content-Type"].partition("boundary=")[2]) == PHOTO


@pytest.mark.parametrize(
    "sent", [form(), form(b'Content-Disposition: form-data; name="photo"\r\n\r\n' + PHOTO), form(b"\r\n" + PHOTO)]
)
def test_a_form_without_the_field_says_which(sent: bytes) -> None:
    error = photo_of(sent, "b")
    assert isinstance(error, EmptyBody)
    assert "no field 'data'" in str(error)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"garbage",
        b"--b",
        b"--bb\r\n" + DATA,
        b"--b\r\n" + DATA,
        b"--b\r\n" + DATA[:30],
        b"--b\r\nA: " + bytes(5000) + b"\r\n\r\nx\r\n--b--\r\n",
        form(*[b"\r\nx"] * MAX_PARTS, DATA),
    ],
)
def test_a_broken_form_is_an_error(sent: bytes) -> None:
    assert isinstance(photo_of(sent, "b"), UnreadableForm)


def test_a_second_photo_is_not_left_out_silently() -> None:
    error = photo_of(form(DATA, DATA), "b")
    assert isinstance(error, UnreadableForm)
    assert "send each photo in its own request" in str(error)


def test_an_empty_photo_is_found_empty() -> None:
    assert photo_of(form(b"Content-Disposition: form-data; name=data\r\n\r\n"), "b") == b""


def test_a_quarter_of_a_million_parts_are_not_looked_at() -> None:
    """Four such bodies stopped TorchServe's own reading for twenty seconds."""
    sent = form(*[b'Content-Disposition: form-data; name="a"\r\n\r\n'] * 240_000)
    assert isinstance(photo_of(sent, "b"), UnreadableForm)
