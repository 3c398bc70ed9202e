"""The work of one core: a part's photos are fetched ahead, analysed a few at once, and written as one Parquet file."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from threading import Lock
from typing import Any

import pyarrow as pa
from pyarrow import parquet as pq

from bulk.guard import Analyse, Guard
from bulk.plan import Part
from bulk.results import Results
from bulk.rows import NO_FACE, OK, SCHEMA, UNREADABLE, Row, failure
from bulk.storage import read
from emotion.contract import MAX_BODY, Detail
from emotion.errors import ImageTooLarge

AT_ONCE = 8
"""Photos in one call of the pipeline, whose faces share calls of the network."""

AHEAD = 16
"""Photos that are fetched before they are needed, which hides how far away a bucket is; each has 16 MiB at most."""


class Analyst:
    """An actor of Ray Data: takes parts, answers with a line of counts for each.

    It is called from two threads: while one part is written, and Ray told, the next one is in work.
    """

    def __init__(self, results: str, detail: Detail, models: str | None) -> None:
        self._results, self._detail = Results(results), detail
        self._pipeline = Guard(partial(_load, detail, models))
        self._turn = Lock()
        self._pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="fetch")

    def __call__(self, batch: pa.Table) -> pa.Table:
        return pa.Table.from_pylist([self.analyse(Part(**each)) for each in batch.to_pylist()])

    def analyse(self, part: Part) -> dict[str, Any]:
        """Does one part; its file is in place when this returns."""
        kept = self._results.rows(part.name) if part.again else []
        failed = [str(row["photo"]) for row in kept if row["outcome"] not in {OK, NO_FACE}]
        photos = failed if part.again else list(part.photos)
        with self._turn:
            started = time.perf_counter()
            found = list(self._rows(photos))
        if part.again:
            new = _grouped(found)  # a failed photo has one row, so each is replaced once
            found = [each for row in kept for each in new.get(row["photo"], [row])]
        self._results.put(part.name, _file(found, self._pipeline.version, self._detail))
        faces = sum(row.get("face") is not None for row in found)
        return {"photos": len(photos), "faces": faces, "seconds": time.perf_counter() - started}

    def _rows(self, photos: Iterable[str]) -> Iterator[Row]:
        under_way: deque[list[tuple[str, bytes | Exception]]] = deque()

        def calls() -> Iterator[list[tuple[str, bytes]]]:
            fetched = self._fetched(photos)
            while several := list(islice(fetched, AT_ONCE)):
                under_way.append(several)
                yield [(photo, data) for photo, data in several if isinstance(data, bytes)]

        for answers in self._pipeline.answers(calls()):
            yield from self._merged(under_way.popleft(), iter(answers))

    def _merged(self, photos: list[tuple[str, bytes | Exception]], answers: Iterator[list[Row]]) -> Iterator[Row]:
        """The rows of photos of which only those that could be fetched have an answer."""
        version = self._pipeline.version
        for photo, data in photos:
            if isinstance(data, ImageTooLarge):
                yield from failure(photo, version, data.kind.code, str(data))
            elif isinstance(data, Exception):
                yield from failure(photo, version, UNREADABLE, _reason(data))
            else:
                yield from next(answers)

    def _fetched(self, photos: Iterable[str]) -> Iterator[tuple[str, "bytes | Exception"]]:
        queue = iter(photos)
        waiting: deque[tuple[str, Future[bytes | Exception]]] = deque()
        while True:
            waiting += [(uri, self._pool.submit(_fetch, uri)) for uri in islice(queue, AHEAD - len(waiting))]
            if not waiting:
                return
            uri, future = waiting.popleft()
            yield uri, future.result()


def _load(detail: Detail, models: str | None) -> tuple[str, Analyse]:
    """Called in the guarded process, which alone needs what this imports."""
    from bulk.analysis import load  # noqa: PLC0415

    return load(detail, models)


def _fetch(uri: str) -> bytes | Exception:
    try:
        data = read(uri, MAX_BODY + 1)
    except (OSError, ValueError) as error:
        return error
    return data if len(data) <= MAX_BODY else ImageTooLarge(f"the file has more than {MAX_BODY // 2**20} MiB")


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).partition("\n")[0][:200]


def _grouped(found: list[Row]) -> dict[object, list[Row]]:
    groups: dict[object, list[Row]] = {}
    for row in found:
        groups.setdefault(row["photo"], []).append(row)
    return groups


def _file(found: list[Row], version: str, detail: str) -> bytes:
    """Rows as a Parquet file."""
    # In memory first: a part is small, and an upload that fails half-way must not be completed by closing its stream.
    buffer = pa.BufferOutputStream()
    schema = SCHEMA.with_metadata({"emotion.model_version": version, "emotion.detail": detail})
    pq.write_table(pa.Table.from_pylist(found, schema), buffer, compression="zstd")
    content: bytes = buffer.getvalue().to_pybytes()
    return content
