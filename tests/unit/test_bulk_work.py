"""A worker's two threads: one part at a time is in work, and none waits until another one is written."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock

import pytest

from bulk import results, work
from bulk.guard import Photos
from bulk.plan import Part
from bulk.rows import Row

PATIENCE = 20.0
"""Seconds that a thread waits for another one."""


class Pipeline:
    """In place of the guarded process."""

    version = "9"

    def __init__(self, *_: object) -> None:
        self._busy = Lock()
        self.done: list[str] = []

    def answers(self, calls: Iterable[Photos]) -> Iterator[list[list[Row]]]:
        """One row for each photo."""
        assert self._busy.acquire(blocking=False), "two parts in work at once"
        for photos in calls:
            self.done += [uri for uri, _ in photos]
            yield [[{"photo": uri, "outcome": "no_face"}] for uri, _ in photos]
        self._busy.release()


def test_the_next_part_is_in_work_while_one_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "Guard", Pipeline)
    written, second = [], Event()

    def put(uri: str, _: bytes) -> None:
        if uri.endswith("/first.parquet"):
            assert second.wait(PATIENCE), "the second part waits for the first to be written"
        else:
            second.set()
        written.append(Path(uri).stem)

    monkeypatch.setattr(results, "put", put)
    photos = [tmp_path / f"{number:03}.jpg" for number in range(200)]
    for photo in photos:
        photo.write_bytes(b"photo")
    analyst = work.Analyst(str(tmp_path), "standard", None)
    first, last = (tuple(photo.as_uri() for photo in some) for some in (photos[:100], photos[100:]))
    with ThreadPoolExecutor(2) as threads:
        counts = list(threads.map(analyst.analyse, (Part("first", first), Part("second", last))))
    assert written == ["second", "first"]
    assert [count["photos"] for count in counts] == [100, 100]
    assert {*first, *last} == set(analyst._pipeline.done)  # type: ignore[attr-defined]
