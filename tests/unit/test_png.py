"""PNG files whose pixels are packed to cost a decoder seconds, and those that encoders pack in unusual ways."""

import itertools
import time
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from emotion import png
from emotion.containers import rebuilt
from emotion.contract import MAX_SIDE
from emotion.errors import InvalidImage
from emotion.image import decode
from tests.drill.costs import ADAM7
from tests.unit.test_containers import chunk, decoded, png_of

SECONDS = 2.5
"""Of a processor; without the bound the cheapest of these files takes 5."""

DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits of a sample by colour type (PNG specification, 11.2.1)."""
TABLES = bytes.fromhex(
    "04c081000000000010ffd524000e040000000080f8af260170200000000000c47f35098003010000000020feab49"
    "001c080000000000f15f4d02e040000000000088ff6a120007020000000040fc57930038100000000000e2bf9a"
)
"""Eight deflate blocks with the smallest Huffman tables and nothing else: 91 bits each (RFC 1951, 3.2.7)."""


def grey(height: int, packed: bytes, width: int = 64) -> bytes:
    return png_of(width, height, 8, 0, chunk(b"IDAT", packed))


def zeros(*, before: bytes = b"", rows: int = 64, more: int = 0) -> bytes:
    """A zlib stream of grey rows of 64 pixels, and as many bytes `more`, with deflate blocks `before` them."""
    content = bytes(65 * rows + more)
    packer = zlib.compressobj(9, wbits=-15)
    body = packer.compress(content) + packer.flush()
    return b"\x78\x01" + before + body + zlib.adler32(content).to_bytes(4, "big")


@pytest.mark.parametrize(
    "blocks",
    [TABLES, b"\0\0\0\xff\xff", bytes.fromhex("02082080000208208000")],
    ids=["Huffman tables", "stored", "fixed tables"],
)
def test_a_picture_of_nothing_but_blocks_is_refused_at_once(blocks: bytes) -> None:
    assert zlib.decompress(zeros(before=blocks)) == bytes(65 * 64)
    data = grey(64, zeros(before=blocks * (16_000_000 // len(blocks))))
    before = time.process_time()
    with pytest.raises(InvalidImage, match="more than 32,768 deflate blocks; save it again, or as JPEG"):
        decode(data)
    assert time.process_time() - before < SECONDS


def test_what_follows_the_last_pixel_is_never_unpacked() -> None:
    """Of 4 MB libpng would unpack 4 GB, in 8 seconds."""
    file = rebuilt(grey(64, zeros(more=10_000_000))).data
    assert len(file) < 5000
    assert decoded(file).shape == (64, 64, 3)


def test_the_tallest_picture_may_have_two_blocks_a_row() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (MAX_SIDE, 64), np.uint8)
    packer = zlib.compressobj(1)
    packed = [packer.compress(b"\0" + row.tobytes()) + packer.flush(zlib.Z_SYNC_FLUSH) for row in rows]
    data = grey(MAX_SIDE, b"".join(packed) + packer.flush())
    np.testing.assert_array_equal(decode(data)[:, :, 0], rows)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("colour_type", "depth"),
    [(kind, depth) for kind, depths in DEPTHS.items() for depth in depths],
)
def test_pixels_of_every_kind_are_those_that_were_sent(colour_type: int, depth: int, interlaced: bool) -> None:
    generator = np.random.default_rng(0)
    for width, height in itertools.product((16, 19, 300, 301), (16, 21, 300)):
        bits = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type] * depth
        passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
        sizes = [(len(range(x, width, across)), len(range(y, height, down))) for x, y, across, down in passes]
        rows = [
            b"\1" + generator.bytes(-(-columns * bits // 8))
            for columns, count in sizes
            for _ in range(count)
            if columns
        ]
        header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((depth, colour_type, 0, 0, interlaced))
        palette = [chunk(b"PLTE", generator.bytes(3 * 2**depth))] * (colour_type == 3)
        packed = zlib.compress(b"".join(rows))
        pieces = [chunk(b"IDAT", packed[at : at + 1000]) for at in range(0, len(packed), 1000)]
        data = b"".join((b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *palette, *pieces, chunk(b"IEND")))
        assert rebuilt(data).data != data
        for flags in (cv2.IMREAD_COLOR, cv2.IMREAD_UNCHANGED):
            np.testing.assert_array_equal(decoded(rebuilt(data).data, flags), decoded(data, flags))


def broken(change: Callable[[bytearray], None]) -> bytes:
    packed = bytearray(zeros())
    change(packed)
    return grey(64, bytes(packed))


@pytest.mark.parametrize(
    "data",
    [
        grey(64, b""),
        grey(64, zeros()[:-8]),
        grey(64, zeros(rows=63)),
        grey(64, b"no zlib stream"),
        broken(lambda packed: packed.__setitem__(3, packed[3] ^ 0xFF)),
        grey(64, zeros()).replace(chunk(b"IDAT", zeros())[-4:], b"\0\0\0\0"),
    ],
    ids=["empty", "cut off", "a row short", "no stream", "damaged", "wrong checksum"],
)
def test_damaged_pixels_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidImage, match="damaged"):
        decode(data)


def test_blocks_are_counted_as_zlib_makes_them() -> None:
    """Or the bound would hold for nothing: a file with some more blocks than are let through, each of a stored byte."""
    rows = (png.MAX_BLOCKS - 1) // 65
    stored = b"".join(b"\0\1\0\xfe\xff\0" for _ in range(65 * rows))
    good = b"\x78\x01" + stored + b"\3\0" + bytes(4)
    decode(grey(rows, good))
    with pytest.raises(InvalidImage, match="deflate blocks"):
        decode(grey(rows, good.replace(b"\x78\x01", b"\x78\x01" + b"\0\0\0\xff\xff" * 66)))
