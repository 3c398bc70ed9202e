"""Files broken at random, decoded as the service would: `python -m tests.drill.fuzz --files 24000`.

Each is decoded or refused with an `ImageError`; another exception, or an end of the process, is a failure. The same
seed makes the same files. Before each file its number is written to `--progress`, so that a crash names its cause.
"""

import argparse
import contextlib
import io
import random
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from emotion.errors import ImageError
from emotion.image import decode

ORIENTATION = 0x0112
INTERESTING = (0x00, 0x01, 0x7F, 0x80, 0xC0, 0xC4, 0xD0, 0xD8, 0xD9, 0xDA, 0xDB, 0xE1, 0xFE, 0xFF)
"""Bytes that mean something to a decoder."""
NAMES = (b"IDAT", b"acTL", b"fcTL", b"fdAT", b"tRNS", b"PLTE", b"eXIf", b"iCCP", b"zTXt", b"IHDR", b"IEND", b"gAMA")
WEBP_NAMES = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"ICCP", b"XMP ")

Mutation = Callable[[bytearray, random.Random], None]


def seeds() -> list[bytes]:
    """Small photos of every kind that is read, and animations, which are not."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 4), dtype=np.uint8)
    colour = Image.fromarray(pixels).resize((64, 48))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    rgb = colour.convert("RGB")
    deep = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    files = [_encoded(image, "PNG", exif=exif) for image in (rgb, colour, deep, rgb.convert("P"), rgb.convert("1"))]
    files.append(_encoded(colour.convert("LA"), "PNG"))
    files.append(_encoded(rgb.convert("P"), "PNG", transparency=0))
    frames = [rgb.rotate(angle) for angle in (90, 180)]
    files.append(_encoded(rgb, "PNG", save_all=True, append_images=frames))
    files.append(_encoded(colour, "PNG", save_all=True, append_images=[colour.rotate(90)]))
    for image in (rgb, rgb.convert("L"), rgb.convert("CMYK")):
        files += [_encoded(image, "JPEG", progressive=progressive, exif=exif) for progressive in (False, True)]
    files.append(_encoded(rgb, "JPEG", restart_marker_blocks=2, subsampling=0))
    for image in (rgb, colour):
        files += [_encoded(image, "WEBP", lossless=lossless) for lossless in (False, True)]
        files += [
            _encoded(image, "WEBP", lossless=lossless, exif=exif, icc_profile=bytes(8)) for lossless in (False, True)
        ]
    files.append(_encoded(rgb, "WEBP", save_all=True, append_images=frames))
    return files


def mutated(files: list[bytes], number: int, seed: int) -> bytes:
    """File `number` of those that `seed` makes: one of `files` changed in up to eight places."""
    choose = random.Random(f"{seed} {number}")  # noqa: S311 - no secret
    data = bytearray(choose.choice(files))
    for _ in range(choose.randint(1, 8)):
        choose.choice(MUTATIONS)(data, choose)
    if choose.random() < 0.7:
        _mend_checksums(data)
        _mend_length(data)
    return bytes(data)


def _set_byte(data: bytearray, choose: random.Random) -> None:
    data[choose.randrange(len(data))] = choose.choice((choose.randrange(256), *INTERESTING))


def _set_number(data: bytearray, choose: random.Random) -> None:
    """Four bytes, as of a length or a size."""
    start = choose.randrange(len(data))
    data[start : start + 4] = choose.choice((0, 1, 13, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)).to_bytes(
        4, choose.choice(("big", "little"))
    )


def _flip_bit(data: bytearray, choose: random.Random) -> None:
    data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)


def _remove(data: bytearray, choose: random.Random) -> None:
    if len(data) > 64:
        start = choose.randrange(len(data))
        del data[start : start + choose.randint(1, 64)]


def _repeat(data: bytearray, choose: random.Random) -> None:
    start = choose.randrange(len(data))
    data[start:start] = data[start : start + choose.randint(1, 256)]


def _move(data: bytearray, choose: random.Random) -> None:
    start, length = choose.randrange(len(data)), choose.randint(1, 256)
    part = data[start : start + length]
    if len(data) > len(part):
        del data[start : start + length]
        at = choose.randrange(len(data))
        data[at:at] = part


def _insert_marker(data: bytearray, choose: random.Random) -> None:
    at = choose.randrange(len(data))
    data[at:at] = bytes((0xFF, choose.choice(INTERESTING)))


def _rename_chunk(data: bytearray, choose: random.Random) -> None:
    names = WEBP_NAMES if data.startswith(b"RIFF") else NAMES
    old, new = choose.choice(names), choose.choice(names)
    at = data.find(old)
    if at >= 0:
        data[at : at + 4] = new


def _break_filters(data: bytearray, choose: random.Random) -> None:
    """Other bytes among the inflated pixels of a PNG's chunk, such as a row's filter above 4."""
    chunks = [at for kind in (b"IDAT", b"fdAT") if (at := data.find(kind)) >= 4]
    if not chunks:
        return
    at = choose.choice(chunks)
    start = at + (8 if data[at : at + 4] == b"fdAT" else 4)  # behind the frame's number
    end = at + 4 + int.from_bytes(data[at - 4 : at], "big")
    with contextlib.suppress(zlib.error):
        pixels = bytearray(zlib.decompress(data[start:end]))
        for _ in range(choose.randint(1, 4)):
            if pixels:
                pixels[choose.choice((0, choose.randrange(len(pixels))))] = choose.randrange(256)
        packed = zlib.compress(pixels)
        data[start:end] = packed
        data[at - 4 : at] = (start + len(packed) - at - 4).to_bytes(4, "big")


def _mend_checksums(data: bytearray) -> None:
    """Of a PNG, as far as its chunks can be found: otherwise the decoder would look at few."""
    position = 8
    while data.startswith(b"\x89PNG") and position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if end + 4 <= len(data):
            data[end : end + 4] = zlib.crc32(data[position + 4 : end]).to_bytes(4, "big")
        position = end + 4


def _mend_length(data: bytearray) -> None:
    """Of a WebP's container, which a byte more or less would make a truncated one."""
    if data.startswith(b"RIFF"):
        data[4:8] = (len(data) - 8).to_bytes(4, "little")


MUTATIONS: tuple[Mutation, ...] = (
    *(_set_byte, _set_number, _flip_bit, _remove, _repeat, _move, _insert_marker, _rename_chunk, _break_filters),
)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=24_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--progress", type=Path, help="file for the number of the file that is being decoded")
    arguments = parser.parse_args()
    files = seeds()
    outcomes: Counter[str] = Counter()
    failures, slowest = 0, 0.0
    for number in range(arguments.files):
        if arguments.progress:
            arguments.progress.write_text(f"{number}\n")
        data = mutated(files, number, arguments.seed)
        started = time.process_time()
        try:
            decode(data)
            outcomes["decoded"] += 1
        except ImageError as error:
            outcomes[error.kind.code] += 1
        except Exception as error:  # that none occurs is what is tested
            failures += 1
            print(f"file {number} of seed {arguments.seed}: {type(error).__name__}", file=sys.stderr)
        slowest = max(slowest, time.process_time() - started)
    counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    print(f"{arguments.files} files: {counted}; {failures} failures; slowest {slowest * 1000:.0f} ms")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
