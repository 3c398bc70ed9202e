"""From encoded bytes to an upright colour image, with every limit checked before anything is decoded."""

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from emotion import containers, memory
from emotion.contract import MAX_PIXELS, MAX_SIDE, MIN_SIDE
from emotion.errors import ImageTooLarge, InvalidImage

_ORIENTATION_TAG = 0x0112
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}

MAX_MEMORY = 400_000_000
"""Bytes that decoding may take: no header says that a WebP file of 3 MB wants 65,536 Huffman tables of 12 kB."""

_STRIP = 2**16
"""Pixels that become white paper at once: small enough for the processor's cache, and four times as fast as more."""


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
    file = containers.rebuilt(data)
    _check_size(file.width, file.height)
    allowed = max(file.width, file.height) / long_side if file.reducible else 1.0
    reduction = max((factor for factor in _REDUCED if factor <= allowed), default=1)
    pixels = _decode(file, reduction)
    height, width = pixels.shape[:2]
    if reduction > 1:
        # Rotated by EXIF if the decoded sides are those of the file in the other order.
        upright = (math.ceil(file.width / reduction), math.ceil(file.height / reduction)) == (width, height)
        width, height = (file.width, file.height) if upright else (file.height, file.width)
    return Decoded(pixels, reduction, width, height)


def _check_size(width: int, height: int) -> None:
    """Raises `ImageTooLarge` or `InvalidImage` for an image that is not worth decoding."""
    if width * height > MAX_PIXELS:
        raise ImageTooLarge(
            f"image is {width}×{height} ({width * height / 1e6:.0f} Mpx); "
            f"the limit is {MAX_PIXELS / 1e6:.0f} Mpx; send it scaled down"
        )
    if max(width, height) > MAX_SIDE:
        raise ImageTooLarge(f"image is {width}×{height}; the longest side may have {MAX_SIDE} pixels")
    if min(width, height) < MIN_SIDE:
        raise InvalidImage(f"image is {width}×{height}; the shortest side must be {MIN_SIDE} or more")


def _decode(file: containers.Rebuilt, reduction: int) -> np.ndarray:
    """BGR uint8 of a file whose header is good; raises `InvalidImage` if the rest is not."""
    encoded = np.frombuffer(file.data, dtype=np.uint8)
    flags = _REDUCED.get(reduction, cv2.IMREAD_COLOR)
    try:
        with memory.at_most(MAX_MEMORY):
            image = _decode_alpha(encoded) if file.alpha else cv2.imdecode(encoded, flags)
    except (cv2.error, MemoryError):
        image = None
    expected = sorted(math.ceil(side / reduction) for side in (file.height, file.width))
    if image is None or sorted(image.shape[:2]) != expected:
        raise InvalidImage("the image is damaged and cannot be decoded")
    return image


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
