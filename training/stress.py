"""Score a network on faces damaged as photos often are: every condition of `training.conditions`, in five strengths.

    python -m training.stress --data fer2013.csv.gz
    python -m training.stress --data fer2013.csv.gz --model runs/served/emotion.pt --out runs/served

Writes `stress.json`, `STRESS.md` and `stress.png` into `--out`: accuracy, macro-F1, the confidence that the network
states on average next to the accuracy it has, what abstaining below a confidence saves, and which faces
`emotion.quality` calls unreliable. Equal faces give every network the same pictures. The drawn 1,000 faces take the
served network four minutes on one core. Where the folder has `stress-fer.json` (`make stress-peer`) for the same faces,
the peer's accuracies stand beside the network's.
"""

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from emotion.classifier import Classifier, softmax
from training.artifact import load_classifier
from training.conditions import CONDITIONS, MIDDLE, STRENGTHS, Condition, damaged
from training.data import SPLITS, DataError, Split, some_faces
from training.evaluate import load_faces, rounded, score
from training.plots import save_stress
from training.reliability import CAUGHT, FEWEST, FLOOR, marked, measured
from training.scoring import classify

ABSTAIN_BELOW = (0.4, 0.5, 0.6, 0.7)
"""Thresholds of confidence whose effect is reported."""

SHOWN = 0.5
"""The one of these thresholds that the table shows."""

SEED = 0
"""Of the damage."""


def main() -> None:
    arguments = parse_arguments(__doc__, faces=1000)
    try:
        classifier = load_classifier(arguments.model)
        split = some_faces(load_faces(arguments.data, arguments.split), arguments.faces)
    except (DataError, FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    report = stress(classifier, split)
    report["peer"] = _peer(arguments.out / "stress-fer.json", report["data"])
    arguments.out.mkdir(parents=True, exist_ok=True)
    write(report, arguments.out)
    save_stress(report, arguments.out / "stress.png")
    print(table(report))
    print(f"written: {', '.join(str(arguments.out / name) for name in ('stress.json', 'STRESS.md', 'stress.png'))}")


def stress(classifier: Classifier, split: Split, conditions: tuple[Condition, ...] = CONDITIONS) -> dict[str, Any]:
    """The report of `classifier` on the faces of `split` under each of `conditions`, without a peer."""
    clean = cell(classifier, split.images, split.labels)
    rows = []
    for condition in tqdm(conditions, unit="condition", disable=None):
        cells = [
            {"strength": strength} | cell(classifier, damaged(split.images, condition, strength, SEED), split.labels)
            for strength in condition.strengths
        ]
        rows.append({"name": condition.name, "unit": condition.unit, "trained": condition.trained, "cells": cells})
    return {
        "model": {"name": classifier.name, "version": classifier.version, "runtime": classifier.runtime},
        "data": {"name": split.source, "count": len(split), "seed": SEED},
        "clean": clean,
        "middle": summary([row["cells"][MIDDLE] for row in rows]),
        "all": summary([each for row in rows for each in row["cells"]]),
        "limits": limits(rows),
        "conditions": rows,
        "peer": None,
    }


def cell(classifier: Classifier, images: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Scores of `classifier` on faces uint8 `[N, 48, 48]` with `labels` `[N]`.

    `confidence`: what the network states on average. `overconfidence`: how much that exceeds the accuracy.
    `abstaining`: for each of `ABSTAIN_BELOW` the share of the faces that are answered, accuracy on these, and the share
    of the wrong answers that are not given. `unreliable`: the share of the faces that is marked so; `relied_on`: how
    many are not, with accuracy and over-confidence on these, None where there are none.
    """
    probabilities = softmax(classify(classifier, images), classifier.temperature)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    unreliable = marked(measured(images))
    scores = score(probabilities, labels)
    recalls = [each["recall"] for each in scores["per_class"].values() if each["count"]]
    return {
        **{name: scores[name] for name in ("accuracy", "accuracy_interval", "macro_f1")},
        "worst_recall": min(recalls),
        "confidence": rounded(confidence.mean()),
        "overconfidence": rounded(confidence.mean() - correct.mean()),
        "ece": scores["ece"],
        "abstaining": [_abstaining(confidence >= threshold, correct, threshold) for threshold in ABSTAIN_BELOW],
        "unreliable": rounded(unreliable.mean()),
        "relied_on": _relied_on(confidence[~unreliable], correct[~unreliable]),
    }


def summary(cells: list[dict[str, Any]]) -> dict[str, float]:
    """Means over conditions, and the worst of them."""
    return {
        "accuracy": rounded(np.mean([each["accuracy"] for each in cells])),
        "macro_f1": rounded(np.mean([each["macro_f1"] for each in cells])),
        "worst_accuracy": min(each["accuracy"] for each in cells),
        "overconfidence": rounded(np.mean([each["overconfidence"] for each in cells])),
        "worst_overconfidence": max(each["overconfidence"] for each in cells),
    }


def limits(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether `emotion.quality` marks the faces on which the network fails, and what is left on the others.

    `failing`: in how many of all `cells` accuracy is below `FLOOR`; `missed`: those where fewer than `CAUGHT` of the
    faces are marked. `worst_overconfidence`: the highest on faces called reliable, where there are at least `FEWEST`.
    """
    cells = [
        {"name": row["name"], "strength": each["strength"], "unreliable": each["unreliable"]}
        | {"fails": each["accuracy"] < FLOOR, "count": each["relied_on"]["count"]}
        | {"overconfidence": each["relied_on"]["overconfidence"]}
        for row in rows
        for each in row["cells"]
    ]
    missed = [each for each in cells if each["fails"] and each["unreliable"] < CAUGHT]
    relied_on = [each for each in cells if each["count"] >= FEWEST]
    worst = max(relied_on, key=lambda each: each["overconfidence"], default=None)
    return {
        "cells": len(cells),
        "failing": sum(each["fails"] for each in cells),
        "missed": [{name: each[name] for name in ("name", "strength", "unreliable")} for each in missed],
        "worst_overconfidence": worst and {name: worst[name] for name in ("name", "strength", "overconfidence")},
    }


def write(report: dict[str, Any], folder: Path) -> None:
    """Write `stress.json` and `STRESS.md` into `folder`."""
    (folder / "stress.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / "STRESS.md").write_text(table(report), encoding="utf-8")


def table(report: dict[str, Any]) -> str:
    """The report for people, in Markdown."""
    model, data, clean, middle = (report[key] for key in ("model", "data", "clean", "middle"))
    head = ["condition", "middle", "1", "2", "3", "4", "5", "macro-F1", "confidence", "too much", "answered"]
    head += ["accuracy of these", "wrong ones saved"]
    peer = report["peer"]
    rows = [_row("as they are", "", [clean] * (MIDDLE + 1))]
    rows += [
        _row(each["name"] + ("" if each["trained"] else " *"), each["unit"], each["cells"])
        for each in report["conditions"]
    ]
    reliable_rows = [{"name": "as they are", "cells": [clean]}, *report["conditions"]]
    if peer:
        head.append(f"{peer['model']['name']} {peer['model']['version']}")
        others = [peer["clean"], *(peer["conditions"][each["name"]][MIDDLE] for each in report["conditions"])]
        rows = [f"{row} {other:.1%} |" for row, other in zip(rows, others, strict=True)]
    return f"""\
# {model["name"]} {model["version"]} ({model["runtime"]}) under stress

Written by `python -m training.stress`: {data["count"]:,} faces of {data["name"]}, seed {data["seed"]}.
Accuracy in % at the strengths 1 to 5; the rest is at the middle strength, which the second column names. Confidence is
what the network states on average, too much of it are points above the accuracy; answered are the faces that reach a
confidence of {SHOWN:.0%}. `*`: training knows nothing like it. Training damages faces otherwise: several kinds at once,
in strengths drawn from continuous ranges, by other code; here each face has one kind in one of five fixed strengths
(`training/conditions.py`).

| {" | ".join(head)} |
|{"---|" * len(head)}
{chr(10).join(rows)}

- Mean accuracy: {middle["accuracy"]:.1%} at the middle strength, {report["all"]["accuracy"]:.1%} over all strengths.
- Worst condition at the middle strength: {middle["worst_accuracy"]:.1%}.
- Over-confidence at the middle strength: {100 * middle["overconfidence"]:+.1f} points on average,
  {100 * middle["worst_overconfidence"]:+.1f} at worst.

## Which faces are called reliable

In % of the faces at the strengths 1 to 5: marked unreliable, by what can be measured of a crop (`emotion.quality`),
and after a slash the accuracy on the others (at least {FEWEST} faces).

| condition | 1 | 2 | 3 | 4 | 5 |
|---|---|---|---|---|---|
{chr(10).join(_reliable_row(each["name"], each["cells"]) for each in reliable_rows)}

{_limits_in_words(report["limits"])}
"""


def _limits_in_words(limits: dict[str, Any]) -> str:
    missed = [f"{each['name']} {each['strength']:g} ({each['unreliable']:.0%})" for each in limits["missed"]]
    lines = [
        f"- Accuracy is below {FLOOR:.0%} in {limits['failing']} of {limits['cells']} cells; at least {CAUGHT:.0%} of "
        f"the faces are marked in {limits['failing'] - len(missed)} of these. Fewer in: {', '.join(missed) or 'none'}."
    ]
    if worst := limits["worst_overconfidence"]:
        lines.append(
            f"- Over-confidence on faces called reliable: {100 * worst['overconfidence']:+.1f} points at worst "
            f"({worst['name']} {worst['strength']:g})."
        )
    return "\n".join(textwrap.fill(line, width=120, subsequent_indent="  ", break_on_hyphens=False) for line in lines)


def _reliable_row(name: str, cells: list[dict[str, Any]]) -> str:
    shown = []
    for each in cells:
        relied_on = each["relied_on"]
        few = relied_on["count"] < FEWEST
        shown.append(f"{100 * each['unreliable']:.0f} / {'–' if few else format(100 * relied_on['accuracy'], '.0f')}")
    return f"| {name} | {' | '.join(shown + [''] * (STRENGTHS - len(shown)))} |"


def _peer(path: Path, data: dict[str, Any]) -> dict[str, Any] | None:
    """The peer's report, if there is one on the same faces with the same damage."""
    if not path.is_file():
        return None
    peer: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if peer["data"] == data:
        return peer
    print(f"without the peer: {path} is of {peer['data']}, this report of {data}; see `make stress-peer`")
    return None


def _row(name: str, unit: str, cells: list[dict[str, Any]]) -> str:
    middle = cells[MIDDLE]
    abstaining = next(each for each in middle["abstaining"] if each["threshold"] == SHOWN)
    accuracies = [f"{100 * each['accuracy']:.1f}" for each in cells] if unit else [f"{100 * middle['accuracy']:.1f}"]
    strength = f"{middle['strength']:g} {unit}" if unit else ""
    return (
        f"| {name} | {strength} | {' | '.join(accuracies + [''] * (STRENGTHS - len(accuracies)))} "
        f"| {middle['macro_f1']:.3f} | {middle['confidence']:.1%} | {100 * middle['overconfidence']:+.1f} "
        f"| {abstaining['answered']:.1%} | {abstaining['accuracy']:.1%} | {abstaining['wrong_saved']:.1%} |"
    )


def _abstaining(answered: np.ndarray, correct: np.ndarray, threshold: float) -> dict[str, float]:
    wrong = ~correct
    return {
        "threshold": threshold,
        "answered": rounded(answered.mean()),
        "accuracy": rounded(correct[answered].mean()) if answered.any() else 0.0,
        "wrong_saved": rounded((wrong & ~answered).sum() / max(wrong.sum(), 1)),
    }


def _relied_on(confidence: np.ndarray, correct: np.ndarray) -> dict[str, Any]:
    if not len(correct):
        return {"count": 0, "accuracy": None, "overconfidence": None}
    return {
        "count": len(correct),
        "accuracy": rounded(correct.mean()),
        "overconfidence": rounded(confidence.mean() - correct.mean()),
    }


def parse_arguments(description: str | None, faces: int) -> argparse.Namespace:
    """What the stress of faces and that of photographs are asked; `faces`: how many there are where nobody says."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a FER-2013 file, a folder of classes, a CSV of paths")
    parser.add_argument("--split", choices=tuple(SPLITS), default="validation")
    parser.add_argument("--model", type=Path, default=Path("model_store/emotion.onnx"))
    parser.add_argument(
        "--faces", type=int, default=faces, help="how many of the split's, drawn at random; 0: all of them"
    )
    parser.add_argument("--out", type=Path, default=Path("model_store"), help="folder of what is written")
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
