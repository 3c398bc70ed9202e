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
    """Each photo in the ZIP file called `name`, with its bytes or with why it is not taken.

    What else is in the file, or wrong with it, is said under the file's own name, after the photos.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if _is_for_people(entry)]
            photos = [entry for entry in entries if _is_photo(entry)]
            others = [_path(entry).name for entry in entries if not _is_photo(entry)]
            if not photos:
                yield name, "there is no photo in this file."
            elif sum(entry.file_size for entry in photos) > MOST_TOGETHER:
                yield name, f"its photos are more than {MOST_TOGETHER // 10**6} MB together."
            else:
                for entry in photos:
                    yield _path(entry).name, _read(archive, entry)
                if len(others) == 1:
                    yield name, f"{others[0]} in it is no photo that can be read here."
                elif others:
                    yield name, f"{len(others)} files in it are no photos that can be read here, such as {others[0]}."
    except zipfile.BadZipFile:
        yield name, "this file is damaged."


def _path(entry: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(entry.filename)


def _is_photo(entry: zipfile.ZipInfo) -> bool:
    return _path(entry).suffix.lower() in SUFFIXES


def _is_for_people(entry: zipfile.ZipInfo) -> bool:
    """Whether it is neither a folder nor what a system put beside the files for itself."""
    path = _path(entry)
    return not (entry.is_dir() or path.name.startswith(".") or "__MACOSX" in path.parts or path.name == "Thumbs.db")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes | str:
    if entry.flag_bits & 1:
        return "it is encrypted."
    try:
        with archive.open(entry) as file:
            content = file.read(LARGEST_PHOTO + 1)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError):
        return "this file is damaged."
    return content if len(content) <= LARGEST_PHOTO else f"it is larger than {LARGEST_PHOTO // 10**6} MB."
