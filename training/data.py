"""FER-2013 from the file that Kaggle hands out, old layout or new, checked row by row."""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotion.labels import INPUT_SIZE, LABELS

SPLITS = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
"""Our names of the splits and the values of the file's `Usage` column."""

PIXELS = INPUT_SIZE * INPUT_SIZE
COLUMNS = ("emotion", "pixels", "Usage")

VOTES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""The columns of the FER+ file that have a FER-2013 class, in the order of `LABELS`. Votes for contempt, "unknown"
and "not a face" have none."""


class DataError(ValueError):
    """The data file cannot be used; the message names the row or column and what was expected."""


@dataclass(frozen=True)
class Split:
    """Labelled faces: `images` uint8 `[N, 48, 48]` grey, `labels` int64 `[N]`, indices of `LABELS`.

    `source` names them in reports.
    `votes`: shares of the FER+ annotators' votes, float32 `[N, 7]`, where they were loaded; see `load_votes`.
    """

    source: str
    images: np.ndarray
    labels: np.ndarray
    votes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, kept: np.ndarray) -> "Split":
        """The faces for which `kept`, bool `[N]`, is true."""
        votes = None if self.votes is None else self.votes[kept]
        return Split(self.source, self.images[kept], self.labels[kept], votes)


def load_splits(path: Path, names: tuple[str, ...]) -> dict[str, Split]:
    """The splits `names` (of `SPLITS`) from `fer2013.csv`, `fer2013.csv.gz` or `icml_face_data.csv`.

    Raises `DataError` for a missing column, a wrong number of pixels or value, a label outside 0–6, an unknown
    `Usage`, a truncated archive, or a wanted split without rows.
    """
    usage_to_name = {usage: name for name, usage in SPLITS.items()}
    images: dict[str, list[np.ndarray]] = {name: [] for name in names}
    labels: dict[str, list[int]] = {name: [] for name in names}
    for line, (emotion, pixels, spaced_usage) in _columns(path, COLUMNS):
        usage = spaced_usage.strip()
        if usage not in usage_to_name:
            raise DataError(f"{path.name} line {line}: Usage is {usage!r}; expected one of {sorted(usage_to_name)}")
        name = usage_to_name[usage]
        if name in images:
            images[name].append(_parse_pixels(pixels, path.name, line))
            labels[name].append(_parse_label(emotion, path.name, line))
    for name in names:
        if not labels[name]:
            raise DataError(f"{path.name}: no rows with Usage {SPLITS[name]!r}; the split {name!r} is empty")
    return {
        name: Split(f"FER-2013 {SPLITS[name]}", np.stack(images[name]), np.array(labels[name], dtype=np.int64))
        for name in names
    }


def load_votes(path: Path, split: str, count: int) -> np.ndarray:
    """FER+ votes for the `count` rows of `split`, as shares: float32 `[count, 7]`, in the order of `LABELS`.

    A face without a single vote for one of the seven classes has a row of zeros. `path`: `fer2013new.csv`, whose rows
    stand in the order of FER-2013's. Raises `DataError` for a missing file or column, or another number of rows.
    """
    rows = [
        [_parse_votes(text, path.name, line) for text in votes]
        for line, (usage, *votes) in _columns(path, ("Usage", *VOTES))
        if usage.strip() == SPLITS[split]
    ]
    if len(rows) != count:
        raise DataError(f"{path.name}: {len(rows)} rows with Usage {SPLITS[split]!r}; the faces have {count}")
    counts = np.array(rows, dtype=np.float32)
    shares: np.ndarray = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def fingerprints(images: np.ndarray) -> np.ndarray:
    """A 64-bit hash of each image's pixels, uint64 `[N]`: equal for exact duplicates."""
    digests = [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images]
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def save_fingerprints(split: Split, path: Path, inherited: Sequence[np.ndarray | None] = ()) -> None:
    """Keep which images a model was trained on, so that a later evaluation can leave out their duplicates.

    `inherited`: those of the networks that the model began with or is made of, where known; it has seen them too.
    """
    seen = [fingerprints(split.images), *(each for each in inherited if each is not None)]
    np.save(path, np.unique(np.concatenate(seen)))


def some_faces(split: Split, count: int) -> Split:
    """`count` faces of `split`, the same in every call; all faces if it has no more, or `count` is 0."""
    if not 0 < count < len(split):
        return split
    kept = np.zeros(len(split), dtype=bool)
    kept[np.random.default_rng(0).permutation(len(split))[:count]] = True
    return split.where(kept)


def load_fingerprints(path: Path) -> np.ndarray | None:
    """What `save_fingerprints` kept, or None if it was not kept."""
    return np.load(path) if path.exists() else None


def _columns(path: Path, wanted: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Line number and the `wanted` columns of each row of a CSV file, packed with gzip or not."""
    if not path.is_file():
        raise DataError(f"no data file at {path}; pass DATA=…/fer2013.csv.gz, the file from Kaggle")
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as binary:
            # The newer file names its columns " Usage" and " pixels", with a space in front.
            reader = csv.reader(io.TextIOWrapper(binary, encoding="utf-8", newline=""), skipinitialspace=True)
            header = [column.strip() for column in next(reader, [])]
            missing = [column for column in wanted if column not in header]
            if missing:
                raise DataError(f"{path.name}: no column {missing[0]!r}; the header is {header}, expected {wanted}")
            places = [header.index(column) for column in wanted]
            for row in reader:
                if len(row) != len(header):
                    raise DataError(f"{path.name} line {reader.line_num}: {len(row)} fields, expected {len(header)}")
                yield reader.line_num, [row[place] for place in places]
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path.name}: the archive is truncated or broken ({error}); download it again") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name}: not a CSV text file ({error})") from error


def _parse_pixels(text: str, file: str, line: int) -> np.ndarray:
    try:
        values = np.fromstring(text, dtype=np.int64, sep=" ")
    except ValueError as error:
        raise DataError(f"{file} line {line}: pixels hold something that is not a whole number") from error
    if values.size != PIXELS:
        raise DataError(f"{file} line {line}: {values.size} pixels, expected {PIXELS} ({INPUT_SIZE}×{INPUT_SIZE})")
    if values.min() < 0 or values.max() > 255:
        raise DataError(f"{file} line {line}: pixels reach from {values.min()} to {values.max()}, expected 0 to 255")
    return values.astype(np.uint8).reshape(INPUT_SIZE, INPUT_SIZE)


def _parse_label(text: str, file: str, line: int) -> int:
    label = int(text) if text.strip().isdecimal() else -1
    if not 0 <= label < len(LABELS):
        raise DataError(f"{file} line {line}: emotion is {text!r}, expected 0 to {len(LABELS) - 1}")
    return label


def _parse_votes(text: str, file: str, line: int) -> int:
    if not text.strip().isdecimal():
        raise DataError(f"{file} line {line}: {text!r} is not a number of votes")
    return int(text)
