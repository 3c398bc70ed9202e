"""Whether the network reads some groups of faces worse than others.

    python -m training.audit --data fer2013.csv.gz --split validation     # groups by what is measured of the crops
    python -m training.audit --data groups.csv --grouped                  # groups by the CSV's further columns

`groups.csv` has the columns `path` and `label` and one more for each way to group, such as `gender`. From FairFace:
`file,age,gender,race` of its label files; it names no emotion, so `label` must be added. From RAF-DB: the classes of
`EmoLabel/list_patition_label.txt`, and gender, race and age from `Annotation/manual/…_manu_attri.txt`.
"""

import argparse
import json
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from fairlearn.metrics import MetricFrame, count
from scipy.stats import binomtest, fisher_exact
from sklearn.metrics import accuracy_score

from emotion.classifier import softmax
from emotion.labels import LABELS
from emotion.quality import measure_crop
from training.artifact import load_classifier
from training.data import SPLITS, DataError
from training.evaluate import expected_calibration_error, load_faces, rounded
from training.scoring import classify

FEWEST = 50
"""A share over fewer faces than this is not given."""

LEVEL = 0.05
"""Of all tests of a report together (Holm 1979)."""

ANGRY = LABELS.index("angry")


def main() -> None:
    arguments = _parse_arguments()
    try:
        classifier, split = load_classifier(arguments.model), load_faces(arguments.data, arguments.split)
    except (DataError, FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    if arguments.grouped:
        groups = pd.read_csv(arguments.data, dtype=str, skipinitialspace=True).drop(columns=["path", "label"])
    else:
        groups = measured_groups(split.images)
    probabilities = softmax(classify(classifier, split.images), classifier.temperature)
    report = {"data": split.source, "model": classifier.version, **audit(probabilities, split.labels, groups)}
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    arguments.out.with_suffix(".md").write_text(table(report), encoding="utf-8")
    print(table(report))


def measured_groups(images: np.ndarray) -> pd.DataFrame:
    """Thirds of the faces uint8 `[N, 48, 48]` by what is measured of each."""
    names = ("sharpness", "noise", "brightness", "contrast")
    values = np.array([measure_crop(image)[:4] for image in images])
    thirds = np.array(["low", "middle", "high"])
    cuts = np.quantile(values, (1 / 3, 2 / 3), axis=0).T
    return pd.DataFrame({n: thirds[np.digitize(v, cut)] for n, v, cut in zip(names, values.T, cuts, strict=True)})


def audit(probabilities: np.ndarray, labels: np.ndarray, groups: pd.DataFrame) -> dict[str, Any]:
    """Scores of each group, and of each pair's intersections, tested against all other faces.

    `probabilities` `[N, 7]`, `labels` `[N]`, `groups`: a column for each way to group, `N` rows.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    ways = {name: groups[name].astype(str) for name in groups}
    ways |= {f"{a} × {b}": ways[a] + " × " + ways[b] for a, b in combinations(groups.columns, 2)}
    rows: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    gaps: dict[str, Any] = {}
    questions = {"accuracy": (predicted == labels, np.ones(len(labels), dtype=bool))}
    questions |= {f"recall {name}": (predicted == i, labels == i) for i, name in enumerate(LABELS)}
    questions["false angry"] = (predicted == ANGRY, labels != ANGRY)
    for way, members in ways.items():
        kept = members.map(members.value_counts()) >= FEWEST
        if kept.any():
            frame = MetricFrame(
                metrics={"accuracy": accuracy_score, "count": count},
                y_true=labels[kept],
                y_pred=predicted[kept],
                sensitive_features=members[kept].rename("group"),
            )
            accuracies = frame.by_group["accuracy"]
            gaps[way] = {"worst": accuracies.idxmin(), "gap": rounded(frame.difference()["accuracy"])}
        for group in sorted(members.unique()):
            inside = (members == group).to_numpy()
            row: dict[str, Any] = {"way": way, "group": group, "count": int(inside.sum()), "scores": {}}
            rows.append(row)
            if row["count"] < FEWEST:
                continue
            right = predicted[inside] == labels[inside]
            row["overconfidence"] = rounded(confidence[inside].mean() - right.mean())
            row["ece"] = rounded(expected_calibration_error(probabilities[inside], labels[inside]))
            for question, (yes, asked) in questions.items():
                here, others = yes[inside & asked], yes[~inside & asked]
                if min(len(here), len(others)) < FEWEST:
                    continue
                interval = binomtest(int(here.sum()), len(here)).proportion_ci(method="wilson")
                pairs = [[int(each.sum()), int((~each).sum())] for each in (here, others)]
                cell: dict[str, Any] = {
                    "value": rounded(here.mean()),
                    "interval": [rounded(interval.low), rounded(interval.high)],
                    "others": rounded(others.mean()),
                    "p": float(fisher_exact(pairs).pvalue),
                }
                row["scores"][question] = cell
                tests.append(cell)
    still = True
    for rank, cell in enumerate(sorted(tests, key=lambda each: each["p"])):
        still = still and cell["p"] <= LEVEL / (len(tests) - rank)
        cell["differs"] = still
    return {"tests": len(tests), "fewest": FEWEST, "gaps": gaps, "groups": rows}


def table(report: dict[str, Any]) -> str:
    """The report for people, in Markdown; `*` differs from all other faces."""
    lines = [
        f"# Audit of {report['model']} on {report['data']}\n",
        f"{report['tests']} tests, corrected together (Holm); groups below {report['fewest']} faces are not scored.\n",
        "| grouped by | group | faces | accuracy | false angry | too confident |",
        "|---|---|---|---|---|---|",
    ]
    for row in report["groups"]:
        cells = [_cell(row["scores"].get(name)) for name in ("accuracy", "false angry")]
        excess = f"{100 * row['overconfidence']:+.1f}" if "overconfidence" in row else "–"
        lines.append(f"| {row['way']} | {row['group']} | {row['count']} | {' | '.join(cells)} | {excess} |")
    return "\n".join(lines) + "\n"


def _cell(cell: dict[str, Any] | None) -> str:
    return "–" if cell is None else f"{cell['value']:.1%}{' *' if cell['differs'] else ''}"


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=tuple(SPLITS), default="validation")
    parser.add_argument("--grouped", action="store_true", help="the data is a CSV with columns of groups")
    parser.add_argument("--model", type=Path, default=Path("model_store/emotion.onnx"))
    parser.add_argument("--out", type=Path, default=Path("model_store/audit.json"))
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
