"""Files made to crash a decoder, or to cost it minutes or gigabytes: refused, or decoded without what they hide."""

import os
import re
import resource
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from emotion import containers
from emotion.containers import MAX_PARTS, Rebuilt, rebuilt
from emotion.contract import MAX_BODY, MAX_PIXELS, MAX_SIDE
from emotion.errors import ImageTooLarge, InvalidImage, TruncatedImage, UnsupportedFormat
from emotion.image import decode
from serving.addresses import Addresses
from serving.torchserve import _environment
from tests.conftest import ROOT, encoded
from tests.drill import fuzz

ORIENTATION = 0x0112


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_of(width: int, height: int, depth: int, colour_type: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return b"".join((containers.PNG, chunk(b"IHDR", header), *chunks, chunk(b"IEND")))


def frame_header(width: int, height: int) -> bytes:
    return b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\x00"


def animated(channels: int) -> bytes:
    """A picture of 16×16 and an animation whose first frame has a row of filter 5; OpenCV 5.0.0 dies of it."""
    rows = bytes(16 * (1 + 16 * channels))
    frame = struct.pack(">IIIIIHHBB", 0, 16, 16, 0, 0, 1, 10, 0, 0)
    return png_of(
        *(16, 16, 8, {3: 2, 4: 6}[channels]),
        chunk(b"acTL", struct.pack(">II", 2, 0)),
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"fcTL", frame),
        chunk(b"fdAT", struct.pack(">I", 1) + zlib.compress(b"\5" + rows[1:])),
    )


def decoded(data: bytes | bytearray, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    assert found is not None
    return found


def alone(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, so that a crash ends that and not the tests."""
    command = [sys.executable, "-c", code, *arguments]
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=variables)


@pytest.mark.parametrize("channels", [3, 4], ids=["RGB", "RGBA"])
def test_an_animation_is_decoded_as_its_first_frame(tmp_path: Path, channels: int) -> None:
    file = tmp_path / "animated.png"
    file.write_bytes(animated(channels))
    code = "import sys; from pathlib import Path; from emotion.image import decode; "
    result = alone(code + "print(decode(Path(sys.argv[1]).read_bytes()).shape)", str(file))
    assert result.returncode == 0, (result.returncode, result.stderr)
    assert result.stdout == "(16, 16, 3)\n"


def test_a_frame_hidden_from_our_reading_is_refused() -> None:
    """FF 00: a segment with a length for whom does not know better, two bytes of nothing for libjpeg."""
    hidden = encoded(Image.new("L", (400, 300)), "JPEG")[2:-2]
    segment = b"\xff\x00" + struct.pack(">H", len(hidden) + 2) + hidden
    picture = encoded(Image.new("L", (64, 64)), "JPEG")
    data = picture[:2] + segment + picture[2:]
    assert decoded(data).shape == (300, 400, 3)
    with pytest.raises(InvalidImage):
        rebuilt(data)


@pytest.mark.parametrize("marker", [0x00, 0x01, 0x02, 0xC3, 0xC5, 0xC8, 0xC9, 0xCC, 0xD0, 0xD8, 0xDC, 0xF0])
@pytest.mark.parametrize("place", ["before the scan", "between scans"])
def test_markers_that_no_photograph_has_are_refused(marker: int, place: str) -> None:
    picture = encoded(Image.new("L", (64, 64)), "JPEG", progressive=True)
    at = 2 if place == "before the scan" else picture.rindex(b"\xff\xda")
    data = picture[:at] + bytes((0xFF, marker, 0, 4, 0, 0)) + picture[at:]
    with pytest.raises(InvalidImage):
        decode(data)


@pytest.mark.parametrize("place", ["before the scan", "between scans"])
def test_a_second_frame_header_is_refused(place: str) -> None:
    picture = encoded(Image.new("L", (64, 64)), "JPEG", progressive=True)
    at = picture.index(b"\xff\xda") if place == "before the scan" else picture.rindex(b"\xff\xda")
    with pytest.raises(InvalidImage, match="two frame headers"):
        decode(picture[:at] + frame_header(64, 64) + picture[at:])


def test_a_picture_of_another_size_than_the_header_says_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the decoder ever read a file otherwise than we do."""
    picture = encoded(Image.new("L", (64, 64)), "JPEG")
    monkeypatch.setattr(containers, "rebuilt", lambda data: Rebuilt(data, 64, 65))
    with pytest.raises(InvalidImage):
        decode(picture)


LONG = 5.0
"""Seconds of a processor: a hundred times what such a file costs, and far below what it would cost a naive reader."""


def test_texts_are_never_inflated() -> None:
    text = zlib.compress(bytes(7_900_000), 9)
    bombs = [chunk(b"zTXt", b"a\0\0" + text), chunk(b"iTXt", b"a\0\1\0\0\0" + text), chunk(b"iCCP", b"a\0\0" + text)]
    picture = encoded(Image.linear_gradient("L").resize((64, 64)))
    data = picture[:33] + b"".join(bombs * 300) + picture[33:]
    assert len(data) > 6_000_000
    before, started = _peak_memory(), time.process_time()
    np.testing.assert_array_equal(decode(data), decode(picture))
    assert time.process_time() - started < LONG
    assert _peak_memory() - before < 100e6


def _peak_memory() -> float:
    """Bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize(("side", "allowed"), [(5000, 20), (2000, 100), (64, 100)])
def test_the_scans_of_a_progressive_photo_are_counted(side: int, allowed: int) -> None:
    picture = encoded(Image.new("L", (64, 64)), "JPEG", progressive=True)
    start = picture.index(b"\xff\xc2")
    picture = picture[: start + 5] + struct.pack(">HH", side, side) + picture[start + 9 :]
    last = picture[picture.rindex(b"\xff\xda") : -2]
    spare = allowed - picture.count(b"\xff\xda")
    rebuilt(picture[:-2] + last * spare + picture[-2:])
    for scans in (spare + 1, 5000):
        started = time.process_time()
        with pytest.raises(ImageTooLarge, match=rf"more than {allowed} scans .* save it as baseline JPEG"):
            decode(picture[:-2] + last * scans + picture[-2:])
        assert time.process_time() - started < LONG


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_largest_progressive_photos_that_editors_write_are_not_refused(mode: str) -> None:
    picture = encoded(Image.new(mode, (64, 64)), "JPEG", progressive=True)
    start = picture.index(b"\xff\xc2")
    rebuilt(picture[: start + 5] + struct.pack(">HH", 5000, MAX_PIXELS // 5000) + picture[start + 9 :])


def test_fill_bytes_cost_next_to_nothing(smiling: Image.Image) -> None:
    picture = encoded(smiling, "JPEG")
    decode(picture)
    for data in (picture[:2] + b"\xff" * (MAX_BODY - len(picture)) + picture[2:], picture[:2] + b"\xff" * MAX_BODY):
        started = time.process_time()
        try:
            assert decode(data).shape == (512, 512, 3)
        except TruncatedImage:
            assert not data.endswith(b"\xff\xd9")
        assert time.process_time() - started < LONG


@pytest.mark.parametrize(
    "data",
    [
        png_of(64, 64, 8, 0, *[chunk(b"IDAT")] * MAX_PARTS),
        png_of(64, 64, 8, 0, *[chunk(b"zTXt")] * 1_000_000),
        b"\xff\xd8" + b"\xff\xfe\x00\x02" * 4_000_000,
        b"\xff\xd8" + b"\xff\xdd\x00\x04\x00\x01" * 2_000_000,
    ],
    ids=["empty chunks", "texts", "comments", "restart intervals"],
)
def test_a_file_of_nothing_but_parts_is_refused_at_once(data: bytes) -> None:
    started = time.process_time()
    with pytest.raises(InvalidImage, match=f"more than {MAX_PARTS:,} "):
        decode(data)
    assert time.process_time() - started < LONG


@pytest.mark.parametrize(
    ("size", "depth", "colour_type", "transparent", "good"),
    [
        ((5000, 5000), 8, 2, False, True),
        ((5000, 5000), 8, 6, False, True),
        ((5000, 5000), 8, 3, True, True),
        ((5000, 5000), 16, 0, False, True),
        ((5000, 5000), 16, 2, False, False),
        ((4000, 4000), 16, 2, False, True),
        ((5000, 5000), 16, 6, False, False),
        ((5000, 5000), 16, 4, False, False),
        ((5000, 5000), 16, 0, True, False),
        ((4000, 3125), 16, 6, False, True),
    ],
)
def test_what_a_png_would_take_uncompressed_is_bounded(
    size: tuple[int, int], depth: int, colour_type: int, transparent: bool, good: bool
) -> None:
    data = png_of(*size, depth, colour_type, *[chunk(b"tRNS", b"\0\0")] * transparent, chunk(b"IDAT"))
    with pytest.raises(
        InvalidImage if good else ImageTooLarge,
        match="damaged" if good else "the limit is 100 MB; send it with 8 bits a channel",
    ):
        decode(data)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
def test_a_png_keeps_its_picture(mode: str) -> None:
    grey = Image.linear_gradient("L")
    picture = Image.merge("RGB", (grey, grey.rotate(90), grey.rotate(180))).convert(mode.replace("I;16", "L"))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 200)
    data = encoded(picture, gamma=0.45, icc_profile=bytes(200), dpi=(72, 72))
    assert not any(kind in rebuilt(data).data for kind in (b"gAMA", b"iCCP", b"pHYs"))
    for flags in (cv2.IMREAD_COLOR, cv2.IMREAD_UNCHANGED):
        np.testing.assert_array_equal(decoded(rebuilt(data).data, flags), decoded(data, flags))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "YCbCr"])
def test_a_jpeg_keeps_its_picture(mode: str, progressive: bool) -> None:
    grey = Image.linear_gradient("L")
    picture = Image.merge("RGB", (grey, grey.rotate(90), grey.rotate(180))).convert(mode)
    options = {"comment": b"taken by somebody", "icc_profile": bytes(100_000), "progressive": progressive}
    data = encoded(picture, "JPEG", restart_marker_blocks=3, **options) + b"and a film"
    small = rebuilt(data).data
    assert len(small) < len(data) - 100_000
    assert b"somebody" not in small
    np.testing.assert_array_equal(decoded(small), decoded(data))


def test_colours_stored_as_they_are_stay_so() -> None:
    """Adobe's segment says that three channels are red, green and blue."""
    data = encoded(Image.new("RGB", (64, 64), (200, 30, 90)), "JPEG", keep_rgb=True, quality=100)
    assert np.abs(decode(data)[32, 32].astype(int) - [90, 30, 200]).max() <= 2


def test_a_photo_is_turned_whatever_stands_before_its_orientation() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    jpeg = encoded(Image.new("L", (64, 32)), "JPEG", exif=exif)
    other = b"\xff\xe1\x00\x20" + b"http://ns.adobe.com/xap/1.0/\0\0"[:30]
    assert decode(jpeg[:2] + other + jpeg[2:]).shape == (64, 32, 3)
    last = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    png = encoded(Image.new("L", (64, 32)))
    assert decode(png[:-12] + last + png[-12:]).shape == (64, 32, 3)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP file of these chunks."""
    content = b"WEBP" + b"".join(
        kind + len(body).to_bytes(4, "little") + body + bytes(len(body) % 2) for kind, body in chunks
    )
    return b"RIFF" + len(content).to_bytes(4, "little") + content


def chunks_of(data: bytes | bytearray) -> list[tuple[bytes, bytes]]:
    found, position = [], 12
    while position < len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        found.append((bytes(data[position : position + 4]), bytes(data[position + 8 : position + 8 + length])))
        position += 8 + length + length % 2
    return found


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_webp_keeps_its_picture_and_nothing_else(mode: str, lossless: bool) -> None:
    grey = Image.linear_gradient("L")
    picture = Image.merge(mode, (grey, grey.rotate(90), grey.rotate(180), grey.rotate(270))[: len(mode)])
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = encoded(
        picture, "WEBP", lossless=lossless, exif=exif, icc_profile=bytes(50_000), xmp=b"taken by somebody" * 100
    )
    small = rebuilt(data + b"and a film").data
    assert len(small) < len(data) - 50_000
    assert b"somebody" not in small and b"film" not in small
    assert {kind for kind, _ in chunks_of(small)} <= {b"VP8X", b"ALPH", b"VP8 ", b"VP8L", b"EXIF"}
    for flags in (cv2.IMREAD_COLOR, cv2.IMREAD_UNCHANGED):
        np.testing.assert_array_equal(decoded(small, flags), decoded(data, flags))


def test_a_webp_of_nothing_but_chunks_is_refused_at_once() -> None:
    data = riff(*[(b"JUNK", b"")] * 1_000_000)
    started = time.process_time()
    with pytest.raises(InvalidImage, match=f"more than {MAX_PARTS:,} "):
        decode(data)
    assert time.process_time() - started < LONG


def test_a_webp_hides_no_second_picture_and_no_animation() -> None:
    (picture,) = chunks_of(encoded(Image.new("RGB", (64, 48), (9, 9, 9)), "WEBP"))
    still = riff(picture, picture, (b"ANMF", bytes(64)))
    assert chunks_of(rebuilt(still).data) == [picture]
    features = bytes((0x02, 0, 0, 0, 63, 0, 0, 47, 0, 0))
    with pytest.raises(UnsupportedFormat, match="animated"):
        rebuilt(riff((b"VP8X", features), (b"ANIM", bytes(6)), (b"ANMF", bytes(64)), picture))


def test_a_webp_whose_chunk_is_longer_than_the_file_is_truncated() -> None:
    data = bytearray(encoded(Image.new("RGB", (64, 48)), "WEBP"))
    data[16:20] = (0xFFFFFFF0).to_bytes(4, "little")
    with pytest.raises(TruncatedImage, match="within one of its chunks"):
        decode(data)


def test_an_extended_webp_says_what_it_is_in_full() -> None:
    (picture,) = chunks_of(encoded(Image.new("RGB", (64, 48)), "WEBP"))
    with pytest.raises(InvalidImage, match="too short"):
        decode(riff((b"VP8X", bytes(4)), picture))


def test_the_fuzzer_breaks_webp_too() -> None:
    assert {data[8:12] for data in fuzz.seeds() if data.startswith(b"RIFF")} == {b"WEBP"}


def test_workers_decode_nothing_larger_than_the_contract_allows() -> None:
    given = _environment(Addresses(), Path("/scratch"), "127.0.0.1")
    bounds = {name: value for name, value in given.items() if name.startswith("OPENCV_IO_MAX_IMAGE")}
    assert list(bounds.values()) == [str(MAX_PIXELS), str(MAX_SIDE), str(MAX_SIDE)]
    code = """
import cv2, numpy as np
def decoded(height, width):
    try:
        return cv2.imdecode(cv2.imencode(".png", np.zeros((height, width), np.uint8))[1], cv2.IMREAD_COLOR) is not None
    except cv2.error:
        return False
print(decoded(5000, 5000), decoded(5001, 5000), decoded(16, 16384), decoded(16, 16385), decoded(16385, 16))
"""
    assert alone(code, **bounds).stdout == "True False True False False\n"


def test_files_broken_at_random_raise_nothing_but_our_errors() -> None:
    """In a process of its own: what is looked for may also end it."""
    command = [sys.executable, "-m", "tests.drill.fuzz", "--files", "2000", "--seed", "1"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, (result.returncode, result.stderr[-2000:])
    assert re.match(r"2000 files: [1-9]\d+ decoded, .*; 0 failures;", result.stdout), result.stdout
