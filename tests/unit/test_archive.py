"""What ships in the archive, and that it computes what the repository computes."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from emotion.alignment import crop
from emotion.image import decode
from emotion.pipeline import Pipeline
from emotion.pyramid import Pyramid
from tests.conftest import ARCHIVE, ROOT, analyse, photo_bytes, photo_path
from training import third_party
from training.package import BESIDE, NOT_SERVED

IN_THE_ARCHIVE = """
import json, sys
from pathlib import Path
import emotion
from emotion.alignment import crop
from emotion.image import decode
from emotion.pipeline import Pipeline
from emotion.pyramid import Pyramid

photo = Path(sys.argv[1]).read_bytes()
(result,) = Pipeline.load(Path())([photo])
(face,) = result.faces
print(json.dumps({
    "from": emotion.__file__,
    "torch": "torch" in sys.modules,
    "crop": crop(Pyramid(decode(photo)), face.detection, face.landmarks).tolist(),
    "probabilities": face.probabilities,
}))
"""
"""Prints what the unpacked archive, in the current folder, makes of a photo."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return folder


def served_files() -> list[Path]:
    """Of the package `emotion`, the models' licences included."""
    files = [path for path in (ROOT / "emotion").rglob("*") if path.is_file()]
    return [path for path in files if not set(path.parts) & set(NOT_SERVED)]


def test_the_archive_holds_the_handler_and_nothing_else(unpacked: Path) -> None:
    found = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    package = {str(path.relative_to(ROOT)) for path in served_files()}
    networks = (third_party.COVERING_NETWORK, third_party.INT8_DETECTOR, third_party.LANDMARKS)
    models = {"emotion.onnx", *(each.name for each in networks)}
    ours = {"emotion_handler.py", *(f"handler/{name}" for name in BESIDE), "model-config.yaml"}
    assert found == package | models | ours | {"MAR-INF/MANIFEST.json"}


def test_the_archive_is_built_from_this_checkout(unpacked: Path) -> None:
    for path in served_files():
        assert (unpacked / path.relative_to(ROOT)).read_bytes() == path.read_bytes(), path.name
    for name in ("emotion_handler.py", "model-config.yaml"):
        assert (unpacked / name).read_bytes() == (ROOT / "handler" / name).read_bytes(), name
    for name in BESIDE:
        assert (unpacked / "handler" / name).read_bytes() == (ROOT / "handler" / name).read_bytes()


def test_the_archive_computes_the_same_crop_and_probabilities(unpacked: Path, pipeline: Pipeline) -> None:
    """Without the repository on the path, and without PyTorch."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", IN_THE_ARCHIVE, str(photo_path("smiling"))]
    done = subprocess.run(command, cwd=unpacked, env=environment, capture_output=True, text=True, check=True)
    shipped = json.loads(done.stdout)
    assert Path(shipped["from"]).is_relative_to(unpacked)
    assert not shipped["torch"], "the worker would pay for it in memory and start-up"
    (result,) = analyse(pipeline, photo_bytes("smiling"))
    (face,) = result.faces
    np.testing.assert_allclose(shipped["probabilities"], face.probabilities, atol=1e-6)
    here = crop(Pyramid(decode(photo_bytes("smiling"))), face.detection, face.landmarks)
    np.testing.assert_array_equal(np.array(shipped["crop"]), here)


def test_a_wrong_hash_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / third_party.CENTERFACE.name).write_bytes(b"something else")
    with pytest.raises(
        third_party.VerificationError, match=r"centerface\.onnx has SHA-256 .* expected 09189dea.*delete"
    ):
        third_party.fetch(third_party.CENTERFACE, tmp_path)
