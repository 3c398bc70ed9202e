"""Photos out of a ZIP file, within bounds: what a file claims to hold is not believed."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import PureWindowsPath

from client.photos import SUFFIXES

LARGEST_PHOTO = 50_000_000
"""Bytes of one photo when it is unpacked."""

MOST_TOGETHER = 250_000_000
"""Bytes of all photos in a file, unpacked; what it claims of them binds it, since no more is read."""

MOST_AT_ONCE = 1_000_000
"""Bytes: what the directory of a file says of some thousand photos. All of it is taken apart at once."""


def photos_in(name: str, data: bytes) -> Iterator[tuple[str, bytes | str]]:
    """Each photo in the ZIP file called `name`, with its bytes or with why it is not taken.

    What else is in the file, or wrong with it, is said under the file's own name, after the photos.
    """
    try:
        file = _Bounded(data)
        with zipfile.ZipFile(file) as archive:
            file.is_opening = False
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
    except _TooMuch:
        yield name, "it holds too many files."
    except (zipfile.BadZipFile, ArithmeticError, NotImplementedError, OSError, ValueError):
        yield name, "this file is damaged."


class _TooMuch(Exception):
    """More is to be read at once than any photos need."""


class _Bounded(io.BytesIO):
    """A ZIP file whose directory is read only if it has at most `MOST_AT_ONCE` bytes."""

    is_opening = True

    def read(self, size: int | None = -1, /) -> bytes:
        here = self.tell()
        left = self.seek(0, io.SEEK_END) - here  # `getbuffer` would copy the file
        self.seek(here)
        if self.is_opening and min(left, left if size is None or size < 0 else size) > MOST_AT_ONCE:
            raise _TooMuch
        return super().read(size)


def _path(entry: zipfile.ZipInfo) -> PureWindowsPath:
    """By which both kinds of slashes separate: a name must not lead anywhere, on whatever system it is written."""
    return PureWindowsPath(entry.filename)


def _is_photo(entry: zipfile.ZipInfo) -> bool:
    return _path(entry).suffix.lower() in SUFFIXES


def _is_for_people(entry: zipfile.ZipInfo) -> bool:
    """Whether it is neither a folder nor what a system put beside the files for itself."""
    path = _path(entry)
    for_systems = path.name.startswith(".") or "__MACOSX" in path.parts or path.name == "Thumbs.db"
    return path.name != "" and not entry.is_dir() and not for_systems


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes | str:
    if entry.flag_bits & 1:
        return "it is encrypted."
    try:
        with archive.open(entry) as file:
            content = file.read(LARGEST_PHOTO + 1)
    except Exception:  # zipfile and the codecs raise whatever they meet in a damaged file
        return "this file is damaged."
    return content if len(content) <= LARGEST_PHOTO else f"it is larger than {LARGEST_PHOTO // 10**6} MB."
