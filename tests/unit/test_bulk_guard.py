"""A photo that ends its process, or never ends, costs a row and not the archive. No pipeline is needed for it."""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator
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


LIMIT = 6.0
"""Seconds: waited out for each photo that hangs, and more than a busy machine takes for one that does not."""

OUTCOMES = {b"crash": "worker_crashed", b"fault": "worker_crashed", b"hang": "timed_out"}


@pytest.mark.parametrize("size", [1, 3])
def test_only_the_photos_that_fail_are_lost(size: int) -> None:
    """However many are in a call, with another one on its way."""
    photos = [(f"{number}", data) for number, data in enumerate([b"", b"crash", b"hang", b"fault", b"", b""])]
    with contextlib.closing(Guard(make, limit=LIMIT)) as guard:
        found = [rows for answer in guard.answers(photos[i : i + size] for i in range(0, 6, size)) for rows in answer]
        assert [[(row["photo"], row["outcome"]) for row in rows] for rows in found] == [
            [(uri, OUTCOMES.get(data, "ok"))] for uri, data in photos
        ]
        assert found[1][0]["model_version"] == "9"
        assert list(guard.answers([[("f", b"")]])) == [[[{"photo": "f", "outcome": "ok"}]]], "it goes on"


def test_a_call_larger_than_any_buffer_behind_one_that_hangs_is_answered() -> None:
    with contextlib.closing(Guard(make, limit=LIMIT)) as guard:
        found = list(guard.answers([[("a", b"hang")], [("b", b" " * 10_000_000)]]))
    assert [rows[0]["outcome"] for answer in found for rows in answer] == ["timed_out", "ok"]


def test_an_answer_that_nobody_waited_for_is_not_taken_for_another_ones() -> None:
    with contextlib.closing(Guard(make)) as guard:
        answers = guard.answers([[(name, b"")] for name in "abc"])
        next(answers)
        del answers
        assert [rows for (rows,) in guard.answers([[("d", b"")]])] == [[{"photo": "d", "outcome": "ok"}]]


def test_the_next_call_is_taken_while_one_is_at_work() -> None:
    taken = []
    with contextlib.closing(Guard(make)) as guard:

        def calls() -> Iterator[Photos]:
            for name in "abc":
                taken.append(name)
                yield [(name, b"")]

        answers = guard.answers(calls())
        next(answers)
        assert taken == ["a", "b"]
        assert len(list(answers)) == 2


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
    child = int(told.read_text(encoding="utf-8"))
    assert runs(child)
    parent.kill()
    deadline = time.monotonic() + 30
    while runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        return "(zombie)" not in Path("/proc", str(pid), "status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _guard_for_ever(told: Path) -> None:
    guard = Guard(make)
    told.write_text(str(guard._process.pid), encoding="utf-8")
    time.sleep(600)
