"""Small archives for the tests of `bulk`, and the command run over them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
from PIL import Image

from tests.conftest import ROOT, encoded, photo_path
from training import third_party

BROKEN = {
    "empty.jpg": (b"", "empty_body"),
    "text.jpg": (b"no photo at all", "unsupported_format"),
    "short.jpg": (b"", "truncated_image"),
    "noise.png": (b"\x89PNG\r\n\x1a\n" + bytes(100), "invalid_image"),
}
"""By name: what is in a file that is no photo, and the outcome that it must have."""


def archive(folder: Path, count: int, kind: str = "serious") -> Path:
    """`count` photos that differ by crop and quality."""
    folder.mkdir(parents=True, exist_ok=True)
    with Image.open(photo_path(kind)) as whole:
        photo = whole.convert("RGB")
        photo.thumbnail((400, 400))
    for number in range(count):
        crop = photo.crop((number % 20, number % 13, photo.width - number % 7, photo.height - number % 11))
        (folder / f"{number:05}.jpg").write_bytes(encoded(crop, "JPEG", quality=60 + number % 40))
    return folder


def break_some(folder: Path) -> None:
    """Adds the files of `BROKEN`; the truncated one is half of a photo that is there."""
    good = (folder / "00000.jpg").read_bytes()
    for name, (data, _) in BROKEN.items():
        (folder / name).write_bytes(good[: len(good) // 2] if name == "short.jpg" else data)


def models(folder: Path) -> Path:
    """The four model files in one folder, as the installed package has them."""
    folder.mkdir()
    for name in ("emotion.onnx", "covering.onnx", "centerface-int8.onnx"):
        path = ROOT / "model_store" / name
        (folder / path.name).symlink_to(path)
    landmarks = ROOT / "model_store" / "third_party" / "shape_predictor_5_face_landmarks.dat"
    assert landmarks.is_file(), third_party.__doc__
    (folder / landmarks.name).symlink_to(landmarks)
    return folder


def command(source: object, out: object, model_folder: Path, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "bulk", str(source), "--out", str(out), "--models", str(model_folder)),
        *options,
    ]


def run(arguments: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, ended; its output is both streams."""
    return subprocess.run(
        arguments, cwd=ROOT, env=os.environ | environment, text=True, capture_output=True, check=False, timeout=600
    )


def query(out: Path, sql: str) -> list[tuple[object, ...]]:
    """What DuckDB answers over the Parquet files, as the view `archive`."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW archive AS SELECT * FROM read_parquet('{out}/*.parquet')")
        return connection.execute(sql).fetchall()


def photos_once(out: Path, folder: Path) -> None:
    """Every photo is there, each face of it once, and nothing else is."""
    doubled = query(out, "SELECT photo, face FROM archive GROUP BY ALL HAVING count(*) > 1")
    assert not doubled
    found = {str(photo) for (photo,) in query(out, "SELECT DISTINCT photo FROM archive")}
    assert found == {path.as_uri() for path in folder.iterdir()}


def all_rows(out: Path) -> list[tuple[object, ...]]:
    return query(out, "SELECT * FROM archive ORDER BY photo, face")
