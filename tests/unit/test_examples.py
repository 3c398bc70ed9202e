"""The examples answer what they say, over files that `bulk` itself wrote."""

from pathlib import Path

import duckdb
import pytest

from bulk.results import Results
from bulk.rows import Row, failure
from bulk.work import _file
from examples.ask_archive import ask
from tests.conftest import ROOT


def face(photo: str, number: int, emotion: str, reliable: bool = True) -> Row:
    return {
        "photo": photo,
        "outcome": "ok",
        "face": number,
        "emotion": emotion,
        "confidence": 0.75,
        "reliable": reliable,
        "reasons": [] if reliable else ["blurred"],
        "model_version": "1",
    }


def write(results: Path, part: str, rows: list[Row]) -> None:
    Results(str(results)).put(part, _file(rows, "1", "standard"))


def test_the_three_questions_are_answered(tmp_path: Path) -> None:
    party = [face("party.jpg", number, "happy") for number in (1, 2, 3)]
    row = [face("row.jpg", 1, "happy"), face("row.jpg", 2, "angry")]
    unclear = [face("unclear.jpg", 1, "happy"), face("unclear.jpg", 2, "happy", reliable=False)]
    write(tmp_path, "part-1", [*party, *row, face("alone.jpg", 1, "happy")])
    write(tmp_path, "part-2", [*unclear, *failure("x.jpg", "1", "empty_body", "")])
    (tmp_path / ".part-3.parquet.tmp").write_bytes(b"half of a file")
    outcomes, emotions, happy = (answer.fetchall() for answer in ask(f"{tmp_path}/").values())
    assert outcomes == [("ok", 4), ("empty_body", 1)]
    assert emotions == [("happy", 6, 85.7, 0.75), ("angry", 1, 14.3, 0.75)]
    assert happy == [("party.jpg", 3, 0.75)]


@pytest.mark.parametrize("block", (ROOT / "bulk" / "README.md").read_text(encoding="utf-8").split("```sql\n")[1:])
def test_the_queries_of_the_handbook_run(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").mkdir()
    write(tmp_path / "results", "part-1", [face("a.jpg", 1, "happy")])
    monkeypatch.chdir(tmp_path)
    answer = duckdb.sql(block.partition("```")[0])
    assert answer is not None
    assert answer.fetchall() == []
