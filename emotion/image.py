"""From encoded bytes to an upright colour image, with every limit checked before anything is decoded."""

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from emotion import containers, memory
from emotion.contract import FORMAT_NAMES, MAX_PIXELS, MAX_SIDE, MIN_SIDE, UNSUPPORTED_FORMAT
from emotion.errors import EmptyBody, ImageTooLarge, InvalidImage, TruncatedImage, UnsupportedFormat

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_JPEG_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_START_OF_SCAN, _JPEG_END_OF_IMAGE = 0xDA, 0xD9
_PNG_ALPHA_COLOUR_TYPES = {4, 6}
_ORIENTATION_TAG = 0x0112
_WEBP_ALPHA, _WEBP_BEFORE_PICTURE = 0x10, 2
_JPEG_STANDALONE = frozenset(range(0xD0, 0xD9)) | {0x01}
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}

MAX_MEMORY = 400_000_000
"""Bytes that decoding may take: no header says that a WebP file of 3 MB wants 65,536 Huffman tables of 12 kB."""

_STRIP = 2**16
"""Pixels that become white paper at once: small enough for the processor's cache, and four times as fast as more."""


@dataclass(frozen=True)
class Header:
    """What the file's header says: size in pixels before rotation, and whether there is transparency."""

    width: int
    height: int
    alpha: bool
    reducible: bool = False


@dataclass(frozen=True)
class Decoded:
    """An upright image, BGR uint8 `[height, width, 3]`, reduced by a whole number; the size is that of the full one."""

    pixels: np.ndarray
    reduction: int
    width: int
    height: int


def decode(data: bytes | bytearray) -> np.ndarray:
    """The upright image, BGR uint8 `[height, width, 3]`, of a JPEG, PNG or WebP file.

    EXIF rotation is applied; grey, palette and CMYK become colour, 16 bits become 8, and transparency shows white.
    Raises a subclass of `ImageError`.
    """
    return decode_reduced(data, 1 << 30).pixels


def decode_reduced(data: bytes | bytearray, long_side: float) -> Decoded:
    """As `decode`, but a JPEG file is decoded at 1/2, 1/4 or 1/8 of its size as long as `long_side` pixels are left.

    libjpeg leaves out the work that a smaller image does not need: half the size costs a third of the time.
    """
    data = containers.rebuilt(data)
    header = read_header(data)
    _check_size(header)
    allowed = max(header.width, header.height) / long_side if header.reducible else 1.0
    reduction = max((factor for factor in _REDUCED if factor <= allowed), default=1)
    pixels = _decode(data, header, reduction)
    height, width = pixels.shape[:2]
    if reduction > 1:
        # Rotated by EXIF if the decoded sides are those of the header in the other order.
        upright = (math.ceil(header.width / reduction), math.ceil(header.height / reduction)) == (width, height)
        width, height = (header.width, header.height) if upright else (header.height, header.width)
    return Decoded(pixels, reduction, width, height)


def _check_size(header: Header) -> None:
    """Raises `ImageTooLarge` or `InvalidImage` for an image that is not worth decoding."""
    if header.width * header.height > MAX_PIXELS:
        raise ImageTooLarge(
            f"image is {header.width}×{header.height} ({header.width * header.height / 1e6:.0f} Mpx); "
            f"the limit is {MAX_PIXELS / 1e6:.0f} Mpx; send it scaled down"
        )
    if max(header.width, header.height) > MAX_SIDE:
        raise ImageTooLarge(f"image is {header.width}×{header.height}; the longest side may have {MAX_SIDE} pixels")
    if min(header.width, header.height) < MIN_SIDE:
        raise InvalidImage(f"image is {header.width}×{header.height}; the shortest side must be {MIN_SIDE} or more")


def _decode(data: bytes | bytearray, header: Header, reduction: int) -> np.ndarray:
    """BGR uint8 of a file whose header is good; raises `InvalidImage` if the rest is not."""
    encoded = np.frombuffer(data, dtype=np.uint8)
    flags = _REDUCED.get(reduction, cv2.IMREAD_COLOR)
    try:
        with memory.at_most(MAX_MEMORY):
            image = _decode_alpha(encoded) if header.alpha else cv2.imdecode(encoded, flags)
    except (cv2.error, MemoryError):
        image = None
    expected = sorted(math.ceil(side / reduction) for side in (header.height, header.width))
    if image is None or sorted(image.shape[:2]) != expected:
        raise InvalidImage("the image is damaged and cannot be decoded")
    return image


def read_header(data: bytes | bytearray) -> Header:
    """Size and transparency from the header of a file that `containers.rebuilt` returned, decoding nothing.

    Raises `EmptyBody`, `UnsupportedFormat`, `TruncatedImage` or `InvalidImage`.
    """
    if not data:
        raise EmptyBody(f"the request holds no image; send the bytes of a {FORMAT_NAMES} file")
    if data.startswith(_PNG):
        return _read_png(data)
    if data.startswith(_JPEG):
        return _read_jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _read_webp(data)
    raise UnsupportedFormat(f"the file is {UNSUPPORTED_FORMAT.when}")


def _read_png(data: bytes | bytearray) -> Header:
    """PNG specification, 5: chunks of length, type, data, checksum, from IHDR to IEND."""
    if len(data) < 33:
        raise TruncatedImage("the PNG file ends within its header")
    if data[12:16] != b"IHDR":
        raise InvalidImage("the PNG file does not begin with an image header")
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    alpha = data[25] in _PNG_ALPHA_COLOUR_TYPES
    position = len(_PNG)
    for _ in range(containers.MAX_PARTS):
        if data[position + 4 : position + 8] == b"IEND":
            return Header(width, height, alpha)
        alpha = alpha or data[position + 4 : position + 8] == b"tRNS"
        position += 12 + int.from_bytes(data[position : position + 4], "big")
        if position + 8 > len(data):
            raise TruncatedImage("the PNG file ends before its last chunk; send it again")
    raise InvalidImage(f"the PNG file has more than {containers.MAX_PARTS:,} chunks")


def _read_jpeg(data: bytes | bytearray) -> Header:
    """ITU-T T.81, annex B: marker segments up to the first scan, which must be followed by an end of image.

    The end is looked for after the main image's scan has begun: an EXIF thumbnail has an end of its own.
    """
    size: tuple[int, int] | None = None
    position = len(_JPEG)
    for _ in range(containers.MAX_PARTS):
        if position + 4 > len(data):
            raise TruncatedImage("the JPEG file ends within its header; send it again")
        if data[position] != 0xFF:
            raise InvalidImage("the JPEG file is damaged: a marker is missing")
        marker = data[position + 1]
        if marker in _JPEG_STANDALONE:
            position += 2
            continue
        if marker == _JPEG_START_OF_SCAN:
            if size is None:
                raise InvalidImage("the JPEG file is damaged: it has no frame header")
            if data.find(bytes((0xFF, _JPEG_END_OF_IMAGE)), position) < 0:
                raise TruncatedImage("the JPEG file ends before the image does; send it again")
            return Header(*size, alpha=False, reducible=True)
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _JPEG_START_OF_FRAME and position + 9 <= len(data):
            height, width = (int.from_bytes(data[position + at : position + at + 2], "big") for at in (5, 7))
            size = (width, height)
        position += 2 + length
    raise InvalidImage(f"the JPEG file has more than {containers.MAX_PARTS:,} segments before its image")


def _read_webp(data: bytes | bytearray) -> Header:
    """RFC 9649: chunks of type, length and data in a RIFF container. The size is that of the image's own bitstream.

    An extended file (`VP8X`) states the size a second time, and whether there is transparency.
    """
    position, alpha = 12, False
    canvas: tuple[int, int] | None = None
    for _ in range(_WEBP_BEFORE_PICTURE + 1):
        kind, begin = bytes(data[position : position + 4]), position + 8
        if begin + 10 > len(data):
            break
        if kind == b"VP8X":
            alpha = bool(data[begin] & _WEBP_ALPHA)
            width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (begin + 4, begin + 7))
            canvas = (width, height)
        elif kind in {b"VP8 ", b"VP8L"}:
            if kind == b"VP8 ":
                width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (begin + 6, begin + 8))
            else:
                bits = int.from_bytes(data[begin + 1 : begin + 5], "little")
                width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
                alpha = alpha or bool(bits >> 28 & 1)
            if canvas not in {None, (width, height)}:
                raise InvalidImage("the WebP file is damaged: it states two sizes")
            return Header(width, height, alpha)
        length = int.from_bytes(data[position + 4 : begin], "little")
        position = begin + length + length % 2
    raise InvalidImage("the WebP file is damaged: it holds no image")


def _decode_alpha(encoded: np.ndarray) -> np.ndarray | None:
    """BGR uint8 of an image with transparency, as it looks on white paper; None if it does not decode.

    OpenCV keeps transparency only with `IMREAD_UNCHANGED`, which does not apply the EXIF rotation; so this does.
    """
    image, kinds, metadata = cv2.imdecodeWithMetadata(encoded, flags=cv2.IMREAD_UNCHANGED)
    if image is None or image.size == 0:
        return None
    exif = [bytes(blob) for kind, blob in zip(kinds, metadata, strict=True) if kind == cv2.IMAGE_METADATA_EXIF]
    orientation = _read_orientation(exif[0]) if exif else 1
    return _upright(_on_white(image), orientation)


def _on_white(image: np.ndarray) -> np.ndarray:
    """BGR uint8 of a decoded image of one, three or four channels."""
    height, width = image.shape[:2]
    white = np.empty((height, width, 3), dtype=np.uint8)
    # In strips: of the whole, what stands between would take several times the image's own memory.
    rows = max(_STRIP // width, 1)
    for top in range(0, height, rows):
        strip = image[top : top + rows]
        white[top : top + rows] = _strip_on_white((strip >> 8).astype(np.uint8) if strip.dtype == np.uint16 else strip)
    return white


def _strip_on_white(image: np.ndarray) -> np.ndarray:
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if image.shape[2] == 3:
        return image
    missing = cv2.bitwise_not(cv2.cvtColor(image, cv2.COLOR_BGRA2BGR))
    alpha = cv2.cvtColor(cv2.extractChannel(image, 3), cv2.COLOR_GRAY2BGR)
    return cv2.bitwise_not(cv2.multiply(missing, alpha, scale=1 / 255))


def _read_orientation(exif: bytes) -> int:
    """EXIF orientation, 1 to 8, from the first directory of a TIFF structure (EXIF 2.32, 4.6.2); 1 if there is none."""
    order: Literal["little", "big"] = "little" if exif[:2] == b"II" else "big"
    directory = int.from_bytes(exif[4:8], order)
    count = int.from_bytes(exif[directory : directory + 2], order)
    for entry in range(directory + 2, min(directory + 2 + 12 * count, len(exif) - 11), 12):
        if int.from_bytes(exif[entry : entry + 2], order) == _ORIENTATION_TAG:
            orientation = int.from_bytes(exif[entry + 8 : entry + 10], order)
            return orientation if 1 <= orientation <= 8 else 1
    return 1


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """The image turned as its EXIF orientation asks."""
    if orientation in {5, 6, 7, 8}:
        image = cv2.transpose(image)
    if orientation in {2, 3, 6, 7}:
        image = cv2.flip(image, 1)
    if orientation in {3, 4, 7, 8}:
        image = cv2.flip(image, 0)
    return image
