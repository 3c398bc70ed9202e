"""Whether the network reads some groups of faces worse than others: scores by group, gaps between them, and tests.

    python -m training.audit --data fer2013.csv.gz --split validation     # groups by what is measured of the pictures
    python -m training.audit --data groups.csv --grouped                  # groups by the CSV's further columns

`groups.csv` has the columns `path` and `label`, an emotion's name, and one more for each way to group, as `gender`; a
face whose cell is empty is left out of that way. Every pair of ways is audited as well, as it is where they meet that
scores can be worst. Of data sets with groups:

- RAF-DB: `path` and `label` from `basic/EmoLabel/list_patition_label.txt`, whose numbers 1–7 are surprise, fear,
  disgust, happiness, sadness, anger and neutral: write the names, as numbers mean this project's own order. Gender,
  race and age stand in `basic/Annotation/manual/…_manu_attri.txt`, after five lines of landmarks.
- FairFace: `fairface_label_val.csv` has `file,age,gender,race`; it names no emotion, so `label` must be added.
- RADIATE (Conley et al. 2018): posed by adults; race, gender and emotion are coded in the files' names, as its
  documentation explains; write them into columns.

Without groups, FER-2013's faces are cut into thirds by what is measured of them: light and detail of the crop; how far
the head is tilted and turned by the landmarks that the pipeline finds on the enlarged face, if it finds one. Their size
cannot be audited: all are 48 pixels wide, and of which photos is not known.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fairlearn.metrics import MetricFrame
from scipy.stats import binomtest, fisher_exact, norm, ttest_ind

from emotion.classifier import softmax
from emotion.labels import LABELS
from emotion.pipeline import Pipeline
from emotion.quality import measure_crop
from training import third_party
from training.artifact import load_classifier
from training.audit_table import table, write
from training.data import SPLITS, DataError
from training.evaluate import expected_calibration_error, load_faces, rounded
from training.evaluate_pipeline import faces_through_pipeline
from training.labelled_images import load_groups
from training.scoring import classify

FEWEST = 100
"""Nothing is said about fewer faces than this: a share of them is known to ten points at best."""

LEVEL = 0.05
"""Probability that a report names any difference at all where there is none (Holm 1979)."""

ANGRY = LABELS.index("angry")

HIGH_IS_BAD = ("false angry", "overconfidence")

THIRDS = np.array(["low", "middle", "high"])


def main() -> None:
    arguments = _parse_arguments()
    try:
        classifier, split = load_classifier(arguments.model), load_faces(arguments.data, arguments.split)
        groups, cuts = (
            (load_groups(arguments.data), {})
            if arguments.grouped
            else thirds(measured(third_party.load_pipeline(classifier), split.images))
        )
    except (DataError, FileNotFoundError, ValueError, third_party.VerificationError) as error:
        sys.exit(f"error: {error}")
    probabilities = softmax(classify(classifier, split.images), classifier.temperature)
    report = {"data": split.source, "count": len(split), "model": classifier.version, "cuts": cuts}
    report |= audit(probabilities, split.labels, groups)
    write(report, arguments.out)
    print(table(report))


def measured(pipeline: Pipeline, images: np.ndarray) -> dict[str, np.ndarray]:
    """What is measured of faces uint8 `[N, 48, 48]`, float `[N]` by name; nan where the pipeline finds no face."""
    names = ("sharpness", "noise", "brightness", "contrast")
    values = dict(zip(names, np.array([measure_crop(image)[: len(names)] for image in images]).T, strict=True))
    found = [face and face.quality for face in faces_through_pipeline(pipeline, images)]
    values["tilt"] = np.array([abs(each.roll) if each else np.nan for each in found])
    values["turn"] = np.array([abs(each.turn) if each else np.nan for each in found])
    return values


def thirds(values: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """Groups of about equal size by each of `values`, "" where it is nan; and the two values that part them."""
    cuts = {name: np.nanquantile(each, (1 / 3, 2 / 3)) for name, each in values.items()}
    groups = {
        name: np.where(np.isnan(each), "", THIRDS[np.digitize(np.nan_to_num(each), cuts[name])])
        for name, each in values.items()
    }
    return groups, {name: [rounded(each) for each in cut] for name, cut in cuts.items()}


def audit(probabilities: np.ndarray, labels: np.ndarray, groups: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Scores of each group and of each pair's intersections, tested against all other faces, and the gaps.

    `probabilities` `[N, 7]`, `labels` `[N]`; `groups`: for each way to group, the group's name `[N]`, "" if not known.
    """
    asked = questions(probabilities, labels)
    ways = [{"way": way} | _scored(members, asked, probabilities, labels) for way, members in _crossed(groups)]
    tests = correct([cell for way in ways for group in way["groups"] for cell in group["scores"].values()])
    return {"tests": tests, "fewest": FEWEST, "level": LEVEL, "ways": ways}


def questions(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """What is averaged over a group: float `[N]` by name, nan for faces that a question does not ask about."""
    predicted = probabilities.argmax(axis=1)
    right = (predicted == labels).astype(float)
    asked = {"accuracy": right}
    asked |= {f"recall {name}": np.where(labels == index, right, np.nan) for index, name in enumerate(LABELS)}
    asked["false angry"] = np.where(labels == ANGRY, np.nan, predicted == ANGRY)
    asked["overconfidence"] = probabilities.max(axis=1) - right
    return asked


def compare(values: np.ndarray, inside: np.ndarray) -> dict[str, Any] | None:
    """The mean of `values` in a group, and whether it is that of the others; None if either has too few faces.

    Shares (values of 0 and 1): Wilson's interval, Fisher's exact test. Other means: normal interval, Welch's test.
    """
    here, others = (values[each & ~np.isnan(values)] for each in (inside, ~inside))
    if min(len(here), len(others)) < FEWEST:
        return None
    if set(np.unique(values[~np.isnan(values)])) <= {0, 1}:
        low, high = binomtest(int(here.sum()), len(here)).proportion_ci(method="wilson")
        p = fisher_exact([[int(each.sum()), int((1 - each).sum())] for each in (here, others)]).pvalue
    else:
        low, high = norm.interval(0.95, here.mean(), here.std(ddof=1) / np.sqrt(len(here)))
        p = ttest_ind(here, others, equal_var=False).pvalue
    interval = [rounded(low), rounded(high)]
    return {"value": rounded(here.mean()), "interval": interval, "others": rounded(others.mean()), "p": float(p)}


def correct(cells: list[dict[str, Any]]) -> int:
    """Say of each tested cell whether it `differs`, so that all are wrong together in `LEVEL` of cases; their number.

    Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    still = True
    for rank, cell in enumerate(sorted(cells, key=lambda each: float(each["p"]))):
        still = still and cell["p"] <= LEVEL / (len(cells) - rank)
        cell |= {"differs": still, "p": float(f"{cell['p']:.2g}")}
    return len(cells)


def _crossed(groups: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Each way to group, and each pair of them, "" where one of the two is not known."""
    yield from groups.items()
    for (one, ones), (other, others) in combinations(groups.items(), 2):
        both = [f"{a} × {b}" if a and b else "" for a, b in zip(ones, others, strict=True)]
        yield f"{one} × {other}", np.array(both)


def _scored(
    members: np.ndarray, asked: Mapping[str, np.ndarray], probabilities: np.ndarray, labels: np.ndarray
) -> dict[str, Any]:
    """Gaps and groups of one way to group; groups too small to be scored are only counted."""
    known = members != ""
    names, sizes = np.unique(members[known], return_counts=True)
    groups = []
    for name, size in zip(names, sizes, strict=True):
        inside = members == name
        if size >= FEWEST:
            cells = {question: compare(values[known], inside[known]) for question, values in asked.items()}
            groups.append(
                {
                    "group": str(name),
                    "count": int(size),
                    "ece": rounded(expected_calibration_error(probabilities[inside], labels[inside])),
                    "scores": {question: cell for question, cell in cells.items() if cell},
                }
            )
    too_small = sizes < FEWEST
    left_out = {"groups": int(too_small.sum()), "faces": int(sizes[too_small].sum())}
    gaps = _gaps(members[known], {question: values[known] for question, values in asked.items()}) if groups else {}
    return {"unknown": int((~known).sum()), "left_out": left_out, "gaps": gaps, "groups": groups}


def _gaps(members: np.ndarray, asked: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """For each question the group with the worst mean, and how far that is from the best one's."""
    frame = MetricFrame(
        metrics=dict.fromkeys(asked, _mean),
        y_true=members,
        y_pred=members,
        sample_params={question: {"values": values} for question, values in asked.items()},
        sensitive_features=members,
    )
    gaps = {}
    for question, by_group in frame.by_group.items():
        if by_group.count() >= 2:
            worst = by_group.idxmax() if question in HIGH_IS_BAD else by_group.idxmin()
            gaps[str(question)] = {"worst": str(worst), "gap": rounded(frame.difference()[question])}
    return gaps


def _mean(_members: np.ndarray, _same: np.ndarray, values: np.ndarray) -> float:
    """Of the faces that are asked about; nan if they are too few."""
    asked = np.asarray(values)[~np.isnan(values)]
    return float(asked.mean()) if len(asked) >= FEWEST else np.nan


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a FER-2013 file, or a CSV of paths")
    parser.add_argument("--split", choices=tuple(SPLITS), default="validation")
    parser.add_argument("--grouped", action="store_true", help="the data is a CSV with columns of groups")
    parser.add_argument("--model", type=Path, default=Path("model_store/emotion.onnx"))
    parser.add_argument("--out", type=Path, default=Path("model_store/audit.json"))
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
