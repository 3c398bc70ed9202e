"""A planted bias is found, none is invented, and every face is counted in its own group."""

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from emotion.pipeline import Pipeline
from tests.conftest import MODEL, ROOT
from training import audit as command
from training.audit import ANGRY, FEWEST, audit, compare, correct, measured, questions, thirds
from training.audit_table import table
from training.data import DataError
from training.labelled_images import load_groups

COUNT = 3000


def made(seed: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Predictions and labels int `[N]`, right in 74 % of cases, and groups that have nothing to do with either."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 7, COUNT)
    predicted = np.where(generator.random(COUNT) < 0.7, labels, generator.integers(0, 7, COUNT))
    return predicted, labels, {"g": generator.choice(["a", "b", "c"], COUNT), "h": generator.choice(["x", "y"], COUNT)}


def sure(predicted: np.ndarray, confidence: float = 0.74) -> np.ndarray:
    """Probabilities `[N, 7]` that state the same `confidence` for each prediction."""
    rest = (1 - confidence) / 6
    return np.asarray(np.eye(7)[predicted] * (confidence - rest) + rest)


def differing(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (group["group"], question)
        for way in report["ways"]
        for group in way["groups"]
        for question, cell in group["scores"].items()
        if cell["differs"]
    }


def way(report: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (each for each in report["ways"] if each["way"] == name)
    return dict(found)


def test_faces_of_a_group_that_are_wrongly_called_angry_are_found() -> None:
    predicted, labels, groups = made(0)
    predicted[(groups["g"] == "b") & (np.random.default_rng(1).random(COUNT) < 0.15)] = ANGRY
    report = {"model": "1", "data": "made", "count": COUNT, "cuts": {}} | audit(sure(predicted), labels, groups)
    assert ("b", "false angry") in differing(report)
    assert not {("x", "false angry"), ("y", "false angry")} & differing(report)
    gap = way(report, "g")["gaps"]["false angry"]
    assert gap["worst"] == "b"
    assert gap["gap"] == pytest.approx(0.14, abs=0.04)
    assert "b × " in way(report, "g × h")["gaps"]["false angry"]["worst"]
    assert " *" in table(report)


def test_an_emotion_that_is_missed_in_one_group_is_found() -> None:
    predicted, labels, groups = made(0)
    predicted[(groups["g"] == "c") & (labels == 4) & (np.random.default_rng(1).random(COUNT) < 0.5)] = 6
    report = audit(sure(predicted), labels, groups)
    assert ("c", "recall sad") in differing(report)
    assert way(report, "g")["gaps"]["recall sad"]["worst"] == "c"
    assert not {each for each in differing(report) if each[1] == "recall happy"}


def test_confidence_that_does_not_hold_in_one_group_is_found() -> None:
    predicted, labels, groups = made(0)
    probabilities = sure(predicted)
    probabilities[groups["h"] == "y"] = sure(predicted, 0.9)[groups["h"] == "y"]
    report = audit(probabilities, labels, groups)
    assert {("x", "overconfidence"), ("y", "overconfidence")} <= differing(report)
    assert not {each for each in differing(report) if each[1] != "overconfidence"}
    assert way(report, "h")["gaps"]["overconfidence"] == {"worst": "y", "gap": pytest.approx(0.16, abs=0.04)}


def test_what_only_two_ways_to_group_show_together_is_found() -> None:
    predicted, labels, groups = made(0)
    both = (groups["g"] == "a") & (groups["h"] == "x")
    predicted[both & (np.random.default_rng(1).random(COUNT) < 0.3)] = 1
    report = audit(sure(predicted), labels, groups)
    assert ("a × x", "accuracy") in differing(report)
    assert way(report, "g × h")["gaps"]["accuracy"]["worst"] == "a × x"


def test_no_bias_is_invented() -> None:
    """At 5 % for a whole report, more than three reports of twenty are wrong in fewer than two cases of 100."""
    invented = 0
    for seed in range(20):
        predicted, labels, groups = made(seed)
        cells = [
            cell
            for members in groups.values()
            for name in np.unique(members)
            for values in questions(sure(predicted), labels).values()
            if (cell := compare(values, members == name))
        ]
        assert correct(cells) == 5 * 10
        invented += any(cell["differs"] for cell in cells)
    assert invented <= 3


def test_small_groups_and_unknown_ones_are_counted_and_not_scored() -> None:
    predicted, labels, groups = made(0)
    groups["g"] = np.where(np.arange(COUNT) < FEWEST - 1, "few", groups["g"])
    groups["h"][-7:] = ""
    report = audit(sure(predicted), labels, groups)
    assert [each["group"] for each in way(report, "g")["groups"]] == ["a", "b", "c"]
    assert way(report, "g")["left_out"] == {"groups": 1, "faces": FEWEST - 1}
    assert [each["group"] for each in way(report, "h")["groups"]] == ["x", "y"]
    assert way(report, "h")["unknown"] == way(report, "g × h")["unknown"] == 7
    assert all("few" not in each["group"] for each in way(report, "g × h")["groups"])


def test_columns_of_groups_are_those_of_their_faces(
    tmp_path: Path, grey_faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole command, on a CSV in no order, with an empty cell and an empty line."""
    for name, face in (("happy", 160), ("sad", 40)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.clip(grey_faces[0] * 0.1 + face, 0, 255).astype(np.uint8))
    rows = ["group , path, age, label"] + ["bright, happy.png, old, happy", "dark, sad.png, , sad"] * 150 + [""]
    listing = tmp_path / "groups.csv"
    listing.write_text("\n".join(rows) + "\n", encoding="utf-8")
    shown: list[np.ndarray] = []

    def always_happy(_classifier: object, images: np.ndarray) -> np.ndarray:
        shown.append(images)
        happy = np.random.default_rng(0).uniform(5, 9, (len(images), 1))
        return np.asarray(np.eye(7)[3] * happy)

    monkeypatch.setattr(command, "classify", always_happy)
    out = tmp_path / "audit.json"
    monkeypatch.setattr(
        sys, "argv", ["audit", "--data", str(listing), "--grouped", "--model", str(MODEL), "--out", str(out)]
    )
    command.main()
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["count"] == len(shown[0]) == 300
    bright, dark = way(report, "group")["groups"]
    assert (bright["group"], bright["count"], bright["scores"]["accuracy"]["value"]) == ("bright", 150, 1)
    assert (dark["group"], dark["count"], dark["scores"]["accuracy"]["value"]) == ("dark", 150, 0)
    assert way(report, "group")["gaps"]["accuracy"] == {"worst": "dark", "gap": 1}
    assert [each["group"] for each in way(report, "age")["groups"]] == ["old"], "an empty cell is no group"
    assert way(report, "age")["unknown"] == 150
    assert [each["group"] for each in way(report, "group × age")["groups"]] == ["bright × old"]
    assert out.with_suffix(".md").read_text(encoding="utf-8") == table(report)


def test_a_list_without_columns_of_groups_is_refused(tmp_path: Path) -> None:
    listing = tmp_path / "plain.csv"
    listing.write_text("path,label\na.png,happy\n", encoding="utf-8")
    with pytest.raises(DataError, match="no columns of groups"):
        load_groups(listing)


def test_groups_by_what_is_measured(pipeline: Pipeline, grey_faces: np.ndarray) -> None:
    """A canvas of noise holds no face: tilt and turn are not known of it, light and detail are."""
    faces = np.stack([grey_faces[0], np.random.default_rng(0).integers(0, 255, (48, 48)).astype(np.uint8)])
    values = measured(pipeline, faces)
    assert values["noise"][1] > 5 * values["noise"][0]
    assert np.isnan(values["tilt"][1]) and np.isnan(values["turn"][1])
    groups, cuts = thirds({"tilt": np.array([np.nan, *range(9)])})
    assert groups["tilt"].tolist() == ["", *["low"] * 3, *["middle"] * 3, *["high"] * 3]
    assert cuts == {"tilt": [pytest.approx(8 / 3, abs=1e-4), pytest.approx(16 / 3, abs=1e-4)]}


def test_the_audit_is_that_of_the_served_model() -> None:
    """Stale: `make reports DATA=…` writes it anew."""
    folder = ROOT / "model_store"
    report = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    assert report["model"] == json.loads((folder / "report.json").read_text(encoding="utf-8"))["model"]["version"]
    assert (folder / "audit.md").read_text(encoding="utf-8") == table(report)
