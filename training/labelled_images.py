"""Other labelled faces to evaluate on: a folder for each class, or a CSV of paths and labels.

Data sets name their classes in their own ways and often lack some of the seven; both are fine.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from emotion.contract import SUFFIXES
from emotion.labels import INPUT_SIZE, LABELS
from training.data import DataError, Split

ALIASES = {
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprised",
}
"""Other names of our classes, as other data sets spell them."""

PATH_COLUMN, LABEL_COLUMN = "path", "label"


def load_folder(folder: Path) -> Split:
    """Faces from `folder/<class>/…png`, each resized to 48×48 grey.

    Raises `DataError` for a folder that is no class, an image that does not decode, or no images at all.
    """
    pairs = []
    for subfolder in sorted(path for path in folder.iterdir() if path.is_dir()):
        label = _label_index(subfolder.name, f"folder {subfolder.name}")
        files = sorted(path for path in subfolder.rglob("*") if path.suffix.lower() in SUFFIXES)
        pairs += [(path, label) for path in files]
    if not pairs:
        raise DataError(f"{folder}: no {'/'.join(sorted(SUFFIXES))} images in folders named after {list(LABELS)}")
    return _read(folder.name, pairs)


def load_path_list(file: Path) -> Split:
    """Faces from a CSV with the columns `path` (relative to the file) and `label` (a class's name or its id).

    Raises `DataError`, naming the line, for an unknown label or an image that does not decode.
    """
    pairs = [
        (file.parent / row[PATH_COLUMN], _label_index(row[LABEL_COLUMN], f"{file.name} line {line}"))
        for line, row in _rows(file)
    ]
    if not pairs:
        raise DataError(f"{file.name}: no rows")
    return _read(file.stem, pairs)


def load_groups(file: Path) -> dict[str, np.ndarray]:
    """The further columns of a CSV that `load_path_list` reads, text `[N]` each, "" for an empty cell.

    Raises `DataError` if there are none.
    """
    rows = [row for _, row in _rows(file)]
    names = [name for name in (rows[0] if rows else ()) if name and name not in {PATH_COLUMN, LABEL_COLUMN}]
    if not names:
        raise DataError(f"{file.name}: no columns of groups beside {PATH_COLUMN} and {LABEL_COLUMN}")
    return {name.strip(): np.array([(row[name] or "").strip() for row in rows]) for name in names}


def is_path_list(file: Path) -> bool:
    """Whether a CSV's header has the columns of a list of paths."""
    with file.open("rb") as raw:
        header = raw.readline().decode("utf-8", errors="replace")
    columns = {column.strip() for column in header.split(",")}
    return {PATH_COLUMN, LABEL_COLUMN} <= columns


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with file.open(encoding="utf-8", newline="") as text:
        reader = csv.DictReader(text, skipinitialspace=True)
        for row in reader:
            if not row.get(PATH_COLUMN) or not row.get(LABEL_COLUMN):
                raise DataError(f"{file.name} line {reader.line_num}: expected a path and a label, got {row}")
            yield reader.line_num, row


def _label_index(name: str, where: str) -> int:
    text = name.strip().lower()
    label = ALIASES.get(text, text)
    if label in LABELS:
        return LABELS.index(label)
    if text.isdecimal() and int(text) < len(LABELS):
        return int(text)
    raise DataError(f"{where}: {name!r} is no class; expected one of {list(LABELS)}, {list(ALIASES)} or 0 to 6")


def _read(name: str, pairs: list[tuple[Path, int]]) -> Split:
    images = [_read_face(path) for path, _ in pairs]
    return Split(name, np.stack(images), np.array([label for _, label in pairs], dtype=np.int64))


def _read_face(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise DataError(f"{path}: no such image, or it does not decode")
    if image.shape == (INPUT_SIZE, INPUT_SIZE):
        return image
    shrinking = min(image.shape) >= INPUT_SIZE
    return cv2.resize(image, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC)
