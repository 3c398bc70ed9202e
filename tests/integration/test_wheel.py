"""The wheel that `make wheel` builds, installed into a clean environment and used from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
import requests

import emotion
from emotion import contract
from emotion.answer import answer
from emotion.image import decode
from emotion.pipeline import COVERING, DETECTOR, LANDMARKS, NETWORK, Pipeline
from serving.addresses import Addresses
from tests.conftest import ROOT, photo_bytes, photo_path

MEGABYTES = 25
"""Most that the wheel may weigh."""

THREE_LINES = """
import sys
data = sys.stdin.buffer.read()

from emotion import Pipeline
pipeline = Pipeline.load()
(result,) = pipeline([data])

from emotion.answer import answer
print(answer(result, pipeline.classifier).to_json())
"""

PHOTOS = ("smiling", "serious", "group", "landscape")


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel and what it depends on, and an empty folder to work in."""

    environment: Path
    folder: Path

    def run(self, *command: str | Path, sent: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a program of the environment in the folder, with nothing of this repository in sight."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        program = [self.environment / "bin" / command[0], *command[1:]]
        return subprocess.run(program, cwd=self.folder, env=variables, input=sent, capture_output=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make wheel` builds it, from this checkout's own files."""
    out = tmp_path_factory.mktemp("dist")
    _done(sys.executable, "-m", "training.third_party")
    _done(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", out)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel with its dependencies, in the versions and with the hashes of our lock."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    uv = Path(sys.executable).with_name("uv")
    _done(uv, "venv", "--quiet", "--python", sys.executable, folder)
    lock = ROOT / "requirements" / "all.txt"
    _done(uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", "--constraint", lock, wheel)
    return folder


@pytest.fixture
def installed(environment: Path, tmp_path: Path) -> Installed:
    return Installed(environment, tmp_path)


def test_the_wheel_is_small_and_holds_the_models_and_their_licences(wheel: Path) -> None:
    assert wheel.name == f"emotion_detection-{emotion.__version__}-py3-none-any.whl"
    assert wheel.stat().st_size < MEGABYTES * 1e6
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = archive.read(f"emotion_detection-{emotion.__version__}.dist-info/METADATA").decode()
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "emotion").glob("*.py")}
    licences = {"emotion/licences/centerface.txt", "emotion/licences/dlib-landmarks.txt"}
    models = {f"emotion/models/{name}" for name in (NETWORK, COVERING, DETECTOR, LANDMARKS)}
    assert held == package | licences | models
    assert all(f"License-File: {licence}" in metadata for licence in licences)


def test_nothing_but_the_wheel_and_what_it_needs_is_installed(environment: Path) -> None:
    found = {path.name.split("-")[0].lower() for path in environment.glob("lib/*/site-packages/*.dist-info")}
    assert {"emotion_detection", "onnxruntime", "opencv_python_headless", "dlib_bin", "pydantic", "numpy"} <= found
    assert not found & {"torch", "torchserve", "streamlit", "pillow"}


def test_three_lines_analyse_a_photo_as_the_repository_does(installed: Installed, pipeline: Pipeline) -> None:
    done = installed.run("python", "-c", THREE_LINES, sent=photo_bytes("group"))
    assert done.returncode == 0, done.stderr.decode()
    assert untimed(json.loads(done.stdout)) == untimed(expected(pipeline, photo_bytes("group")))


def test_the_command_prints_the_services_answers_a_line_a_photo(installed: Installed, pipeline: Pipeline) -> None:
    paths = [str(photo_path(photo)) for photo in PHOTOS]
    done = installed.run("emotion", "--json", *paths)
    assert (done.returncode, done.stderr) == (0, b"")
    answers = lines(done.stdout)
    assert [found.pop("file") for found in answers] == paths
    for photo, found in zip(PHOTOS, answers, strict=True):
        contract.Analysis.model_validate(found)
        assert untimed(found) == untimed(expected(pipeline, photo_bytes(photo)))


def test_the_command_and_the_service_answer_alike(
    installed: Installed, server: Addresses, http: requests.Session
) -> None:
    """The command takes the photo from standard input, as `curl … | emotion --json -` gives it."""
    (found,) = lines(installed.run("emotion", "--json", "-", sent=photo_bytes("group")).stdout)
    assert found.pop("file") == "-"
    served = http.post(server.predictions, photo_bytes("group"), timeout=60)
    assert untimed(served.json()) == untimed(found)


def test_one_bad_file_is_an_error_and_leaves_the_others_answered(installed: Installed) -> None:
    (installed.folder / "notes.jpg").write_text("no photo, whatever its name says", encoding="utf-8")
    shutil.copy(photo_path("smiling"), installed.folder / "portrait.txt")
    done = installed.run("emotion", "--json", "notes.jpg", "missing.jpg", ".", "portrait.txt")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "error: notes.jpg: the file is not JPEG, PNG or WebP (unsupported_format)",
        "error: missing.jpg: No such file or directory (unreadable_file)",
        "error: .: Is a directory (unreadable_file)",
    ]
    answers = {found["file"]: found for found in lines(done.stdout)}
    assert list(answers) == ["notes.jpg", "missing.jpg", ".", "portrait.txt"]
    codes = [answers[file]["error"]["code"] for file in ("notes.jpg", "missing.jpg", ".")]
    assert codes == ["unsupported_format", "unreadable_file", "unreadable_file"]
    assert len(answers["portrait.txt"]["faces"]) == 1


def test_the_table_names_photos_and_emotions(installed: Installed) -> None:
    for photo, name in (("smiling", "a.png"), ("landscape", "b.jpg")):
        shutil.copy(photo_path(photo), installed.folder / name)
    done = installed.run("emotion", "a.png", "b.jpg")
    assert (done.returncode, done.stderr) == (0, b"")
    first, face, last = done.stdout.decode().splitlines()
    assert (first, last) == ("a.png  512×512, 1 face", "b.jpg  640×427, no face")
    assert face.split()[:2] == ["1", "happy"]


def test_photos_are_drawn_on_and_never_overwritten(installed: Installed) -> None:
    """Two photos of one name, and one that has the name that the first drawing would have."""
    photos = ("portrait.png", "other/portrait.jpg", "portrait-emotions.jpg")
    (installed.folder / "other").mkdir()
    for photo in photos:
        shutil.copy(photo_path("serious"), installed.folder / photo)
    done = installed.run("emotion", "--annotate", ".", *photos)
    assert (done.returncode, done.stderr) == (0, b"")
    original = photo_bytes("serious")
    assert all((installed.folder / photo).read_bytes() == original for photo in photos)
    drawn = sorted(path.name for path in installed.folder.glob("*-emotions*") if path.name not in photos)
    assert drawn == ["portrait-emotions-2.jpg", "portrait-emotions-3.jpg", "portrait-emotions-emotions.jpg"]
    before = decode(original)
    for name in drawn:
        after = cv2.imread(str(installed.folder / name))
        assert after is not None and after.shape == before.shape
        assert np.abs(after.astype(int) - before).max() > 100, "nothing is drawn on it"


def test_a_folder_that_cannot_be_written_is_a_clear_error(installed: Installed) -> None:
    (installed.folder / "taken").write_text("a file", encoding="utf-8")
    done = installed.run("emotion", "--annotate", "taken", str(photo_path("smiling")))
    assert done.returncode == 2
    assert done.stderr.decode().startswith("error: ") and "taken" in done.stderr.decode()


def test_the_version_names_the_package_the_model_and_the_runtime(installed: Installed) -> None:
    first, model, runtime = installed.run("emotion", "--version").stdout.decode().splitlines()
    assert first == f"emotion {emotion.__version__}"
    assert model == f"model emotion {emotion.__version__}, onnxruntime int8"
    assert f"ONNX Runtime {onnxruntime.__version__}, OpenCV {cv2.__version__}" in runtime


def test_without_a_photo_the_command_says_what_it_wants(installed: Installed) -> None:
    done = installed.run("emotion")
    assert done.returncode == 2
    assert "name a photo, or - for standard input" in done.stderr.decode()


def expected(pipeline: Pipeline, photo: bytes) -> dict[str, Any]:
    """The answer of the repository's own pipeline."""
    (result,) = pipeline([photo])
    read: dict[str, Any] = json.loads(answer(result, pipeline.classifier).to_json())
    return read


def untimed(found: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs each time."""
    assert set(found["timings_ms"]) == set(contract.STAGES)
    return {name: value for name, value in found.items() if name != "timings_ms"}


def lines(printed: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def _done(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
