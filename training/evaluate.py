"""Score a model on one split of FER-2013.

    python -m training.evaluate --data fer2013.csv.gz --split validation --out report.json

One view of each face, nothing averaged, no other choice made on the split. Prints a table and writes JSON. Scores
stand twice: on the full split, and without the images that are pixel for pixel among those the model was trained on.
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
from training.scoring import predict_logits

RESAMPLES, CONFIDENCE_LEVEL, SEED = 2000, 0.95, 0
"""Of the bootstrap (Efron 1979), which draws faces with replacement."""

CALIBRATION_BINS = 15
"""Of the expected calibration error, as in Guo et al. 2017."""


def main() -> None:
    arguments = _parse_arguments()
    try:
        artifact = load_artifact(arguments.model)
        split = load_splits(arguments.data, (arguments.split,))[arguments.split]
    except (DataError, FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    report = evaluate(artifact, split, load_fingerprints(arguments.model.with_name("fingerprints.npy")))
    arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print_report(report)
    print(f"\nwritten to {arguments.out}")


def evaluate(artifact: Artifact, split: Split, trained_on: np.ndarray | None) -> dict[str, Any]:
    """The report of `artifact` on `split`.

    `trained_on`: fingerprints of the training images, or None if they are not known; then nothing is de-duplicated.
    """
    logits = predict_logits(artifact.network, split.images)
    probabilities = artifact.probabilities(logits).numpy()
    report: dict[str, Any] = {
        "model": {"name": artifact.name, "version": artifact.version},
        "data": {"name": "FER-2013", "split": split.name, "usage": SPLITS[split.name]},
        "views_per_face": 1,
        "temperature": artifact.temperature,
        **score(probabilities, split.labels),
    }
    if trained_on is not None:
        fresh = ~np.isin(fingerprints(split.images), trained_on)
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
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [abs(correct[bins == b].sum() - confidence[bins == b].sum()) for b in range(CALIBRATION_BINS)]
    return float(sum(gaps) / len(labels))


def print_report(report: dict[str, Any]) -> None:
    """The report as a table for people."""
    print(
        f"{report['model']['name']} {report['model']['version']} on {report['data']['name']} {report['data']['usage']}"
    )
    for title, part in (("full split", report), ("without training duplicates", report.get("deduplicated"))):
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
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, fer2013.csv.gz or icml_face_data.csv")
    parser.add_argument("--split", choices=tuple(SPLITS), default="test")
    parser.add_argument("--model", type=Path, default=Path("model_store/emotion.pt"))
    parser.add_argument("--out", type=Path, default=Path("report.json"))
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
