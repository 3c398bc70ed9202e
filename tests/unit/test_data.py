"""Kaggle's files, old and new, whole and broken."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import MODEL, ROOT
from training.data import DataError, fingerprints, load_splits, load_votes

FACE = " ".join(str(value % 256) for value in range(2304))
OLD_HEADER = "emotion,pixels,Usage"
NEW_HEADER = "emotion, Usage, pixels"


def old_row(emotion: object = 3, pixels: str = FACE, usage: str = "Training") -> str:
    return f"{emotion},{pixels},{usage}"


def write(path: Path, *lines: str) -> Path:
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def run(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"training.{module}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["fer2013.csv", "fer2013.csv.gz"])
def test_the_old_layout_is_read_plain_and_packed(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, OLD_HEADER, old_row(3), old_row(6, usage="PublicTest"), old_row(0))
    splits = load_splits(path, ("train", "validation"))
    assert splits["train"].labels.tolist() == [3, 0]
    assert splits["validation"].labels.tolist() == [6]
    assert splits["train"].images.shape == (2, 48, 48)
    np.testing.assert_array_equal(splits["train"].images[0].ravel(), np.arange(2304) % 256)


def test_the_newer_layout_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "icml_face_data.csv", NEW_HEADER, f"4,Training,{FACE}", f"5, PrivateTest, {FACE}")
    assert load_splits(path, ("train", "test"))["test"].labels.tolist() == [5]


def test_a_file_with_only_the_test_split_is_enough_to_score_it(tmp_path: Path) -> None:
    path = write(tmp_path / "private.csv", OLD_HEADER, old_row(2, usage="PrivateTest"))
    assert len(load_splits(path, ("test",))["test"]) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["emotion,Usage", "1,Training"], "no column 'pixels'"),
        ([OLD_HEADER, old_row(pixels="1 2 3")], "line 2: 3 pixels, expected 2304"),
        ([OLD_HEADER, old_row(), old_row(pixels=FACE.replace("7 8", "7 x"))], "line 3: .*not a whole number"),
        ([OLD_HEADER, old_row(pixels=FACE.replace("255", "256"))], "line 2: pixels reach from 0 to 256"),
        ([OLD_HEADER, old_row(7)], "line 2: emotion is '7', expected 0 to 6"),
        ([OLD_HEADER, old_row("happy")], "line 2: emotion is 'happy'"),
        ([OLD_HEADER, old_row(usage="Test")], "line 2: Usage is 'Test'"),
        ([OLD_HEADER, "1,2"], "line 2: 2 fields, expected 3"),
        ([OLD_HEADER, old_row(usage="PublicTest")], "the split 'train' is empty"),
        ([""], "no column 'emotion'"),
    ],
)
def test_wrong_data_names_the_row_or_column(tmp_path: Path, lines: list[str], message: str) -> None:
    path = write(tmp_path / "fer2013.csv", *lines)
    with pytest.raises(DataError, match=message):
        load_splits(path, ("train",))


def test_a_truncated_archive_is_called_so(tmp_path: Path) -> None:
    path = write(tmp_path / "fer2013.csv.gz", OLD_HEADER, *[old_row()] * 50)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="truncated"):
        load_splits(path, ("train",))


def test_a_picture_is_not_a_data_file(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe" * 20)
    with pytest.raises(DataError):
        load_splits(path, ("train",))


def test_equal_images_have_equal_fingerprints(grey_faces: np.ndarray) -> None:
    marks = fingerprints(np.concatenate([grey_faces, grey_faces[:5]]))
    assert len(np.unique(marks)) == len(grey_faces)
    np.testing.assert_array_equal(marks[-5:], marks[:5])


def test_the_evaluation_command_scores_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "fer2013.csv.gz", OLD_HEADER, *[old_row(i % 7, usage="PrivateTest") for i in range(14)])
    out = tmp_path / "report.json"
    done = run("evaluate", "--data", path, "--model", MODEL, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "14 faces" in done.stdout
    assert '"macro_f1"' in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("module", ["train", "evaluate"])
def test_a_missing_file_is_one_clear_line(tmp_path: Path, module: str) -> None:
    done = run(module, "--data", tmp_path / "none.csv")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no data file at")
    assert "Traceback" not in done.stderr


VOTES_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def test_votes_become_shares_in_the_order_of_the_classes(tmp_path: Path) -> None:
    path = write(
        tmp_path / "fer2013new.csv",
        VOTES_HEADER,
        "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0",
        "PublicTest,fer0028638.png,0,10,0,0,0,0,0,0,0,0",
        "Training,,0,0,0,0,0,0,0,4,3,3",
    )
    votes = load_votes(path, "train", 2)
    np.testing.assert_allclose(votes[0], [0.3, 0.2, 0, 0, 0.1, 0, 0.4], rtol=1e-6)
    np.testing.assert_array_equal(votes[1], np.zeros(7))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Usage,neutral", "Training,1"], "no column 'anger'"),
        ([VOTES_HEADER, "Training,a,4,0,0,1,x,2,0,0,0,0"], "line 2: 'x' is not a number of votes"),
        ([VOTES_HEADER, "PublicTest,a,4,0,0,1,3,2,0,0,0,0"], "0 rows with Usage 'Training'; the faces have 1"),
    ],
)
def test_broken_votes_are_a_clear_error(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_votes(write(tmp_path / "fer2013new.csv", *lines), "train", 1)
