"""Where the served network stops being reliable: the constants of `emotion.quality.LIMITS`.

    make limits DATA=fer2013.csv.gz

For each quantity that is measured of a crop, held-out faces are damaged as `training.conditions` does in the ways that
move this quantity, in all strengths. The limit is the mildest that marks `CAUGHT` of the faces in each of these cells
in which accuracy is below `FLOOR`; the share of undamaged faces that it marks stands beside it. What the limits in use
catch stands in the stress report (`training.stress`).

Tried and left out: steps between JPEG's blocks mark all faces of quality 7 while the blocks are parallel to the crop's
sides, and 16 % once the face is levelled by two degrees. A frame that repeats its border gives away our loose crops,
not those of a photo. Where 1.5 % of undamaged faces are marked, the network's energy (Liu et al. 2020) marks 4 % of
those in a mask, and too little detail below the eyes 9 to 67 % of them, as our masks are plain; where 2 % are, a linear
layer on what the network pools marks 20 to 70 % of them. So `training.covering` has a network of its own.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from emotion.classifier import Classifier
from emotion.quality import LIMITS
from training.artifact import load_classifier
from training.conditions import CONDITIONS, damaged
from training.data import DataError, some_faces
from training.evaluate import load_faces
from training.reliability import CAUGHT, FLOOR, MEASURED, measured
from training.scoring import classify
from training.stress import SEED

LOW_IS_BAD = ("sharpness", "brightness", "contrast")

MOVED_BY = {
    "sharpness": ("Gaussian blur", "defocus", "motion blur", "few pixels"),
    "noise": ("Gaussian noise", "shot noise", "impulse noise"),
    "brightness": ("low light",),
    "contrast": ("low contrast",),
    "clipped": ("overexposure",),
    "covered": ("mask", "hand", "hair"),
}
"""The conditions of `training.conditions` that move each quantity, by their names."""


def main() -> None:
    arguments = _parse_arguments()
    try:
        classifier = load_classifier(arguments.model)
        split = some_faces(load_faces(arguments.data, "validation"), arguments.faces)
    except (DataError, FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    clean = _seen(classifier, split.images, split.labels)
    moving = [each for each in CONDITIONS if any(each.name in names for names in MOVED_BY.values())]
    seen = {
        (condition.name, strength): _seen(classifier, damaged(split.images, condition, strength, SEED), split.labels)
        for condition in tqdm(moving, unit="condition", disable=None)
        for strength in condition.strengths
    }
    for column, name in enumerate(MEASURED):
        low_is_bad = name in LOW_IS_BAD
        failing = [
            quantities[:, column]
            for (condition, _), (quantities, right) in seen.items()
            if condition in MOVED_BY[name] and right.mean() < FLOOR
        ]
        print(f"{name:12}now {getattr(LIMITS, name):8.3f}", end="")
        if failing:
            found = limit(failing, low_is_bad=low_is_bad)
            undamaged = clean[0][:, column]
            false = np.mean(undamaged < found if low_is_bad else undamaged > found)
            shown = (math.ceil if low_is_bad else math.floor)(found * 1000) / 1000  # rather one face more than one less
            print(f"   better {shown:8.3f}, which marks {false:.1%} of undamaged faces", end="")
        print()


def limit(failing: Sequence[np.ndarray], *, low_is_bad: bool) -> float:
    """The mildest limit beyond which at least `CAUGHT` of the values float `[N]` of each of `failing` are."""
    bounds = [np.quantile(values, CAUGHT if low_is_bad else 1 - CAUGHT) for values in failing]
    return float(max(bounds) if low_is_bad else min(bounds))


def _seen(classifier: Classifier, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of faces uint8 `[N, 48, 48]`: what is measured, float `[N, 6]`, and which answers are right, bool `[N]`."""
    return measured(images), classify(classifier, images).argmax(axis=1) == labels


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a FER-2013 file, a folder of classes, a CSV of paths")
    parser.add_argument("--model", type=Path, default=Path("model_store/emotion.onnx"))
    parser.add_argument("--faces", type=int, default=1000, help="how many, drawn at random; 0: all of them")
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
