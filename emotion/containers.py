"""PNG, JPEG and WebP files rebuilt from the parts that a photograph needs, before a decoder sees them.

A decoder also animates, inflates comments and reads on where a file contradicts itself, and a file made for that
crashes it, or costs it minutes or gigabytes. What is rebuilt here has one header, one picture and nothing else; what
its decoding may cost is bounded. A file is read once, from its beginning to its end, and nothing of it is decoded but
that the pixels of a PNG are unpacked (`emotion.png`).

HEIC and AVIF are not read. Their pictures are put together from tiles, layers and references between boxes, which no
reading of this kind takes apart and bounds, and their decoders are large, with a history of writing beyond memory:
libheif and libde265 (what `pillow-heif` brings) as well as those of AV1. A worker must not end by a photo. The page
converts such files before it sends them (`client/photos.py`; SECURITY.md says what that means for it).
"""

import re
import struct
import zlib
from dataclasses import dataclass

from emotion import png
from emotion.contract import FORMAT_NAMES, MAX_PIXELS, MAX_SIDE, MAX_UNCOMPRESSED, MIN_SIDE, UNSUPPORTED_FORMAT
from emotion.errors import EmptyBody, ImageTooLarge, InvalidImage, TruncatedImage, UnsupportedFormat

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
RIFF, WEBP = b"RIFF", b"WEBP"

MAX_PARTS = 16_384
"""Most chunks of a PNG or a WebP or segments of a JPEG: 16 MiB in chunks of 1 KiB; encoders write 8 KiB or more."""

MAX_SCANS = 100
"""Most scans of a progressive JPEG of any size: encoders write about ten."""

MAX_SCANNED_PIXELS = 500_000_000
"""Most pixels times scans of a JPEG: twenty scans of 25 Mpx; libjpeg writes 18 in CMYK, 10 otherwise."""

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 4, 6: 4}
"""As the decoder writes them, by colour type; where colours are transparent there are four."""
_PNG_ALPHA = (4, 6)
"""Colour types with a channel of transparency."""
_PNG_BEFORE_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"eXIf")
"""Chunks before the pixels, in the order in which they are written; eXIf holds the orientation."""

_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
"""Baseline, extended and progressive. libjpeg decodes others, which no camera or editor writes."""
_SCAN, _END = 0xDA, 0xD9
_NEEDED = _FRAMES | {_SCAN, 0xC4, 0xDB, 0xDD}
"""Beside frame and scan: Huffman tables, quantization tables, restart interval."""
_APPLICATIONS = {0xE0: b"JFIF\0", 0xE1: b"Exif\0\0", 0xEE: b"Adobe"}
"""What says how colours are stored and how the photo was turned; the first of each counts."""
_SEGMENTS = _NEEDED | frozenset(range(0xE0, 0xF0)) | {0xFE}
"""All that may occur; comments, and application segments of other kinds, are left out."""

_WEBP_ANIMATION, _WEBP_ALPHA, _WEBP_EXIF = 0x02, 0x10, 0x08
"""Flags of an extended WebP."""
_WEBP_FEATURES = 10
"""Bytes in which an extended file says what it holds."""
_WEBP_PICTURES = (b"VP8 ", b"VP8L")
_WEBP_HEADER = 10
"""Bytes with which a picture begins: fewer hold none."""

_FILL = re.compile(rb"\xff++")
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""A marker behind a scan's data, in which FF 00 stands for the byte FF, and restart markers may occur."""


@dataclass(frozen=True)
class Rebuilt:
    """A file with nothing in it but its picture, colours and orientation, and what is known of it before it is decoded.

    `width`, `height`: in pixels, before rotation. `alpha`: whether there is transparency. `reducible`: whether it can
    be decoded at a part of its size.
    """

    data: bytes | bytearray
    width: int
    height: int
    alpha: bool = False
    reducible: bool = False


def rebuilt(data: bytes | bytearray) -> Rebuilt:
    """The file in `data` without what a photograph does not need.

    Raises `EmptyBody`, `UnsupportedFormat`, also for an animation, `InvalidImage`, `TruncatedImage`, or
    `ImageTooLarge` if decoding would cost more than a second.
    """
    if not data:
        raise EmptyBody(f"the request holds no image; send the bytes of a {FORMAT_NAMES} file")
    if data.startswith(PNG):
        return _rebuilt_png(data)
    if data.startswith(JPEG):
        return _rebuilt_jpeg(data)
    if data.startswith(RIFF) and data[8:12] == WEBP:
        return _rebuilt_webp(data)
    raise UnsupportedFormat(f"the file is {UNSUPPORTED_FORMAT.when}")


def _rebuilt_png(data: bytes | bytearray) -> Rebuilt:
    """PNG specification, 5: chunks of length, type, data, checksum, from IHDR to IEND.

    Checksums are the decoder's to look at, but for those of the pixels, which it sees in chunks of ours.
    """
    if len(data) < 33:
        raise TruncatedImage("the PNG file ends within its header")
    if data[8:16] != b"\0\0\0\rIHDR":
        raise InvalidImage("the PNG file does not begin with an image header")
    view = memoryview(data)
    single: dict[bytes, memoryview] = {}
    pixels: list[memoryview] = []
    position = len(PNG)
    for _ in range(MAX_PARTS):
        kind = bytes(data[position + 4 : position + 8])
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data):
            raise TruncatedImage("the PNG file ends before its last chunk; send it again")
        chunk = view[position:end]
        if kind == b"IEND":
            before = b"".join((PNG, *(single[kind] for kind in _PNG_BEFORE_PIXELS if kind in single)))
            width, height, depth, colour_type = struct.unpack_from(">IIBB", data, 16)
            transparent = b"tRNS" in single
            if _to_unpack(width, height, depth, colour_type, transparent):
                file = png.repacked(data[16:29], before, b"".join(each[8:-4] for each in pixels), chunk)
            else:
                file = bytearray().join((before, *pixels, chunk))
            return Rebuilt(file, width, height, alpha=transparent or colour_type in _PNG_ALPHA)
        if kind == b"IDAT":
            if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
                raise InvalidImage("the PNG file is damaged: a checksum of its pixels is wrong; send it again")
            pixels.append(chunk)
        else:
            single.setdefault(kind, chunk)
        position = end
    raise InvalidImage(f"the PNG file has more than {MAX_PARTS:,} chunks; save it again, or as JPEG")


def _to_unpack(width: int, height: int, depth: int, colour_type: int, transparent: bool) -> bool:
    """Whether a PNG file is of a size that is read, by its header; others are refused for that, elsewhere."""
    if colour_type not in _PNG_CHANNELS:
        raise InvalidImage("the PNG file has no known colour type")
    channels = 4 if transparent else _PNG_CHANNELS[colour_type]
    size = width * height * channels * depth // 8
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE or min(width, height) < MIN_SIDE:
        return False
    if size > MAX_UNCOMPRESSED:
        raise ImageTooLarge(
            f"image is {width}×{height} in {channels} channels of {depth} bits ({size / 1e6:.0f} MB uncompressed); "
            f"the limit is {MAX_UNCOMPRESSED / 1e6:.0f} MB; send it with 8 bits a channel"
        )
    return True


def _rebuilt_jpeg(data: bytes | bytearray) -> Rebuilt:
    """ITU-T T.81, annex B: marker segments, a frame header among them, and scans until the end of the image.

    What follows the end is left out: phones append a film.
    """
    view = memoryview(data)
    kept = [view[: len(JPEG)]]
    applications = dict(_APPLICATIONS)
    size: tuple[int, int] | None = None
    scans = 0
    position = len(JPEG)
    for _ in range(MAX_PARTS):
        marker, position = _marker(data, position)
        if marker == _END and size and scans:
            return Rebuilt(b"".join((*kept, view[position - 2 : position])), *size, reducible=True)
        if marker not in _SEGMENTS:
            raise InvalidImage("the JPEG file is damaged, or of a kind that is not read; save it again")
        end = position + _length(data, position)
        segment = view[position - 2 : end]
        if marker in _FRAMES:
            if size is not None:
                raise InvalidImage("the JPEG file is damaged: it has two frame headers")
            size = _size(segment)
        elif marker == _SCAN:
            if size is None:
                raise InvalidImage("the JPEG file is damaged: it has no frame header")
            scans += 1
            _check_scans(scans, size[0] * size[1])
            behind = _AFTER_SCAN.search(data, end)
            if behind is None:
                raise TruncatedImage("the JPEG file ends before the image does; send it again")
            end = behind.start()
            segment = view[position - 2 : end]
        if marker in _NEEDED:
            kept.append(segment)
        elif marker in applications and bytes(segment[4:10]).startswith(applications[marker]):
            kept.append(segment)
            del applications[marker]
        position = end
    raise InvalidImage(f"the JPEG file has more than {MAX_PARTS:,} segments; save it again")


def _marker(data: bytes | bytearray, position: int) -> tuple[int, int]:
    """The marker's second byte, and where what follows begins; any number of FF may stand before it."""
    if position >= len(data):
        raise TruncatedImage("the JPEG file ends within its header; send it again")
    fill = _FILL.match(data, position)
    if fill is None:
        raise InvalidImage("the JPEG file is damaged: a marker is missing")
    if fill.end() == len(data):
        raise TruncatedImage("the JPEG file ends within its header; send it again")
    return data[fill.end()], fill.end() + 1


def _length(data: bytes | bytearray, position: int) -> int:
    """Bytes of a segment behind its marker."""
    length = int.from_bytes(data[position : position + 2], "big")
    if position + max(length, 2) > len(data):
        raise TruncatedImage("the JPEG file ends within its header; send it again")
    if length < 2:
        raise InvalidImage("the JPEG file is damaged: a segment has no length")
    return length


def _size(frame: memoryview) -> tuple[int, int]:
    """Width and height by a frame header, which begins with its marker."""
    if len(frame) < 9:
        raise InvalidImage("the JPEG file is damaged: its frame header is too short")
    return int.from_bytes(frame[7:9], "big"), int.from_bytes(frame[5:7], "big")


def _check_scans(scans: int, pixels: int) -> None:
    """What has too many pixels anyway is refused for that, elsewhere."""
    allowed = min(MAX_SCANS, MAX_SCANNED_PIXELS // max(pixels, 1))
    if scans > allowed and pixels <= MAX_PIXELS:
        raise ImageTooLarge(
            f"the JPEG file has more than {allowed} scans for its {pixels / 1e6:.0f} Mpx; save it as baseline JPEG"
        )


def _rebuilt_webp(data: bytes | bytearray) -> Rebuilt:
    """RFC 9649: a picture, in an extended file with its features before it, and its orientation behind it.

    The size is that of the picture itself; the features state it a second time, and whether there is transparency.
    """
    parts = _webp_parts(data)
    features = parts.get(b"VP8X")
    if features is not None and len(features) < _WEBP_FEATURES:
        raise InvalidImage("the WebP file is damaged: its features are too short")
    if features is not None and features[0] & _WEBP_ANIMATION:
        raise UnsupportedFormat("the WebP file is animated; send one picture of it")
    picture = next((kind for kind in parts if kind in _WEBP_PICTURES), None)
    if picture is None:
        raise InvalidImage("the WebP file is damaged: it holds no image")
    kept, alpha = [picture], 0
    if features is not None:
        # The transparency of a lossy picture is a chunk of its own; a lossless one holds it.
        alpha = features[0] & _WEBP_ALPHA if picture == b"VP8L" or b"ALPH" in parts else 0
        before = [b"ALPH"] if alpha and picture == b"VP8 " else []
        behind = [b"EXIF"] if b"EXIF" in parts else []
        flags = alpha | _WEBP_EXIF * len(behind)
        parts[b"VP8X"] = memoryview(bytes((flags, 0, 0, 0)) + features[4:_WEBP_FEATURES])
        kept = [b"VP8X", *before, picture, *behind]
    width, height, translucent = _webp_header(picture, parts[picture])
    if features is not None and (width, height) != tuple(
        int.from_bytes(features[at : at + 3], "little") + 1 for at in (4, 7)
    ):
        raise InvalidImage("the WebP file is damaged: it states two sizes")
    content = b"".join((WEBP, *(_webp_chunk(kind, parts[kind]) for kind in kept)))
    file = RIFF + len(content).to_bytes(4, "little") + content
    return Rebuilt(file, width, height, alpha=bool(alpha) or translucent)


def _webp_header(kind: bytes, content: memoryview) -> tuple[int, int, bool]:
    """Width, height, and whether a lossless picture has transparency, by how its content begins."""
    if len(content) < _WEBP_HEADER:
        raise InvalidImage("the WebP file is damaged: it holds no image")
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 6)
        return width & 0x3FFF, height & 0x3FFF, False
    (bits,) = struct.unpack_from("<I", content, 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)


def _webp_parts(data: bytes | bytearray) -> dict[bytes, memoryview]:
    """The first chunk of each kind by type: up to the picture, and behind it, in an extended file, the EXIF.

    Chunks of type, length and data in a RIFF container, whose own length leaves out what follows it.
    """
    view = memoryview(data)
    stop = 8 + int.from_bytes(data[4:8], "little")
    if stop > len(data):
        raise TruncatedImage("the WebP file ends before the image does; send it again")
    parts: dict[bytes, memoryview] = {}
    position = 8 + len(WEBP)
    for _ in range(MAX_PARTS):
        complete = any(kind in parts for kind in _WEBP_PICTURES)
        if position + 8 > stop or (complete and (b"VP8X" not in parts or b"EXIF" in parts)):
            return parts
        kind = bytes(data[position : position + 4])
        begin = position + 8
        end = begin + int.from_bytes(data[position + 4 : begin], "little")
        if end > stop:
            raise TruncatedImage("the WebP file ends within one of its chunks; send it again")
        if not complete or kind == b"EXIF":
            parts.setdefault(kind, view[begin:end])
        position = end + end % 2
    raise InvalidImage(f"the WebP file has more than {MAX_PARTS:,} chunks; save it again")


def _webp_chunk(kind: bytes, content: bytes | memoryview) -> bytes:
    return b"".join((kind, len(content).to_bytes(4, "little"), content, bytes(len(content) % 2)))
