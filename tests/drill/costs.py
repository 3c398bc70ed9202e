"""The dearest files that are accepted, one of each kind: `python -m tests.drill.costs`.

Each is analysed in a process of its own, which has loaded the models and read a photo before. Counted are the
processor's seconds, and how far the process's memory rises above what it held before.
"""

import contextlib
import io
import multiprocessing
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from bench.common import ROOT
from bench.service import one_face
from emotion.classifier import OnnxClassifier
from emotion.containers import MAX_SCANNED_PIXELS
from emotion.contract import MAX_BODY, MAX_PIXELS, MAX_UNCOMPRESSED
from emotion.errors import ImageError
from emotion.png import MAX_BLOCKS
from serving.torchserve import LARGEST_IMAGE, ONE_THREAD
from tests.drill.rows import Row
from training import third_party

SECONDS, MEGABYTES = 1.0, 400.0
"""What one photo may cost of a core, and of memory."""

SIDE = int(MAX_PIXELS**0.5)

ImageFile.MAXBLOCK = 2**27  # or Pillow cannot write noise as a progressive JPEG


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def largest(encode: Callable[[int], bytes]) -> bytes:
    """`encode` of the highest of some qualities that may be sent."""
    for quality in (95, 80, 65, 50, 35, 20, 5):
        # WebP's encoder cannot write noise of a high quality at all.
        with contextlib.suppress(ValueError):
            data = encode(quality)
            if len(data) <= MAX_BODY:
                return data
    raise AssertionError("not even the lowest quality may be sent")


def jpeg(mode: str, *, progressive: bool = False) -> bytes:
    """Noise at full size, as much of it as a request may hold."""
    channels = {"L": (), "RGB": (3,), "CMYK": (4,)}[mode]
    image = Image.fromarray(noise(SIDE, SIDE, *channels), mode)
    return largest(lambda quality: saved(image, "JPEG", quality=quality, subsampling=0, progressive=progressive))


def scans() -> bytes:
    """A progressive JPEG whose last scan is repeated as often as is let through."""
    data = jpeg("L", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    spare = MAX_SCANNED_PIXELS // MAX_PIXELS - data.count(b"\xff\xda")
    more = min(spare, (MAX_BODY - len(data)) // max(len(last), 1))
    return data[:-2] + last * more + data[-2:]


def png(channels: int, depth: int, *, interlaced: bool, random: bool) -> bytes:
    """As many pixels as are let through, of every row's dearest filter; `random` ones as long as they fit."""
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    side = int(min(MAX_PIXELS, MAX_UNCOMPRESSED * 8 // (channels * depth)) ** 0.5)
    bytes_each = channels * depth // 8
    generator = np.random.default_rng(0)
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    packed = zlib.compressobj(1)
    out, left = [], MAX_BODY - 10_000
    for x, y, across, down in passes:
        width, height = -(-(side - x) // across), -(-(side - y) // down)
        for _ in range(height):
            row = generator.bytes(width * bytes_each) if random and left > 0 else bytes(width * bytes_each)
            left -= len(row) if random else 0
            out.append(packed.compress(b"\4" + row))  # 4: Paeth, the dearest
    out.append(packed.flush())
    header = side.to_bytes(4, "big") * 2 + bytes((depth, colour_type, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"".join(out)) + chunk(b"IEND", b"")


def blocks() -> bytes:
    """A PNG whose pixels stand in as many deflate blocks as are let through, of Huffman tables for every value."""
    side = int((MAX_UNCOMPRESSED // 4) ** 0.5)
    raw = memoryview((b"\4" + bytes(range(256)) + bytes(4 * side - 256)) * side)
    packer = zlib.compressobj(9, strategy=zlib.Z_RLE)
    step = len(raw) // (MAX_BLOCKS - 100) + 1
    pieces = (packer.compress(raw[at : at + step]) + packer.flush(zlib.Z_BLOCK) for at in range(0, len(raw), step))
    header = side.to_bytes(4, "big") * 2 + bytes((8, 6, 0, 0, 0))
    packed = b"".join(pieces) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of each pass of an interlaced PNG: the first column and row, and the steps (PNG specification, 8.2)."""


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def webp(channels: int, *, lossless: bool) -> bytes:
    pixels = noise(SIDE, SIDE, channels)
    if channels == 4:  # transparency is lossless: of noise only a part fits
        pixels[MAX_BODY // (2 * SIDE) :, :, 3] = 255
    image = Image.fromarray(pixels)
    if lossless:  # noise does not fit: half of the rows, or fewer, hold it
        data = bytes(MAX_BODY + 1)
        rows = MAX_BODY // (SIDE * channels)
        while len(data) > MAX_BODY:
            pixels = np.zeros((SIDE, SIDE, channels), np.uint8)
            pixels[:rows] = noise(rows, SIDE, channels)
            data = saved(Image.fromarray(pixels), "WEBP", lossless=True, method=0, quality=0)
            rows = rows * 9 // 10
        return data
    return largest(lambda quality: saved(image, "WEBP", quality=quality, method=0))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "JPEG, noise": lambda: jpeg("RGB"),
    "JPEG, noise in CMYK": lambda: jpeg("CMYK"),
    "JPEG, noise, progressive": lambda: jpeg("RGB", progressive=True),
    "JPEG, noise, progressive, in CMYK": lambda: jpeg("CMYK", progressive=True),
    "JPEG, as many scans as allowed": scans,
    "PNG, RGBA": lambda: png(4, 8, interlaced=False, random=False),
    "PNG, RGBA, noise": lambda: png(4, 8, interlaced=False, random=True),
    "PNG, RGBA, interlaced": lambda: png(4, 8, interlaced=True, random=True),
    "PNG, RGB, interlaced": lambda: png(3, 8, interlaced=True, random=True),
    "PNG, RGBA of 16 bits": lambda: png(4, 16, interlaced=False, random=True),
    "PNG, RGBA of 16 bits, interlaced": lambda: png(4, 16, interlaced=True, random=True),
    "PNG, RGBA, as many deflate blocks as allowed": blocks,
    "WebP, noise": lambda: webp(3, lossless=False),
    "WebP, noise and transparency": lambda: webp(4, lossless=False),
    "WebP, lossless": lambda: webp(3, lossless=True),
    "WebP, lossless, transparency": lambda: webp(4, lossless=True),
}


def costs() -> Iterator[Row]:
    """A row for each file."""
    os.environ.update(ONE_THREAD | LARGEST_IMAGE)  # as the service's workers
    context = multiprocessing.get_context("spawn")
    for name, make in FILES.items():
        data = make()
        with context.Pool(1) as pool:
            outcome, seconds, megabytes = pool.apply(cost, (data,))
        said = f"{outcome}; {len(data) / 1e6:.1f} MB: {seconds:.2f} s of a core, {megabytes:.0f} MB"
        held = outcome == "read" and seconds <= SECONDS and megabytes <= MEGABYTES
        yield Row(f"dearest {name}", 1, int(not held), said, held)


def cost(data: bytes) -> tuple[str, float, float]:
    """What became of the file, the processor's seconds, and megabytes."""
    pipeline = third_party.load_pipeline(OnnxClassifier(ROOT / "model_store" / "emotion.onnx"))
    pipeline([one_face(640, 480)])
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew: proc(5)
    before, started = memory("VmRSS"), time.process_time()
    (result,) = pipeline([data])
    seconds = time.process_time() - started
    outcome = "refused: " + result.kind.code if isinstance(result, ImageError) else "read"
    return outcome, seconds, memory("VmHWM") - before


def memory(line: str) -> float:
    """Of this process in megabytes: `VmRSS` as it is, `VmHWM` the most."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{line}:")[1].split()[0]) / 1000


if __name__ == "__main__":
    kept = True
    for row in costs():
        print(row, flush=True)
        kept = kept and row.held
    sys.exit(not kept)
