"""Nothing of a photo stands anywhere but in its own answer: marked photos, sent in every form that was ever found to
leak, and a search of all that the service answers, logs, counts and keeps for the marks."""

import base64
import io
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from PIL import Image

from emotion.contract import Analysis
from serving.addresses import Addresses
from tests.conftest import encoded, photo_bytes
from tests.integration.commands import Command, running
from tests.integration.conftest import free_addresses
from tests.integration.watching import eventually

MARK = "Zq7xKfW9mark"
"""Unlike anything else that is written anywhere."""

BOUNDARY = "limit-of-the-parts"


def marked() -> bytes:
    """A photo with the mark wherever a camera writes: description, owner, comment, and a chunk after its end."""
    exif = Image.Exif()
    for tag in (0x010E, 0x013B, 0x8298, 0x9286):
        exif[tag] = MARK
    photo = Image.open(io.BytesIO(photo_bytes("smiling"))).convert("RGB")
    return encoded(photo, "JPEG", exif=exif, comment=MARK.encode()) + MARK.encode()


def part(disposition: str, *headers: str, content: bytes | None = None) -> bytes:
    """A multipart body of one part."""
    head = "\r\n".join([f"--{BOUNDARY}", f"Content-Disposition: {disposition}", *headers, "", ""])
    body = marked() if content is None else content
    return head.encode("latin-1") + body + f"\r\n--{BOUNDARY}--\r\n".encode()


FORM = f"multipart/form-data; boundary={BOUNDARY}"
RAW = "application/octet-stream"
URLENCODED = "application/x-www-form-urlencoded"

Sent = tuple[str, dict[str, str], bytes]
"""Path, headers, body."""

PATH = "/predictions/emotion"

JSON = "application/json"

WAYS: dict[str, Sent] = {
    "raw": (PATH, {"Content-Type": RAW}, marked()),
    "broken": (PATH, {"Content-Type": RAW}, marked()[:4000]),
    "the mark first": (PATH, {"Content-Type": RAW}, MARK.encode() + marked()),
    "form-encoded": (PATH, {"Content-Type": URLENCODED}, marked()),
    "form-encoded, the mark first": (PATH, {"Content-Type": URLENCODED}, f"%{MARK}=%zz{MARK}&".encode() + marked()),
    "form-encoded with a charset": (PATH, {"Content-Type": f"{URLENCODED}; charset={MARK}"}, marked()),
    "field": (PATH, {"Content-Type": FORM}, part(f'form-data; name="data"; filename="{MARK}.jpg"')),
    "unnamed part": (PATH, {"Content-Type": FORM}, part(f'form-data; filename="{MARK}.jpg"')),
    "part without a disposition": (PATH, {"Content-Type": FORM}, part(MARK)),
    "part of another name": (PATH, {"Content-Type": FORM}, part(f'form-data; name="{MARK}"')),
    "filename*": (PATH, {"Content-Type": FORM}, part(f"form-data; name=\"data\"; filename*=UTF-8''{MARK}%zz")),
    "filename* of no charset": (PATH, {"Content-Type": FORM}, part(f"form-data; name=data; filename*={MARK}''{MARK}")),
    "odd charset": (
        PATH,
        {"Content-Type": FORM},
        part('form-data; name="data"', f"Content-Type: text/plain; charset={MARK}"),
    ),
    "odd transfer encoding": (
        PATH,
        {"Content-Type": FORM},
        part('form-data; name="data"; filename="x"', f"Content-Transfer-Encoding: {MARK}"),
    ),
    "odd length": (PATH, {"Content-Type": FORM}, part('form-data; name="data"', f"Content-Length: {MARK}")),
    "part called X-Request-Id": (PATH, {"Content-Type": FORM}, part('form-data; name="X-Request-Id"')),
    "text part called X-Request-Id": (
        PATH,
        {"Content-Type": FORM},
        part('form-data; name="X-Request-Id"', content=MARK.encode()),
    ),
    "part called X-Request-Start": (PATH, {"Content-Type": FORM}, part('form-data; name="X-Request-Start"')),
    "multipart that never ends": (PATH, {"Content-Type": FORM}, part('form-data; name="data"')[:-30]),
    "multipart without a part": (PATH, {"Content-Type": FORM}, marked()),
    "multipart with an odd boundary": (PATH, {"Content-Type": f"multipart/form-data; boundary={{{MARK}}}"}, marked()),
    "json": (PATH, {"Content-Type": JSON}, b'{"image": "' + base64.b64encode(marked()) + b'"}'),
    "json with text": (PATH, {"Content-Type": JSON}, json.dumps({"image": f"{MARK}!"}).encode()),
    "json with another key": (PATH, {"Content-Type": JSON}, json.dumps({MARK: MARK}).encode()),
    "no json": (PATH, {"Content-Type": JSON}, b'{"' + MARK.encode()),
    "query": (f"{PATH}?data={MARK}&{MARK}=1", {"Content-Type": RAW}, marked()),
    "another path": (f"/predictions/{MARK}", {"Content-Type": RAW}, marked()),
    "a path in the path": (f"{PATH}/{MARK}", {"Content-Type": RAW}, marked()),
    "headers": (
        PATH,
        dict.fromkeys(("X-Request-Id", "X-Request-Start", "Cookie", "User-Agent", "Referer"), f"{MARK} {MARK}"),
        marked(),
    ),
    "content encoding": (PATH, {"Content-Type": RAW, "Content-Encoding": MARK}, marked()),
    "too large": (PATH, {"Content-Type": RAW}, MARK.encode() + bytes(17 * 2**20)),
}  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Command, Addresses, Path]]:
    addresses, folder = free_addresses(), tmp_path_factory.mktemp("service")
    with running(folder, addresses) as command:
        yield command, addresses, folder


@pytest.mark.parametrize("way", WAYS)
def test_nothing_of_a_photo_stands_anywhere(way: str, service: tuple[Command, Addresses, Path]) -> None:
    command, addresses, folder = service
    path, headers, body = WAYS[way]
    response = requests.post(f"{addresses.url}{path}", data=body, headers=headers, timeout=30)
    answer = response.content
    assert set(response.json()) in ({"error"}, set(Analysis.model_fields)), answer
    given = response.headers["X-Request-Id"]
    eventually(lambda: f'"id":"{given}"' in command.output(), 10)
    places = {
        "its answer": answer + str(response.headers).encode(),
        "the log": command.log.read_bytes(),
        "TorchServe's metrics": scraped(addresses.metrics),
        "the door's metrics": scraped(addresses.door_metrics),
        **{str(each): contents(each) for each in (folder / "tmp").rglob("*")},
    }
    for place, content in places.items():
        for found in (*disguises(MARK.encode()), body[:12], marked()[:64]):
            assert found not in content, f"{place} holds {found!r}"


def test_the_search_would_find_a_mark() -> None:
    assert all(mark in b"..." + mark for mark in disguises(MARK.encode()))
    assert any(mark in base64.b64encode(b"xx" + MARK.encode()) for mark in disguises(MARK.encode()))
    assert MARK.encode() in marked()


def disguises(mark: bytes) -> list[bytes]:
    """The mark as it is, in hexadecimal, quoted for a URL, and in base64 wherever it may begin there."""
    shifted = [base64.b64encode(bytes(shift) + mark)[4 if shift else 0 : -4] for shift in range(3)]
    return [mark, mark.hex().encode(), urllib.parse.quote(mark).encode(), *shifted]


def scraped(port: int) -> bytes:
    return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30).content


def contents(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
