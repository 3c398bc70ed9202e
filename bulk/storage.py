"""Files on a disk or in an object store, named by URI; credentials and endpoints come from the environment."""

import os
import uuid
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

from pyarrow import fs

SCHEMES = ("file", "s3", "gs", "az")

TEMPORARY = ".tmp"
"""How the names of files end that are not whole yet; no reader of `*.parquet` takes them up."""


def locate(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of `uri`, or of a local path, and the path in it. Raises `ValueError` for another scheme."""
    scheme, found, rest = uri.partition("://")
    if not found:
        return _filesystem("file"), str(Path(uri).absolute())
    if scheme not in SCHEMES:
        raise ValueError(f"{scheme}:// is not read; expected {', '.join(f'{each}://' for each in SCHEMES)} or a path")
    # Percent signs stand for bytes, which on a disk need not be UTF-8.
    return _filesystem(scheme), os.fsdecode(unquote_to_bytes(rest))


def to_uri(scheme: str, path: str) -> str:
    """The URI of a path that `locate` or a listing gave."""
    return f"{scheme}://{quote(os.fsencode(path))}"


def scheme_of(uri: str) -> str:
    return uri.partition("://")[0] if "://" in uri else "file"


def read(uri: str, most: int) -> bytes:
    """The file's first `most` bytes. Raises `OSError`, and `ValueError` for what is no URI."""
    system, path = locate(uri)
    if isinstance(system, fs.LocalFileSystem):
        if not Path(path).is_file():  # opening a pipe would wait for ever
            raise FileNotFoundError("no such file")
        with Path(path).open("rb") as file:
            return file.read(most)
    with system.open_input_stream(path) as stream:
        data: bytes = stream.read(most)
        return data


def put(uri: str, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, also when this process or machine dies meanwhile.

    An object store shows an object only when its upload is complete; a disk gets a temporary name, then the right one.
    """
    system, path = locate(uri)
    if not isinstance(system, fs.LocalFileSystem):
        with system.open_output_stream(path) as stream:
            stream.write(data)
        return
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}{TEMPORARY}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)


@lru_cache
def _filesystem(scheme: str) -> fs.FileSystem:
    if scheme == "s3":
        # Arrow leaves this variable, which AWS's own tools have for other stores than theirs, to its callers.
        endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", ""))
        return fs.S3FileSystem(endpoint_override=endpoint.netloc or None, scheme=endpoint.scheme or "https")
    if scheme == "gs":
        return fs.GcsFileSystem()
    if scheme == "az":
        return fs.AzureFileSystem(account_name=os.environ["AZURE_STORAGE_ACCOUNT"])
    return fs.LocalFileSystem()
