"""Score a model on one split of FER-2013, or on other labelled faces.

    python -m training.evaluate --data fer2013.csv.gz --split validation --out report.json
    python -m training.evaluate --data folder/         # folder/<class>/…png
    python -m training.evaluate --data faces.csv       # columns path, label

One view of each face unless `--mirror` averages it with its mirror image. Prints a table and writes JSON, and with
`--plots` PNG files. Scores stand twice: on all faces, and without the images that are pixel for pixel among those the
model was trained on.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from emotion.artifact import Artifact, load_artifact
from emotion.labels import LABELS
from training.data import SPLITS, DataError, Split, fingerprints, load_fingerprints, load_splits
from training.labelled_images import is_path_list, load_folder, load_path_list
from training.plots import write_plots
from training.scoring import predict_logits

RESAMPLES, CONFIDENCE_LEVEL, SEED = 2000, 0.95, 0
"""Of the bootstrap (Efron 1979), which draws faces with replacement."""

CALIBRATION_BINS = 15
"""Of the expected calibration error, as in Guo et al. 2017."""


def main() -> None:
    arguments = _parse_arguments()
    try:
        artifact = load_artifact(arguments.model)
        split = load_faces(arguments.data, arguments.split)
    except (DataError, FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    trained_on = load_fingerprints(arguments.model.with_name("fingerprints.npy"))
    report = evaluate(artifact, split, trained_on, arguments.mirror)
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


def evaluate(artifact: Artifact, split: Split, trained_on: np.ndarray | None, mirror: bool = False) -> dict[str, Any]:
    """The report of `artifact` on `split`.

    `trained_on`: fingerprints of the training images, or None if they are not known; then nothing is de-duplicated.
    `mirror`: average the probabilities of each face and its mirror image (test-time augmentation).
    """
    probabilities = artifact.probabilities(predict_logits(artifact.network, split.images)).numpy()
    if mirror:
        mirrored = np.ascontiguousarray(split.images[:, :, ::-1])
        probabilities = (probabilities + artifact.probabilities(predict_logits(artifact.network, mirrored)).numpy()) / 2
    report: dict[str, Any] = {
        "model": {"name": artifact.name, "version": artifact.version},
        "data": {"name": split.source},
        "views_per_face": 2 if mirror else 1,
        "temperature": artifact.temperature,
        **score(probabilities, split.labels),
        "reliability": reliability(probabilities, split.labels),
        "coverage": coverage(probabilities, split.labels),
    }
    if trained_on is not None:
        fresh = ~np.isin(fingerprints(split.images), trained_on)
        if fresh.any():  # on the training split itself nothing is left
            report["deduplicated"] = score(probabilities[fresh], split.labels[fresh])
    return report


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Scores for `probabilities` `[N, 7]` and `labels` `[N]`, rounded to what N can support."""
    predicted = probabilities.argmax(1)
    classes = range(len(LABELS))
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    present = support > 0
    return {
        "count": len(labels),
        "accuracy": _rounded((predicted == labels).mean()),
        "accuracy_interval": _interval(predicted, labels, lambda p, y: float((p == y).mean())),
        "macro_precision": _rounded(precision[present].mean()),
        "macro_recall": _rounded(recall[present].mean()),
        "macro_f1": _rounded(f1[present].mean()),
        "macro_f1_interval": _interval(predicted, labels, _macro_f1),
        "ece": _rounded(expected_calibration_error(probabilities, labels)),
        "per_class": {
            label: {
                "precision": _rounded(precision[i]),
                "recall": _rounded(recall[i]),
                "f1": _rounded(f1[i]),
                "count": int(support[i]),
            }
            for i, label in enumerate(LABELS)
        },
        "confusion_matrix": confusion_matrix(labels, predicted, labels=classes).tolist(),
    }


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean distance between confidence and accuracy over equally wide bins of confidence (Guo et al. 2017, eq. 3)."""
    bins = reliability(probabilities, labels)
    return sum(each["count"] * abs(each["accuracy"] - each["confidence"]) for each in bins) / len(labels)


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> list[dict[str, float]]:
    """Mean confidence, accuracy and number of faces in each of `CALIBRATION_BINS` equally wide bins of confidence."""
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    index = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    members = [index == each for each in range(CALIBRATION_BINS)]
    return [
        {
            "confidence": float(confidence[inside].mean()) if inside.any() else 0.0,
            "accuracy": float(correct[inside].mean()) if inside.any() else 0.0,
            "count": int(inside.sum()),
        }
        for inside in members
    ]


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
                "threshold": _rounded(threshold),
                "coverage": _rounded(answered.mean()),
                "accuracy": _rounded(correct[answered].mean()),
            }
        )
    return points


def print_report(report: dict[str, Any]) -> None:
    """The report as a table for people."""
    print(f"{report['model']['name']} {report['model']['version']} on {report['data']['name']}")
    for title, part in (("all faces", report), ("without training duplicates", report.get("deduplicated"))):
        if part is None:
            continue
        low, high = part["accuracy_interval"]
        print(
            f"{title}: {part['count']} faces  accuracy {part['accuracy']:.2%} ({low:.2%} to {high:.2%})  "
            f"macro-F1 {part['macro_f1']:.4f}  calibration error {part['ece']:.4f}"
        )
    print(f"\n{'':12}{'precision':>10}{'recall':>8}{'F1':>8}{'count':>7}   confusion: rows true, columns predicted")
    for row, (label, scores) in zip(report["confusion_matrix"], report["per_class"].items(), strict=True):
        cells = "".join(f"{cell:6d}" for cell in row)
        numbers = f"{scores['precision']:10.3f}{scores['recall']:8.3f}{scores['f1']:8.3f}{scores['count']:7d}"
        print(f"{label:12}{numbers}   {cells}")


def _interval(predicted: np.ndarray, labels: np.ndarray, statistic: Any) -> list[float]:
    """Percentile bootstrap interval of `statistic(predicted, labels)`."""
    generator = np.random.default_rng(SEED)
    draws = generator.integers(len(labels), size=(RESAMPLES, len(labels)))
    values = [statistic(predicted[draw], labels[draw]) for draw in draws]
    tail = (1 - CONFIDENCE_LEVEL) / 2
    return [_rounded(value) for value in np.quantile(values, [tail, 1 - tail])]


def _macro_f1(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Macro F1 over the classes that occur; scikit-learn's is too slow to call 2,000 times."""
    size = len(LABELS)
    hits = np.bincount(labels[predicted == labels], minlength=size)
    both = np.bincount(labels, minlength=size) + np.bincount(predicted, minlength=size)
    present = np.bincount(labels, minlength=size) > 0
    return float((2 * hits[present] / both[present]).mean())


def _rounded(value: float) -> float:
    return round(float(value), 4)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a FER-2013 file, a folder of classes, a CSV of paths")
    parser.add_argument("--split", choices=tuple(SPLITS), default="test")
    parser.add_argument("--model", type=Path, default=Path("model_store/emotion.pt"))
    parser.add_argument("--mirror", action="store_true", help="average each face with its mirror image")
    parser.add_argument("--out", type=Path, default=Path("report.json"))
    parser.add_argument("--plots", type=Path, help="folder for the plots")
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
