"""The photos of an archive, as URIs, one after the other: of a folder, a glob, or a manifest."""

import fnmatch
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, fs
from pyarrow import parquet as pq

from bulk.storage import locate, scheme_of, to_uri
from emotion.contract import SUFFIXES

COLUMNS = ("photo", "uri", "url", "path")
"""What a manifest may call the column of its URIs; where none of these is there, it is the first column."""

MANIFESTS = (".csv", ".parquet")

SEEN_KIB = 16 * 1024
"""Memory for the digests of a manifest's photos: of half a million; those of more are on disk."""


def photos(source: str) -> Iterator[str]:
    """URIs of all photos, in the same order each time, none twice. Raises `FileNotFoundError` and `ValueError`."""
    if source.lower().endswith(MANIFESTS):
        yield from _once(_manifest(source))
    elif any(mark in source for mark in "*?["):
        yield from _glob(source)
    else:
        yield from _folder(source)


def digest(uri: str) -> bytes:
    """16 bytes that stand for a photo where millions of URIs would not fit into memory."""
    return blake2b(uri.encode(), digest_size=16).digest()


def _once(uris: Iterable[str]) -> Iterator[str]:
    """Only manifests can name a photo twice. Those seen are in a private database, whose pages go to disk when many."""
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        database.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA cache_size = -{SEEN_KIB};"
            "CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID; BEGIN"
        )
        cursor = database.cursor()
        for uri in uris:
            if cursor.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest(uri),)).rowcount:
                yield uri


def _manifest(source: str) -> Iterator[str]:
    system, path = locate(source)
    base = Path(path).parent
    for batch in _batches(system, path):
        names = batch.schema.names
        column = next((name for name in COLUMNS if name in names), names[0])
        for uri in batch.column(column).to_pylist():
            if uri is None or uri == "":
                continue
            local = "://" not in str(uri)
            yield to_uri(scheme_of(source), os.path.normpath(base / str(uri))) if local else str(uri)


def _batches(system: fs.FileSystem, path: str) -> Iterator[pa.RecordBatch]:
    if path.lower().endswith(".parquet"):
        with system.open_input_file(path) as file:
            yield from pq.ParquetFile(file).iter_batches()
    else:
        alone = csv.ReadOptions(use_threads=False)  # threads would read 40 MB ahead
        with system.open_input_stream(path) as stream, csv.open_csv(stream, read_options=alone) as reader:
            yield from reader


def _glob(pattern: str) -> Iterator[str]:
    """`*` matches anything, folders included."""
    head, mark, _ = pattern.replace("?", "*").replace("[", "*").partition("*")
    _, whole = locate(pattern) if "://" not in pattern else (None, pattern.partition("://")[2])
    for uri in _folder(head.rpartition("/")[0] or ("." if mark and not pattern.startswith("/") else "/")):
        if fnmatch.fnmatchcase(locate(uri)[1], whole):
            yield uri


def _folder(source: str) -> Iterator[str]:
    system, path = locate(source)
    if isinstance(system, fs.LocalFileSystem):
        if not Path(path).is_dir():
            raise FileNotFoundError(f"{source} is neither a folder nor a manifest ({' or '.join(MANIFESTS)})")
        names = _local_names(path)
    else:
        names = _object_names(system, path.rstrip("/"))
    for name in names:
        if name.lower().endswith(SUFFIXES):
            yield to_uri(scheme_of(source), name)


def _local_names(path: str) -> Iterator[str]:
    for folder, folders, files in os.walk(path):
        folders.sort()
        yield from (str(Path(folder, name)) for name in sorted(files))


def _object_names(system: fs.FileSystem, path: str) -> Iterator[str]:
    """Folder by folder, so that no more than one folder's names are in memory."""
    found = sorted(system.get_file_info(fs.FileSelector(path)), key=lambda info: info.path)
    yield from (info.path for info in found if info.type == fs.FileType.File)
    for info in found:
        if info.type == fs.FileType.Directory:
            yield from _object_names(system, info.path)
