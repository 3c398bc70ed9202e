"""A folder through the batch command, against a real local HTTP server."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from client import api, batch
from client.api import EmotionClient
from tests.conftest import ROOT, encoded
from tests.unit.local_service import Service, analysis, face


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve small photos, two of them below, and a file that is none."""
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    for number in range(12):
        place = photos / "more" if number > 9 else photos
        (place / f"{number:02}.png").write_bytes(encoded(Image.new("L", (20, 20), number)))
    (photos / "notes.txt").write_text("no photo", encoding="utf-8")
    return photos


def read(out: Path) -> list[dict[str, str]]:
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_face_of_every_photo_has_a_line(service: Service, folder: Path, tmp_path: Path) -> None:
    service.answer(200, analysis(face("sad"), face("happy", 0.8)))
    out = tmp_path / "results.csv"
    assert batch.analyse_folder(EmotionClient(service.url), folder, out, concurrency=4) == 0
    rows = read(out)
    assert len(rows) == 24
    assert {row["file"] for row in rows} == {str(path.relative_to(folder)) for path in folder.rglob("*.png")}
    assert [(row["face"], row["emotion"]) for row in rows[:2]] == [("1", "sad"), ("2", "happy")]
    assert float(rows[1]["happy"]) == 0.8


def test_photos_without_faces_and_broken_ones_are_reported(service: Service, folder: Path, tmp_path: Path) -> None:
    service.answer(200, analysis())
    assert batch.analyse_folder(EmotionClient(service.url), folder, tmp_path / "none.csv", 2) == 0
    assert {row["status"] for row in read(tmp_path / "none.csv")} == {"no_face"}
    service.answer(400, {"error": {"code": "truncated_image", "message": "ends early"}})
    assert batch.analyse_folder(EmotionClient(service.url), folder, tmp_path / "broken.csv", 2) == 12
    assert {(row["status"], row["message"]) for row in read(tmp_path / "broken.csv")} == {
        ("truncated_image", "ends early")
    }


def test_a_photo_that_ends_its_worker_does_not_end_the_batch(service: Service, folder: Path, tmp_path: Path) -> None:
    service.answer(502, {"error": {"code": "not_answered", "message": "lost"}})
    assert batch.analyse_folder(EmotionClient(service.url), folder, tmp_path / "lost.csv", 2) == 12
    assert {row["status"] for row in read(tmp_path / "lost.csv")} == {"not_answered"}


def test_starting_again_asks_only_for_what_is_left(service: Service, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    client = EmotionClient(service.url)
    batch.analyse_folder(client, folder, out, 2)
    lines = out.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = "".join(lines[:6]) + lines[6][:20]  # killed in the middle of a line
    out.write_text(kept, encoding="utf-8")
    service.requests = 0
    batch.analyse_folder(client, folder, out, 2)
    assert service.requests == 12 - 5
    assert sorted(row["file"] for row in read(out)) == sorted({row["file"] for row in read(out)})
    assert len(read(out)) == 12


def test_a_photo_cut_between_its_faces_is_done_again_whole(service: Service, folder: Path, tmp_path: Path) -> None:
    service.answer(200, analysis(face("sad"), face("happy", 0.8)))
    out = tmp_path / "results.csv"
    client = EmotionClient(service.url)
    batch.analyse_folder(client, folder, out, 1)
    lines, before = out.read_text(encoding="utf-8").splitlines(keepends=True), read(out)
    out.write_text("".join(lines[:4]) + lines[4][:12], encoding="utf-8")
    batch.analyse_folder(client, folder, out, 1)
    assert [row | {"round_trip_ms": ""} for row in read(out)] == [row | {"round_trip_ms": ""} for row in before]


def test_failed_photos_are_tried_again(service: Service, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    service.answer(400, {"error": {"code": "truncated_image", "message": "ends early"}})
    assert batch.analyse_folder(EmotionClient(service.url), folder, out, 2) == 12
    service.answer(200, analysis(face("sad")))
    assert batch.analyse_folder(EmotionClient(service.url), folder, out, 2) == 0
    assert [row["status"] for row in read(out)] == ["ok"] * 12


def test_a_single_photo_is_enough(service: Service, folder: Path, tmp_path: Path) -> None:
    service.answer(200, analysis(face("sad")))
    assert batch.analyse_folder(EmotionClient(service.url), folder / "00.png", tmp_path / "one.csv", 2) == 0
    assert [row["file"] for row in read(tmp_path / "one.csv")] == ["00.png"]


@pytest.mark.parametrize(
    ("name", "kind"), [("a.heic", "HEIF"), ("a.HIF", "HEIF"), ("a.gif", "GIF"), ("a.avif", "AVIF")]
)
def test_what_the_service_does_not_read_is_sent_as_jpeg(service: Service, tmp_path: Path, name: str, kind: str) -> None:
    """As on the page; boxes are in pixels of the file."""
    sent = face("sad", x=10.0, width=30.0)
    service.answer(200, analysis(sent))
    (tmp_path / name).write_bytes(encoded(Image.new("RGB", (4000, 100), "tan"), kind))
    out = tmp_path / "results.csv"
    assert batch.analyse_folder(EmotionClient(service.url), tmp_path / name, out, 2) == 0
    assert service.received.startswith(b"\xff\xd8\xff")
    [row] = read(out)
    assert (row["x"], row["width"], row["image_width"]) == ("20.0", "60.0", "4000")


def test_a_busy_service_is_asked_again(
    service: Service, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "FIRST_PAUSE", 0.01)
    service.busy = 7
    client = EmotionClient(service.url, retries=batch.RETRIES)
    assert batch.analyse_folder(client, folder, tmp_path / "results.csv", 2) == 0
    assert {row["status"] for row in read(tmp_path / "results.csv")} == {"ok"}


def test_a_lost_service_ends_the_run_and_keeps_what_was_done(service: Service, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    with pytest.raises(batch.ServiceLost, match="no connection"):
        batch.analyse_folder(EmotionClient("http://127.0.0.1:9"), folder, out, 2)
    batch.analyse_folder(EmotionClient(service.url), folder, out, 2)
    assert len(read(out)) == 12


def test_another_file_is_never_overwritten(service: Service, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "diary.csv"
    out.write_text("dear diary", encoding="utf-8")
    with pytest.raises(ValueError, match="choose another --out"):
        batch.analyse_folder(EmotionClient(service.url), folder, out, 2)
    assert out.read_text(encoding="utf-8") == "dear diary"


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "client.batch", str(tmp_path / "none"), "--out", str(tmp_path / "results.csv")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path / 'none'} is no folder\n"


def test_a_name_like_a_formula_is_text_and_still_known_the_next_time(service: Service, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "results.csv"
    folder.mkdir()
    (folder / "=1+2.png").write_bytes(encoded(Image.new("L", (20, 20))))
    for _ in range(3):
        assert batch.analyse_folder(EmotionClient(service.url), folder, out, concurrency=1) == 0
        assert [row["file"] for row in read(out)] == ["'=1+2.png"]
        out.write_text(out.read_text(encoding="utf-8").replace("'=", "="), encoding="utf-8")  # as it once was
    assert service.requests == 1
