"""Photos out of a ZIP file, within bounds: what a file claims to hold is not believed."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath

from client.photos import SUFFIXES

LARGEST_PHOTO = 50_000_000
"""Bytes of one photo when it is unpacked."""

MOST_TOGETHER = 250_000_000
"""Bytes of all photos in a file, unpacked; what it claims of them binds it, since no more is read."""


def photos_in(name: str, data: bytes) -> Iterator[tuple[str, bytes | str]]:
    """Each photo in the ZIP file called `name`, or the ZIP file itself, with its bytes, or with why it is not taken."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            photos = [entry for entry in archive.infolist() if _is_photo(entry)]
            if not photos:
                yield name, "there is no photo in this file."
            elif sum(entry.file_size for entry in photos) > MOST_TOGETHER:
                yield name, f"its photos are more than {MOST_TOGETHER // 10**6} MB together."
            else:
                for entry in photos:
                    yield PurePosixPath(entry.filename).name, _read(archive, entry)
    except zipfile.BadZipFile:
        yield name, "this file is damaged."


def _is_photo(entry: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(entry.filename)
    hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    return not entry.is_dir() and not hidden and path.suffix.lower() in SUFFIXES


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes | str:
    if entry.flag_bits & 1:
        return "it is encrypted."
    try:
        with archive.open(entry) as file:
            content = file.read(LARGEST_PHOTO + 1)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError):
        return "this file is damaged."
    return content if len(content) <= LARGEST_PHOTO else f"it is larger than {LARGEST_PHOTO // 10**6} MB."
