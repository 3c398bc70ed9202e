"""Score a model on one split of FER-2013, or on other labelled faces.

    python -m training.evaluate --data fer2013.csv.gz --split validation --out report.json
    python -m training.evaluate --data folder/         # folder/<class>/…png
    python -m training.evaluate --data faces.csv       # columns path, label
    python -m training.evaluate --data fer2013.csv.gz --model runs/a/emotion.pt runs/b/emotion.pt   # an ensemble

One view of each face unless `--mirror` averages it with its mirror image. Prints a table and writes JSON, and with
`--plots` PNG files. Scores are given twice: on all faces, and without the images that are pixel for pixel among those
that the model, or any of an ensemble, was trained on.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emotion.classifier import Classifier, softmax
from emotion.labels import LABELS
from training.artifact import load_classifier
from training.corruption import half_damaged
from training.data import SPLITS, DataError, Split, fingerprints, load_fingerprints, load_splits
from training.labelled_images import is_path_list, load_folder, load_path_list
from training.plots import write_plots
from training.scoring import Ensemble, classify, fit_temperature

RESAMPLES, TAILS, SEED = 2000, (0.025, 0.975), 0
"""The bootstrap's (Efron 1979), which draws faces with replacement; the tails cut out a 95 % interval."""

FOLDS = 5
"""For the cross-fitted calibration error."""

DRAWS = 200
"""Of answers that are right as often as stated, for the calibration error by chance."""

CALIBRATION_BINS = 15
"""For the expected calibration error, as in Guo et al. 2017."""

FEWEST = 10
"""A bin with fewer faces than this gets no interval: its accuracy says little."""


def main() -> None:
    arguments = _parse_arguments()
    try:
        members = [load_classifier(path) for path in arguments.model]
        split = load_faces(arguments.data, arguments.split)
    except (DataError, FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    classifier = members[0] if len(members) == 1 else Ensemble(members)
    report = evaluate(classifier, split, seen_in_training(arguments.model), arguments.mirror)
    report["model"]["sha256"] = [hashlib.sha256(path.read_bytes()).hexdigest() for path in arguments.model]
    arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print_report(report)
    written = [arguments.out, *(write_plots(report, arguments.plots) if arguments.plots else [])]
    print(f"\nwritten: {', '.join(map(str, written))}")


def load_faces(data: Path, split: str) -> Split:
    """Faces from a folder of classes, a CSV of paths, or else the split of a FER-2013 file. Raises `DataError`."""
    if data.is_dir():
        return load_folder(data)
    if data.is_file() and is_path_list(data):
        return load_path_list(data)
    return load_splits(data, (split,))[split]


def seen_in_training(models: Sequence[Path]) -> np.ndarray | None:
    """Fingerprints of the faces that any of `models` was trained on; None if those of one are not known."""
    members = [load_fingerprints(path.with_name("fingerprints.npy")) for path in models]
    known = [each for each in members if each is not None]
    return np.unique(np.concatenate(known)) if len(known) == len(members) else None


def evaluate(
    classifier: Classifier, split: Split, trained_on: np.ndarray | None, mirror: bool = False
) -> dict[str, Any]:
    """The report of `classifier` on `split`.

    `trained_on`: fingerprints of the training images, or None if they are not known; then nothing is de-duplicated.
    `mirror`: average the probabilities of each face and its mirror image (test-time augmentation).
    """
    logits = [classify(classifier, split.images)]
    if mirror:
        logits.append(classify(classifier, np.ascontiguousarray(split.images[:, :, ::-1])))
    probabilities = np.mean([softmax(each, classifier.temperature) for each in logits], axis=0)
    report: dict[str, Any] = {
        "model": {"name": classifier.name, "version": classifier.version, "runtime": classifier.runtime},
        "data": {"name": split.source},
        "views_per_face": len(logits),
        "temperature": classifier.temperature,
        **score(probabilities, split.labels),
        "ece_cross_fitted": cross_fitted_calibration_error(
            logits, classify(classifier, half_damaged(split.images)), split.labels
        ),
        "ece_by_chance": calibration_error_by_chance(probabilities),
        "reliability": reliability(probabilities, split.labels),
        "coverage": coverage(probabilities, split.labels),
    }
    report["confusion_shares"] = [
        [rounded(count / max(sum(row), 1)) for count in row] for row in report["confusion_matrix"]
    ]
    if trained_on is not None:
        fresh = ~np.isin(fingerprints(split.images), trained_on)
        if fresh.any():  # on the training split itself nothing is left
            report["deduplicated"] = score(probabilities[fresh], split.labels[fresh])
    return report


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Scores for `probabilities` `[N, 7]` and `labels` `[N]`, with 95 % intervals, rounded to 4 decimals."""
    size = len(LABELS)
    cells = labels * size + probabilities.argmax(1)
    confusion = np.bincount(cells, minlength=size * size).reshape(1, size, size)
    generator = np.random.default_rng(SEED)
    resampled = np.stack(
        [
            np.bincount(cells[generator.integers(len(cells), size=len(cells))], minlength=size * size)
            for _ in range(RESAMPLES)
        ]
    ).reshape(RESAMPLES, size, size)
    values = {name: value[0] for name, value in _statistics(confusion).items()}
    intervals = {name: np.quantile(value, TAILS, axis=0) for name, value in _statistics(resampled).items()}
    overall = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
    support = confusion[0].sum(axis=1)
    return {
        "count": len(labels),
        **{name: rounded(values[name]) for name in overall},
        **{f"{name}_interval": _pair(intervals[name]) for name in overall},
        "ece": rounded(expected_calibration_error(probabilities, labels)),
        "per_class": {
            label: {
                **{name: rounded(values[name][index]) for name in ("precision", "recall", "f1")},
                **{f"{name}_interval": _pair(intervals[name][:, index]) for name in ("precision", "recall", "f1")},
                "count": int(support[index]),
            }
            for index, label in enumerate(LABELS)
        },
        "confusion_matrix": confusion[0].tolist(),
    }


def _statistics(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy, scores of each class and their macro means for confusion matrices `[M, 7, 7]`, rows true.

    A score that would divide by 0 is 0. The means are over the classes that occur in the matrix.
    """
    hits = np.diagonal(confusion, axis1=1, axis2=2).astype(float)
    true, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    by_class = {
        "precision": hits / np.maximum(predicted, 1),
        "recall": hits / np.maximum(true, 1),
        "f1": 2 * hits / np.maximum(true + predicted, 1),
    }
    present = true > 0
    macro = {
        f"macro_{name}": np.where(present, value, 0).sum(axis=1) / present.sum(axis=1)
        for name, value in by_class.items()
    }
    return {"accuracy": hits.sum(axis=1) / true.sum(axis=1), **by_class, **macro}


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean distance between confidence and accuracy over equally wide bins of confidence (Guo et al. 2017, eq. 3)."""
    bins = reliability(probabilities, labels)
    gaps: float = sum(each["count"] * abs(each["accuracy"] - each["confidence"]) for each in bins)
    return gaps / len(labels)


def cross_fitted_calibration_error(logits: list[np.ndarray], fitted_on: np.ndarray, labels: np.ndarray) -> float | None:
    """The calibration error of probabilities whose temperature was fitted on other faces of the same split.

    The split is cut into `FOLDS`; each fold is scored with the temperature fitted on the other ones. On the split that
    calibrated the model, this says what a temperature is worth on faces it has not seen. `logits`: `[N, 7]` each,
    one for every view; `fitted_on`: those of the same faces as the served temperature is fitted on them, every second
    one damaged. None where there are fewer faces than folds.
    """
    if len(labels) < FOLDS:
        return None
    fold = np.random.default_rng(SEED).permutation(len(labels)) % FOLDS
    probabilities = np.empty(logits[0].shape)
    for each in range(FOLDS):
        held_out = fold == each
        temperature = fit_temperature(torch.from_numpy(fitted_on[~held_out]), torch.from_numpy(labels[~held_out]))
        probabilities[held_out] = np.mean([softmax(view[held_out], temperature) for view in logits], axis=0)
    return rounded(expected_calibration_error(probabilities, labels))


def calibration_error_by_chance(probabilities: np.ndarray) -> float:
    """The calibration error that a perfectly calibrated network would show on as many faces, the mean of `DRAWS`.

    Each face is right with the probability that is stated for it, `[N, 7]`. Bins of few faces differ from their
    confidence by chance, so the measure never reaches 0 (Roelofs et al. 2022, "Mitigating Bias in Calibration Error
    Estimation").
    """
    generator = np.random.default_rng(SEED)
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    wrong = (predicted + 1) % len(LABELS)
    draws = (np.where(generator.random(len(predicted)) < confidence, predicted, wrong) for _ in range(DRAWS))
    return rounded(float(np.mean([expected_calibration_error(probabilities, labels) for labels in draws])))


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> list[dict[str, Any]]:
    """Mean confidence, accuracy and number of faces in each of `CALIBRATION_BINS` equally wide bins of confidence.

    `accuracy_interval`: at 95 %, by the normal approximation; None where there are fewer than `FEWEST` faces.
    """
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    index = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins: list[dict[str, Any]] = []
    for each in range(CALIBRATION_BINS):
        inside = index == each
        count = int(inside.sum())
        accuracy = float(correct[inside].mean()) if count else 0.0
        error = 1.96 * np.sqrt(accuracy * (1 - accuracy) / max(count, 1))
        interval = _pair(np.clip([accuracy - error, accuracy + error], 0, 1)) if count >= FEWEST else None
        mean = float(confidence[inside].mean()) if count else 0.0
        bins.append({"confidence": mean, "accuracy": accuracy, "count": count, "accuracy_interval": interval})
    return bins


def coverage(probabilities: np.ndarray, labels: np.ndarray) -> list[dict[str, float]]:
    """For thresholds of confidence from 0 in steps of 5 %: the share of faces that reach it, and accuracy on them.

    Ends before the first threshold that no face reaches.
    """
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    points = []
    for threshold in np.arange(0, 1, 0.05):
        answered = confidence >= threshold
        if not answered.any():
            break
        points.append(
            {
                "threshold": rounded(threshold),
                "coverage": rounded(answered.mean()),
                "accuracy": rounded(correct[answered].mean()),
            }
        )
    return points


def print_report(report: dict[str, Any]) -> None:
    """The report as a table for people."""
    model = report["model"]
    print(f"{model['name']} {model['version']} ({model['runtime']}) on {report['data']['name']}")
    for title, part in (("all faces", report), ("without training duplicates", report.get("deduplicated"))):
        if part is None:
            continue
        low, high = part["accuracy_interval"]
        print(
            f"{title}: {part['count']} faces  accuracy {part['accuracy']:.2%} ({low:.2%} to {high:.2%})  "
            f"macro-F1 {part['macro_f1']:.4f}  calibration error {part['ece']:.4f}"
        )
    if report["ece_cross_fitted"] is not None:
        print(f"calibration error with the temperature fitted on other faces: {report['ece_cross_fitted']:.4f}")
    print(f"calibration error of a perfectly calibrated network on as many faces: {report['ece_by_chance']:.4f}")
    print(f"\n{'':12}{'precision':>10}{'recall':>8}{'F1':>8}{'count':>7}   confusion: rows true, columns predicted")
    for row, (label, scores) in zip(report["confusion_matrix"], report["per_class"].items(), strict=True):
        cells = "".join(f"{cell:6d}" for cell in row)
        numbers = f"{scores['precision']:10.3f}{scores['recall']:8.3f}{scores['f1']:8.3f}{scores['count']:7d}"
        print(f"{label:12}{numbers}   {cells}")


def _pair(interval: np.ndarray) -> list[float]:
    return [rounded(bound) for bound in interval]


def rounded(value: float) -> float:
    """As reports give shares and scores: with 4 decimals."""
    return round(float(value), 4)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a FER-2013 file, a folder of classes, a CSV of paths")
    parser.add_argument("--split", choices=tuple(SPLITS), default="test")
    parser.add_argument(
        "--model",
        type=Path,
        nargs="+",
        default=[Path("model_store/emotion.onnx")],
        help="several answer as an ensemble",
    )
    parser.add_argument("--mirror", action="store_true", help="average each face with its mirror image")
    parser.add_argument("--out", type=Path, default=Path("report.json"))
    parser.add_argument("--plots", type=Path, help="folder for the plots")
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
