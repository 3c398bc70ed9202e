"""A photo that ends its process, or never ends, costs a row and not the archive. No pipeline is needed for it."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from bulk.guard import Analyse, Guard, Photos
from bulk.rows import Row


def make() -> tuple[str, Analyse]:
    """In place of the pipeline; photos say what becomes of it."""

    def analyse(photos: Photos) -> list[list[Row]]:
        for _, data in photos:
            if data == b"crash":
                os.abort()
            if data == b"hang":
                time.sleep(600)
            if data == b"fault":
                raise MemoryError
        return [[{"photo": uri, "outcome": "ok"}] for uri, _ in photos]

    return "9", analyse


def make_nothing() -> tuple[str, Analyse]:
    raise FileNotFoundError("no model here")


def test_only_the_photos_that_fail_are_lost() -> None:
    guard = Guard(make, limit=5.0)
    found = guard([("a", b""), ("b", b"crash"), ("c", b"hang"), ("d", b"fault"), ("e", b"")])
    outcomes = ["ok", "worker_crashed", "timed_out", "worker_crashed", "ok"]
    assert [[row["outcome"] for row in rows] for rows in found] == [[outcome] for outcome in outcomes]
    assert [rows[0]["photo"] for rows in found] == list("abcde")
    assert found[1][0]["model_version"] == "9"
    assert guard([("f", b"")]) == [[{"photo": "f", "outcome": "ok"}]], "it goes on"
    guard.close()


def test_a_pipeline_that_cannot_be_loaded_is_no_photos_fault() -> None:
    with pytest.raises(RuntimeError, match="cannot be loaded"):
        Guard(make_nothing)


def test_the_process_ends_with_the_one_that_asks(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    told = tmp_path / "pid"
    parent = context.Process(target=_guard_for_ever, args=(told,))
    parent.start()
    while not told.exists() or not told.read_text(encoding="utf-8"):
        assert parent.is_alive()
        time.sleep(0.05)
    child = Path("/proc", told.read_text(encoding="utf-8"))
    assert child.exists()
    parent.kill()
    deadline = time.monotonic() + 30
    while child.exists() and "(zombie)" not in (child / "status").read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _guard_for_ever(told: Path) -> None:
    guard = Guard(make)
    told.write_text(str(guard._process.pid), encoding="utf-8")
    time.sleep(600)
