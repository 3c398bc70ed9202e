"""Other data sets: folders of classes and lists of paths, complete or not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emotion.image import decode
from emotion.labels import LABELS
from tests.conftest import MODEL
from training.artifact import load_classifier
from training.data import DataError
from training.evaluate import evaluate, load_faces
from training.plots import write_plots


def save(path: Path, face: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(face).save(path)
    return path


def test_a_folder_of_classes_by_other_names_is_read(tmp_path: Path, grey_faces: np.ndarray) -> None:
    for name, face in zip(("Happiness", "sadness", "anger", "6"), grey_faces[:4], strict=True):
        save(tmp_path / name / "0.png", face)
    split = load_faces(tmp_path, "test")
    assert sorted(LABELS[label] for label in split.labels) == ["angry", "happy", "neutral", "sad"]
    by_label = dict(zip(split.labels.tolist(), split.images, strict=True))
    np.testing.assert_array_equal(by_label[LABELS.index("happy")], grey_faces[0])


def test_a_list_of_paths_is_read_relative_to_itself(tmp_path: Path, grey_faces: np.ndarray) -> None:
    save(tmp_path / "faces" / "a.png", grey_faces[0])
    save(tmp_path / "faces" / "b.png", np.kron(grey_faces[1], np.ones((2, 2), np.uint8)))
    listing = tmp_path / "faces.csv"
    listing.write_text("label, path\nfear, faces/a.png\n3, faces/b.png\n", encoding="utf-8")
    split = load_faces(listing, "test")
    assert split.labels.tolist() == [LABELS.index("fearful"), 3]
    np.testing.assert_array_equal(split.images[1], grey_faces[1])


def test_classes_that_a_data_set_lacks_do_not_spoil_its_report(tmp_path: Path, grey_faces: np.ndarray) -> None:
    for number, face in enumerate(grey_faces[:6]):
        save(tmp_path / "data" / ("happy", "sad")[number % 2] / f"{number}.png", face)
    report = evaluate(load_classifier(MODEL), load_faces(tmp_path / "data", "test"), trained_on=None, mirror=True)
    assert report["count"] == 6
    assert report["views_per_face"] == 2
    assert report["data"] == {"name": "data"}
    plots = write_plots(report, tmp_path / "plots")
    assert all(decode(path.read_bytes()).std() > 1 for path in plots), "pictures, not blank ones"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("path,label\na.png,joyful\n", "line 2: 'joyful' is no class"),
        ("path,label\na.png,happy\n", r"a\.png: no such image"),
        ("path,label\na.png\n", "line 2: expected a path and a label"),
        ("path,label\n", "no rows"),
    ],
)
def test_a_wrong_list_names_the_line(tmp_path: Path, rows: str, message: str) -> None:
    listing = tmp_path / "faces.csv"
    listing.write_text(rows, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_faces(listing, "test")


def test_a_folder_called_test_is_not_reported_as_fer2013(tmp_path: Path, grey_faces: np.ndarray) -> None:
    save(tmp_path / "test" / "happy" / "0.png", grey_faces[0])
    report = evaluate(load_classifier(MODEL), load_faces(tmp_path / "test", "test"), trained_on=None)
    assert report["data"] == {"name": "test"}


def test_a_folder_that_is_no_class_is_named(tmp_path: Path) -> None:
    (tmp_path / "confused").mkdir()
    with pytest.raises(DataError, match="folder confused: 'confused' is no class"):
        load_faces(tmp_path, "test")
    (tmp_path / "confused").rmdir()
    with pytest.raises(DataError, match="images in folders named"):
        load_faces(tmp_path, "test")
