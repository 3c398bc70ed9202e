"""The stress report, on networks whose answers are known, and the pictures that it shows them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.conditions import CONDITIONS, MIDDLE, STRENGTHS, Condition, damaged
from training.data import Split, some_faces
from training.plots import save_stress
from training.stress import cell, stress, table


class Brightness:
    """A network that calls bright faces the first emotion and all others the second, always as sure."""

    name, version, runtime, temperature = "brightness", "1", "by hand", 1.0

    def logits(self, faces: np.ndarray) -> np.ndarray:
        shares = np.full((len(faces), 7), 0.02)
        shares[np.arange(len(faces)), np.where(faces.mean(axis=(1, 2)) > 128, 0, 1)] = 0.88
        logits: np.ndarray = np.log(shares)
        return logits


@pytest.fixture
def faces(grey_faces: np.ndarray) -> Split:
    labels = np.where(grey_faces.mean(axis=(1, 2)) > 128, 0, 1)
    return Split("soft pictures", grey_faces, labels.astype(np.int64))


@pytest.fixture
def sharp(faces: Split) -> Split:
    """Eight times as many, with detail in them."""
    images, labels = np.tile(faces.images, (8, 1, 1)), np.tile(faces.labels, 8)
    detail = np.random.default_rng(0).normal(0, 8, images.shape)
    return Split("pictures with detail", (images + detail).clip(0, 240).astype(np.uint8), labels)


@pytest.mark.parametrize("condition", CONDITIONS, ids=[each.name for each in CONDITIONS])
def test_every_condition_leaves_pictures_and_damages_them_more_from_strength_to_strength(
    grey_faces: np.ndarray, condition: Condition
) -> None:
    assert len(condition.strengths) == STRENGTHS
    changes = []
    for strength in condition.strengths:
        pictures = damaged(grey_faces, condition, strength, seed=0)
        assert pictures.dtype == np.uint8 and pictures.shape == grey_faces.shape
        changes.append(np.abs(pictures.astype(float) - grey_faces).mean())
    assert changes[0] > 0
    assert changes == sorted(changes), changes


def test_equal_seeds_give_every_network_the_same_pictures(grey_faces: np.ndarray) -> None:
    for condition in CONDITIONS:
        strength = condition.strengths[MIDDLE]
        first, second = (damaged(grey_faces, condition, strength, seed=1) for _ in range(2))
        np.testing.assert_array_equal(first, second)
    noise = CONDITIONS[0]
    assert not np.array_equal(damaged(grey_faces, noise, 8, seed=1), damaged(grey_faces, noise, 8, seed=2))


def test_a_brighter_face_is_brighter_and_never_wraps_around(grey_faces: np.ndarray) -> None:
    overexposure = next(each for each in CONDITIONS if each.name == "overexposure")
    for factor in overexposure.strengths:
        assert (damaged(grey_faces, overexposure, factor, seed=0) >= grey_faces).all()


def test_the_report_tells_stated_from_true_confidence(faces: Split) -> None:
    half = Split("half of them mislabelled", faces.images, np.where(np.arange(len(faces)) % 2, faces.labels, 6))
    scores = cell(Brightness(), half.images, half.labels)
    assert scores["accuracy"] == 0.5
    assert scores["confidence"] == pytest.approx(0.88)
    assert scores["overconfidence"] == pytest.approx(0.38)
    assert {each["answered"] for each in scores["abstaining"]} == {1.0}, "it is always as sure"
    assert {each["wrong_saved"] for each in scores["abstaining"]} == {0.0}


def test_abstaining_saves_wrong_answers_of_which_the_network_is_not_sure(faces: Split) -> None:
    class Unsure(Brightness):
        """Is sure of bright faces only."""

        def logits(self, faces: np.ndarray) -> np.ndarray:
            logits = super().logits(faces)
            logits[logits.argmax(axis=1) == 1] *= 0.3
            return logits

    labels = np.zeros(len(faces), dtype=np.int64)
    scores = cell(Unsure(), faces.images, labels)
    share = float((faces.labels == 0).mean())
    for each in scores["abstaining"]:
        assert each["answered"] == pytest.approx(share, abs=1e-4)
        assert (each["accuracy"], each["wrong_saved"]) == (1.0, 1.0)


def test_the_report_names_what_damage_costs(faces: Split, tmp_path: Path) -> None:
    """Damage that hides everything leaves the more frequent guess; damage that does nothing leaves all."""
    nothing = Condition("nothing", "times", (1, 2, 3, 4, 5), lambda face, strength, generator: face)
    blackout = Condition(
        "blackout", "times", (1, 2, 3, 4, 5), lambda face, strength, generator: face * 0, trained=False
    )
    report = stress(Brightness(), faces, conditions=(nothing, blackout))
    dark = round(float((faces.labels == 1).mean()), 4)
    assert report["clean"]["accuracy"] == 1.0
    assert [row["cells"][MIDDLE]["accuracy"] for row in report["conditions"]] == [1.0, dark]
    assert report["middle"]["accuracy"] == pytest.approx((1 + dark) / 2, abs=1e-4)
    assert report["middle"]["worst_accuracy"] == dark
    assert report["middle"]["worst_overconfidence"] == pytest.approx(0.88 - dark, abs=1e-3)
    text = table(report)
    assert "| blackout * | 3 times |" in text and "| nothing | 3 times |" in text
    for part in text.split("## "):
        widths = {line.count("|") for line in part.splitlines() if line.startswith("|")}
        assert len(widths) == 1, "every row has as many cells as the head"
    conditions = {"nothing": [0.6] * 5, "blackout": [0.1, 0.1, 0.2, 0.1, 0.1]}
    report["peer"] = {"model": {"name": "other", "version": "1"}, "clean": 0.6, "conditions": conditions}
    first, _ = table(report).split("## ")
    rows = [line.split("|") for line in first.splitlines() if line.startswith("|")]
    assert [row[-2].strip() for row in rows] == ["other 1", "---", "60.0%", "60.0%", "20.0%"]
    assert {len(row) for row in rows} == {len(rows[0])}
    save_stress(report, tmp_path / "stress.png")
    assert (tmp_path / "stress.png").stat().st_size > 5000


def test_the_report_says_which_faces_are_called_reliable_and_how_they_are_read(sharp: Split) -> None:
    """A black crop is marked, so nobody relies on it; untouched faces are as reliable as they were."""
    black = Condition("black", "times", (1, 2, 3, 4, 5), lambda face, strength, generator: face * 0)
    mislabelled = replace(sharp, labels=np.full(len(sharp), 6))
    report = stress(Brightness(), mislabelled, conditions=(black,))
    clean, middle = report["clean"], report["conditions"][0]["cells"][MIDDLE]
    assert middle["unreliable"] == 1.0
    assert middle["relied_on"] == {"count": 0, "accuracy": None, "overconfidence": None}
    assert clean["relied_on"]["count"] == round((1 - clean["unreliable"]) * len(sharp)) > 30
    assert clean["relied_on"]["overconfidence"] == pytest.approx(0.88)
    assert report["limits"] == {"cells": 5, "failing": 5, "missed": [], "worst_overconfidence": None}
    assert "- Accuracy is below 60% in 5 of 5 cells; at least 90% of the faces are marked in 5 of these." in table(
        report
    )


def test_damage_that_fools_the_network_unnoticed_is_named(sharp: Split) -> None:
    inverted = Condition("inverted", "times", (1, 2, 3, 4, 5), lambda face, strength, generator: 255 - face)
    found = stress(Brightness(), sharp, conditions=(inverted,))["limits"]
    assert [(each["name"], each["strength"]) for each in found["missed"]] == [
        ("inverted", each) for each in range(1, 6)
    ]
    assert found["worst_overconfidence"]["overconfidence"] == pytest.approx(0.88, abs=0.1)


def test_a_part_of_the_faces_is_the_same_part_every_time(faces: Split) -> None:
    first, second = some_faces(faces, 5), some_faces(faces, 5)
    np.testing.assert_array_equal(first.images, second.images)
    assert len(first) == 5
    assert len(some_faces(faces, 0)) == len(some_faces(faces, 1000)) == len(faces)
