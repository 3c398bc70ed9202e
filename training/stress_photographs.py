"""Stress for the whole pipeline: photographs with one small face, damaged before it is found, aligned and read.

    python -m training.stress_photographs --data fer2013.csv.gz

Each face is enlarged to a square of 64 pixels on a grey photograph of 640×480, and the photograph is damaged by
`training.conditions`' functions, so strengths count the photograph's pixels. Reported at each of five strengths: faces
found, accuracy on these, how many keep the answer that they have in the undamaged photograph, the confidence that is
stated, how many are called reliable, and accuracy on those.

Of the conditions for faces, those are left out that a whole photograph does not have (a crop beside the face), that
differ little from one that is here (defocus, shot noise), or that are drawn for a face of 48 pixels (what covers it).

FER-2013's faces end at hair and chin, and the detector looks for heads: it finds fewer of them than of the faces in
`training.photographs`, which are larger, too. These are damaged in the same ways; they have no labels, so only finding
is measured there. Writes `stress-photographs.json` and `STRESS-PHOTOGRAPHS.md` into `--out`. Takes a quarter of an hour
for 300 faces on one core.
"""

import cmath
import json
import math
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from emotion.detection import Detection
from emotion.labels import LABELS
from emotion.pipeline import Face, Pipeline, Result
from training import conditions, third_party
from training.artifact import load_classifier
from training.audit_table import markdown
from training.canvas import HEIGHT, WIDTH, place_on_canvas
from training.conditions import MIDDLE, Damage, generator_of
from training.data import DataError, Split, some_faces
from training.evaluate import load_faces, rounded
from training.evaluate_pipeline import encoded, read_largest
from training.photographs import with_people
from training.reliability import FEWEST
from training.stress import parse_arguments

FACE_SIDE = 64
"""Side in pixels of the square with a face; the face's box is about two thirds as wide."""

SEED = 0
"""Of the damage."""

LONG_SIDE = 640
"""To which the real photographs are shrunk first, in pixels."""

HEAD = (
    "found",
    "accuracy",
    "answer kept",
    "stated confidence",
    "called reliable",
    "accuracy of these",
    "real faces found",
)
"""Columns of the tables; see `cell` and `found_in_real`."""


@dataclass(frozen=True)
class PhotographCondition:
    """`strengths`: from weak to strong, in `unit`. `damage`: of a grey photograph; None: the face is smaller."""

    name: str
    unit: str
    strengths: tuple[float, float, float, float, float]
    damage: Damage | None


_OF_FACES = {each.name: each for each in conditions.CONDITIONS}

CONDITIONS = (
    PhotographCondition("small face", "pixels from hair to chin", (56, 48, 40, 32, 24), None),
    *(
        PhotographCondition(name, _OF_FACES[name].unit, strengths, _OF_FACES[name].damage)
        for name, strengths in {
            "Gaussian noise": (5, 10, 15, 25, 40),
            "impulse noise": (0.5, 1, 2, 4, 8),
            "Gaussian blur": (0.8, 1.2, 1.6, 2.2, 3.0),
            "motion blur": (3, 5, 7, 9, 12),
            "JPEG": (50, 35, 20, 12, 7),
            "low light": (0.5, 0.35, 0.25, 0.15, 0.08),
            "overexposure": (1.3, 1.6, 2, 2.5, 3.2),
            "low contrast": (0.6, 0.4, 0.25, 0.15, 0.08),
            "rotation": (10, 20, 30, 45, 60),
        }.items()
    ),
)


def main() -> None:
    arguments = parse_arguments(__doc__, faces=300)
    try:
        split = some_faces(load_faces(arguments.data, arguments.split), arguments.faces)
        pipeline = third_party.load_pipeline(load_classifier(arguments.model))
    except (DataError, FileNotFoundError, ValueError, third_party.VerificationError) as error:
        sys.exit(f"error: {error}")
    report = stress(pipeline, split)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write(report, arguments.out)
    print(table(report))
    print(f"written: {arguments.out / 'stress-photographs.json'}, {arguments.out / 'STRESS-PHOTOGRAPHS.md'}")


def stress(
    pipeline: Pipeline, split: Split, tried: tuple[PhotographCondition, ...] = CONDITIONS, fewest: int = FEWEST
) -> dict[str, Any]:
    """The report of `pipeline` on the faces of `split` under each condition `tried`; `fewest` as in `cell`."""
    undamaged = (_photograph(face, FACE_SIDE) for face in split.images)
    whole = read_largest(pipeline, undamaged, len(split), is_in_the_middle)
    real = _real_photographs()
    boxes = [[face.detection for face in result.faces] for result in _read(pipeline, real)]
    rows = []
    for condition in tqdm(tried, unit="condition", disable=None):
        cells = []
        for strength in condition.strengths:
            photographs = damaged(split.images, condition, strength)
            faces = read_largest(pipeline, photographs, len(split), is_in_the_middle)
            found = found_in_real(pipeline, real, boxes, condition, strength)
            scores = cell(faces, whole, split.labels, fewest)
            cells.append({"strength": strength} | scores | {"real_found": found})
        rows.append({"name": condition.name, "unit": condition.unit, "cells": cells})
    model, count = pipeline.classifier, sum(map(len, boxes))
    return {
        "model": {"name": model.name, "version": model.version, "runtime": model.runtime},
        "data": {"name": split.source, "count": len(split), "seed": SEED, "side": FACE_SIDE, "real": count},
        "clean": cell(whole, whole, split.labels, fewest) | {"real_found": count},
        "conditions": rows,
    }


def damaged(images: np.ndarray, condition: PhotographCondition, strength: float) -> Iterator[np.ndarray]:
    """Photographs BGR uint8 `[480, 640, 3]` of `images` uint8 `[N, 48, 48]`, the same in every call."""
    generator = generator_of(condition.name, strength, SEED)
    for face in images:
        if condition.damage is None:
            yield _photograph(face, int(strength))
        else:
            grey = condition.damage(_photograph(face, FACE_SIDE)[:, :, 0], strength, generator)
            yield cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)


def found_in_real(
    pipeline: Pipeline,
    photographs: list[np.ndarray],
    undamaged: list[list[Detection]],
    condition: PhotographCondition,
    strength: float,
) -> int:
    """How many faces are found again in damaged `photographs`, grey uint8; `undamaged` has their boxes before."""
    generator = generator_of(condition.name, strength, SEED)
    results = _read(pipeline, [_damaged(photograph, condition, strength, generator) for photograph in photographs])
    found = 0
    for photograph, result, boxes in zip(photographs, results, undamaged, strict=True):
        middle = complex(photograph.shape[1] / 2, photograph.shape[0] / 2)
        again = [face.detection for face in result.faces]
        for box in boxes:
            places = _moved(_centre(box), middle, condition, strength)
            found += any(abs(_centre(each) - place) < each.width / 2 for each in again for place in places)
    return found


def _moved(point: complex, middle: complex, condition: PhotographCondition, strength: float) -> tuple[complex, ...]:
    """Where the damage may have moved a point of a photograph to; a rotation is drawn, so it may be either way."""
    if condition.damage is None:
        return (point * strength / FACE_SIDE,)
    if condition.name == "rotation":
        return tuple(middle + (point - middle) * cmath.rect(1, way * math.radians(strength)) for way in (-1, 1))
    return (point,)


def _real_photographs() -> list[np.ndarray]:
    """Grey, uint8, at most `LONG_SIDE` pixels long."""
    greys = [cv2.cvtColor(photograph, cv2.COLOR_BGR2GRAY) for photograph in with_people().values()]
    return [_shrunk(grey, min(1.0, LONG_SIDE / max(grey.shape))) for grey in greys]


def _damaged(
    grey: np.ndarray, condition: PhotographCondition, strength: float, generator: np.random.Generator
) -> np.ndarray:
    if condition.damage is None:
        return _shrunk(grey, strength / FACE_SIDE)
    return condition.damage(grey, strength, generator)


def _shrunk(grey: np.ndarray, factor: float) -> np.ndarray:
    return np.asarray(cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))


def _read(pipeline: Pipeline, photographs: list[np.ndarray]) -> list[Result]:
    """Raises what the pipeline raised for any of the photographs."""
    results = []
    for result in pipeline([encoded(photograph) for photograph in photographs]):
        if isinstance(result, Exception):
            raise result
        results.append(result)
    return results


def is_in_the_middle(box: Detection) -> bool:
    """Whether `box` is where the only face of a photograph is; what is found elsewhere is none."""
    away = _centre(box) - complex(WIDTH / 2, HEIGHT / 2)
    return max(abs(away.real), abs(away.imag)) < FACE_SIDE / 2


def _centre(box: Detection) -> complex:
    """x + iy, in pixels."""
    return complex(box.x + box.width / 2, box.y + box.height / 2)


def cell(
    faces: list[Face | None], undamaged: list[Face | None], labels: np.ndarray, fewest: int = FEWEST
) -> dict[str, float | None]:
    """Scores of what was read in damaged photographs, beside what was read in the same ones `undamaged`.

    `found`: the share of the faces that were found. Of these: `accuracy`; `kept`, the share with the answer of the
    undamaged photograph (a face that was not found there has none); `confidence`, the mean of what is stated;
    `reliable`, the share called so. `reliable_accuracy`: on these. None where it would be of fewer than `fewest` faces.
    """
    found = [
        (face, before, LABELS[label]) for face, before, label in zip(faces, undamaged, labels, strict=True) if face
    ]
    right = np.array([face.emotion == label for face, _, label in found], dtype=bool)
    reliable = np.array([face.reliable for face, _, _ in found], dtype=bool)
    kept = [before is not None and face.emotion == before.emotion for face, before, _ in found]
    confidence = [face.confidence for face, _, _ in found]
    return {
        "found": rounded(len(found) / len(faces)),
        "accuracy": _mean(right, fewest),
        "kept": _mean(kept, fewest),
        "confidence": _mean(confidence, fewest),
        "reliable": _mean(reliable, fewest),
        "reliable_accuracy": _mean(right[reliable], fewest),
    }


def write(report: dict[str, Any], folder: Path) -> None:
    """Write `stress-photographs.json` and `STRESS-PHOTOGRAPHS.md` into `folder`."""
    (folder / "stress-photographs.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / "STRESS-PHOTOGRAPHS.md").write_text(table(report), encoding="utf-8")


def table(report: dict[str, Any]) -> str:
    """The report for people, in Markdown."""
    model, cells = report["model"], [["as they are", "", *_shares(report["clean"])]]
    for condition in report["conditions"]:
        for each in condition["cells"]:
            cells.append([condition["name"], f"{each['strength']:g} {condition['unit']}", *_shares(each)])
    return (
        f"# {model['name']} {model['version']} ({model['runtime']}): whole photographs under stress\n\n"
        "Written by `python -m training.stress_photographs`.\n\n"
        f"{_said(report)}\n\n{markdown(['condition', 'strength', *HEAD], cells)}\n"
    )


def summary(report: dict[str, Any]) -> str:
    """What was done, and a table of the middle strengths, in Markdown."""
    cells = [["as they are", *_shares(report["clean"])]]
    for condition in report["conditions"]:
        middle = condition["cells"][MIDDLE]
        cells.append([f"{condition['name']}, {middle['strength']:g} {condition['unit']}", *_shares(middle)])
    return f"{_said(report)}\n\n{markdown(['condition', *HEAD], cells)}"


def _said(report: dict[str, Any]) -> str:
    data = report["data"]
    accuracy = report["clean"]["accuracy"] or 0.5
    interval = 1.96 * math.sqrt(accuracy * (1 - accuracy) / data["count"])
    said = (
        f"{data['count']:,} faces of {data['name']}, each a square of {data['side']} pixels in a photograph of "
        f"{WIDTH}×{HEIGHT}, which is damaged as a whole (seed {data['seed']}) before its face is found and read. "
        'Accuracy, "answer kept" (as in the undamaged photograph), stated confidence and "called reliable" are of the '
        f'faces found, "accuracy of these" of those called reliable; "–" where there are fewer than {FEWEST}. The '
        f"95 % interval of an accuracy is {100 * interval:.0f} points to either side, wider where fewer are found. "
        f"Last, how many of {data['real']} faces in real photographs, damaged in the same ways, are found again: these "
        "are larger, and show the whole head, which the detector looks for, while FER-2013's are cropped at hair and "
        "chin."
    )
    return textwrap.fill(said, width=120, break_on_hyphens=False)


def _shares(scores: dict[str, Any]) -> list[str]:
    shares = (scores[name] for name in ("found", "accuracy", "kept", "confidence", "reliable", "reliable_accuracy"))
    return ["–" if share is None else f"{share:.1%}" for share in shares] + [f"{scores['real_found']:g}"]


def _photograph(face: np.ndarray, side: int) -> np.ndarray:
    return place_on_canvas(face, side)[0]


def _mean(values: Any, fewest: int) -> float | None:
    return rounded(np.mean(values)) if len(values) >= fewest else None


if __name__ == "__main__":
    main()
