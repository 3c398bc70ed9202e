"""The pixels of a PNG file unpacked once, with a bound on what that costs, and packed anew so that it costs no more.

A stream of 16 MB costs a decoder 1.4 s if it renews its Huffman tables every 30 bytes, and 30 s if it goes on for
16 GB behind the last pixel, which libpng reads to their end. Neither shows before the stream is unpacked, and
unpacking is most of what decoding costs; so this does it, and leaves libpng stored blocks, which it only copies.
"""

import ctypes
import struct
import zlib

from emotion.errors import InvalidImage

MAX_BLOCKS = 32_768
"""Most blocks of pixels: two for each row of the tallest image, as of an encoder that flushes behind every row.

zlib, with the memory that it takes unless told otherwise, begins one every 16,384 values or more: 6,104 of 100 MB. One
costs up to 7 µs, so that all cost 0.23 s. The end of zlib's header counts as one.
"""

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of each pixel, by colour type."""
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of each pass of an interlaced picture: the first column and row, and the steps (PNG specification, 8.2)."""

_STORED = 65_535
"""Most bytes of a stored block (RFC 1951, 3.2.4)."""
_CHUNK, _BLOCK = struct.Struct(">I4s"), struct.Struct("<BHH")
"""What begins a chunk, length and type, and a stored block: whether it is the last, length, and length inverted."""
_AROUND = _CHUNK.size + _BLOCK.size + 4
"""Bytes around each block's pixels; a checksum ends the chunk."""


def repacked(header: bytes | bytearray, before: bytes, packed: bytes, behind: bytes | memoryview) -> bytearray:
    """A PNG file: `before`, the pixels that `packed` holds, in stored blocks, and `behind`.

    `header` is the content of IHDR, `packed` that of all IDAT; what it holds more than the picture needs is left out.
    Raises `InvalidImage` if it holds less, cannot be unpacked, or has more than `MAX_BLOCKS` blocks. The checksum at
    its end is not compared: those of the chunks were, and what is behind the last pixel is not read.
    """
    size = _size(header)
    zlib_header, zlib_footer = _chunk(b"\x78\x01"), len(_chunk(bytes(4)))
    length = len(before) + len(zlib_header) + size + -(-size // _STORED) * _AROUND + zlib_footer + len(behind)
    # One piece of memory, written once: 100 MB take 60 ms to copy.
    file = bytearray(length)
    at = len(before) + len(zlib_header)
    file[:at] = before + zlib_header
    with _Unpacking(packed, file) as unpacking, memoryview(file) as view:
        for first in range(0, size, _STORED):
            count = min(_STORED, size - first)
            _CHUNK.pack_into(file, at, _BLOCK.size + count, b"IDAT")
            _BLOCK.pack_into(file, at + _CHUNK.size, first + count == size, count, count ^ 0xFFFF)
            end = at + _CHUNK.size + _BLOCK.size + count
            unpacking.read(end - count, count)
            file[end : end + 4] = zlib.crc32(view[at + 4 : end]).to_bytes(4, "big")
            at = end + 4
        file[at:] = _chunk(unpacking.checksum.to_bytes(4, "big")) + behind
    return file


def _size(header: bytes | bytearray) -> int:
    """Bytes of the pixels: of every row its filter's, and whole bytes of samples."""
    width, height, depth, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = _SAMPLES[colour_type] * depth
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = ((-(-(width - x) // across), -(-(height - y) // down)) for x, y, across, down in passes)
    return sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0 and rows > 0)


def _chunk(content: bytes) -> bytes:
    """A chunk of pixels: length, type, content, checksum."""
    return _CHUNK.pack(len(content), b"IDAT") + content + zlib.crc32(b"IDAT" + content).to_bytes(4, "big")


class _Stream(ctypes.Structure):
    """`z_stream` of zlib.h."""

    _fields_ = (
        ("next_in", ctypes.c_void_p),
        ("avail_in", ctypes.c_uint),
        ("total_in", ctypes.c_ulong),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_uint),
        ("total_out", ctypes.c_ulong),
        ("msg", ctypes.c_char_p),
        ("state", ctypes.c_void_p),
        ("zalloc", ctypes.c_void_p),
        ("zfree", ctypes.c_void_p),
        ("opaque", ctypes.c_void_p),
        ("data_type", ctypes.c_int),
        ("adler", ctypes.c_ulong),
        ("reserved", ctypes.c_ulong),
    )


_TO_BLOCK, _AT_BLOCK, _END = 5, 128, 1
"""`Z_BLOCK`, to stop where a block ends; the bit of `data_type` that says that it stopped there; `Z_STREAM_END`."""


class _Unpacking:
    """zlib's `inflate`, which Python's module offers without its counting of blocks."""

    def __init__(self, packed: bytes, into: bytearray) -> None:
        self._packed = packed
        """Held as long as zlib reads it."""
        self._into = ctypes.c_char.from_buffer(into)
        start = ctypes.cast(ctypes.c_char_p(packed), ctypes.c_void_p)
        self._stream = _Stream(next_in=start.value, avail_in=len(packed))
        self._blocks = 0

    def __enter__(self) -> "_Unpacking":
        _check(_ZLIB.inflateInit_(ctypes.byref(self._stream), _ZLIB.zlibVersion(), ctypes.sizeof(_Stream)))
        return self

    def __exit__(self, *exc: object) -> None:
        _ZLIB.inflateEnd(ctypes.byref(self._stream))
        del self._into

    @property
    def checksum(self) -> int:
        """Adler-32 of what was read."""
        return int(self._stream.adler)

    def read(self, at: int, count: int) -> None:
        """The next `count` bytes to position `at` of the file."""
        self._stream.next_out = ctypes.addressof(self._into) + at
        self._stream.avail_out = count
        while self._stream.avail_out:
            status = _ZLIB.inflate(ctypes.byref(self._stream), _TO_BLOCK)
            if status != _END or self._stream.avail_out:
                _check(status)
            self._blocks += bool(self._stream.data_type & _AT_BLOCK)
            if self._blocks > MAX_BLOCKS:
                raise InvalidImage(
                    f"the PNG file has more than {MAX_BLOCKS:,} deflate blocks; save it again, or as JPEG"
                )


def _check(status: int) -> None:
    """Of a call to zlib, which gives 0 as long as there is more to come."""
    if status:
        raise InvalidImage("the image is damaged and cannot be decoded")


def _load_zlib() -> ctypes.CDLL:
    """The one that Python's module is linked to, which may be a part of Python itself, or else the system's."""
    for name in (getattr(zlib, "__file__", None), "libz.so.1", "libz.dylib"):
        try:
            library = ctypes.CDLL(name)
            library.zlibVersion.restype = ctypes.c_char_p
            library.inflate.argtypes = (ctypes.c_void_p, ctypes.c_int)
        except (OSError, AttributeError):
            continue
        return library
    raise ImportError(
        "zlib is not to be found as a shared library (libz.so.1), which PNG files are read with; install it"
    )


_ZLIB = _load_zlib()
