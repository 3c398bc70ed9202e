"""Where the served network stops being reliable: the constants of `emotion.quality.LIMITS`, and what they catch.

    python -m training.limits --data fer2013.csv.gz

For each quantity that is measured of a crop, held-out faces are damaged as `training.conditions` does in the ways that
move this quantity, in all strengths. Sorted by the quantity, the limit is where accuracy, over `WINDOW` faces, falls
below `FLOOR`. The second table says which share of the faces is marked unreliable in each condition and strength.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from emotion.classifier import Classifier
from emotion.quality import LIMITS, measure_crop
from training.artifact import load_classifier
from training.conditions import CONDITIONS, damaged
from training.data import DataError, some_faces
from training.evaluate import load_faces
from training.scoring import classify
from training.stress import SEED

FLOOR = 0.6
"""Accuracy below which an answer is not reliable: two in five are wrong."""

WINDOW = 500
"""Faces over which accuracy is averaged: its standard error is two points."""

MEASURED = ("sharpness", "noise", "brightness", "contrast", "clipped")
"""What `measure_crop` measures, in its order."""

LOW_IS_BAD = ("sharpness", "brightness", "contrast")

MOVED_BY = {
    "sharpness": ("Gaussian blur", "defocus", "motion blur", "few pixels"),
    "noise": ("Gaussian noise", "shot noise", "impulse noise"),
    "brightness": ("low light",),
    "contrast": ("low contrast",),
    "clipped": ("overexposure",),
}
"""The conditions that move each quantity, by their names."""


def main() -> None:
    arguments = _parse_arguments()
    try:
        classifier = load_classifier(arguments.model)
        split = some_faces(load_faces(arguments.data, "validation"), arguments.faces)
    except (DataError, FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    clean = _seen(classifier, split.images, split.labels)
    seen = {
        (condition.name, strength): _seen(classifier, damaged(split.images, condition, strength, SEED), split.labels)
        for condition in tqdm(CONDITIONS, unit="condition", disable=None)
        for strength in condition.strengths
    }
    for column, name in enumerate(MEASURED):
        parts = [clean, *(part for (condition, _), part in seen.items() if condition in MOVED_BY[name])]
        values = np.concatenate([part[0][:, column] for part in parts])
        correct = np.concatenate([part[1] for part in parts])
        print(f"{name:12}{limit(values, correct, low_is_bad=name in LOW_IS_BAD):8.3f}   now {getattr(LIMITS, name)}")
    print("\naccuracy, and share marked unreliable, in %")
    print(f"{'as they are':16}{_caught(clean)}")
    for condition in CONDITIONS:
        cells = "".join(_caught(seen[condition.name, strength]) for strength in condition.strengths)
        print(f"{condition.name:16}{cells}")


def limit(values: np.ndarray, correct: np.ndarray, *, low_is_bad: bool) -> float:
    """The value, from the good end on, at which accuracy over `WINDOW` neighbours first stays below `FLOOR`.

    `values` and `correct`, float and bool `[N]`. The worst value if accuracy never falls so low.
    """
    order = np.argsort(-values if low_is_bad else values, kind="stable")
    ordered = values[order]
    window = min(WINDOW, len(values))
    accuracy = np.convolve(correct[order], np.full(window, 1 / window), mode="valid")
    good = np.nonzero(accuracy >= FLOOR)[0]
    last = int(good[-1]) if len(good) else 0
    return float(ordered[-1] if last == len(accuracy) - 1 else ordered[last + window // 2])


def _seen(classifier: Classifier, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of faces uint8 `[N, 48, 48]`: what is measured, float `[N, 5]`, and which answers are right, bool `[N]`."""
    measured = np.array([measure_crop(image) for image in images])
    return measured, classify(classifier, images).argmax(axis=1) == labels


def _caught(part: tuple[np.ndarray, np.ndarray]) -> str:
    measured, correct = part
    beyond = np.zeros(len(measured), dtype=bool)
    for column, name in enumerate(MEASURED):
        bound, values = getattr(LIMITS, name), measured[:, column]
        beyond |= values < bound if name in LOW_IS_BAD else values > bound
    return f"{100 * correct.mean():8.1f} ({100 * beyond.mean():3.0f})"


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a FER-2013 file, a folder of classes, a CSV of paths")
    parser.add_argument("--model", type=Path, default=Path("model_store/emotion.onnx"))
    parser.add_argument("--faces", type=int, default=1000, help="how many, drawn at random; 0: all of them")
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
