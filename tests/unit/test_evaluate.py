"""Scores, against scikit-learn and by hand."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from emotion.classifier import probabilities, softmax
from emotion.labels import LABELS
from tests.conftest import ROOT
from training import stress, stress_photographs
from training.artifact import load_classifier
from training.conditions import MIDDLE
from training.data import fingerprints
from training.evaluate import (
    calibration_error_by_chance,
    cross_fitted_calibration_error,
    expected_calibration_error,
    reliability,
    score,
    seen_in_training,
)
from training.limits import MOVED_BY
from training.model_card import MODEL_STORE, _began, _learnt_from, model_card
from training.scoring import Ensemble


def random_case(seed: int = 0, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(7), size=count)
    labels = np.where(generator.random(count) < 0.6, probabilities.argmax(1), generator.integers(0, 7, count))
    return probabilities, labels


def test_scores_are_those_of_scikit_learn() -> None:
    probabilities, labels = random_case()
    report = score(probabilities, labels)
    predicted = probabilities.argmax(1)
    assert report["accuracy"] == pytest.approx(accuracy_score(labels, predicted), abs=1e-4)
    assert report["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"), abs=1e-4)
    assert report["confusion_matrix"] == confusion_matrix(labels, predicted).tolist()
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted)
    for index, label in enumerate(LABELS):
        scores = report["per_class"][label]
        expected = (precision[index], recall[index], f1[index], support[index])
        assert (scores["precision"], scores["recall"], scores["f1"], scores["count"]) == pytest.approx(
            expected, abs=1e-4
        )


def test_intervals_hold_the_score_and_have_the_width_statistics_expects() -> None:
    probabilities, labels = random_case(count=3589)
    report = score(probabilities, labels)
    low, high = report["accuracy_interval"]
    assert low < report["accuracy"] < high
    expected = 2 * 1.96 * (report["accuracy"] * (1 - report["accuracy"]) / 3589) ** 0.5
    assert high - low == pytest.approx(expected, rel=0.1)
    for scores in (report, *report["per_class"].values()):
        for name in [name for name in scores if f"{name}_interval" in scores]:
            assert scores[f"{name}_interval"][0] < scores[name] < scores[f"{name}_interval"][1]


def test_classes_that_do_not_occur_are_left_out_of_the_means() -> None:
    probabilities = np.eye(7)[[3, 3, 4, 4]]
    report = score(probabilities, np.array([3, 3, 4, 4]))
    assert report["macro_f1"] == 1.0
    assert report["per_class"]["disgusted"]["count"] == 0


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    probabilities = np.full((10, 7), 0.2 / 6)
    probabilities[:, 0] = 0.8
    labels = np.array([0] * 5 + [1] * 5)
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0.3)
    honest = np.array([0] * 8 + [1] * 2)
    assert expected_calibration_error(probabilities, honest) == pytest.approx(0, abs=1e-9)


def test_a_perfect_network_has_the_calibration_error_of_chance() -> None:
    """With one bin, the mean distance of a binomial share from what it is drawn with, by the normal approximation."""
    probabilities = np.full((400, 7), 0.2 / 6)
    probabilities[:, 0] = 0.8
    expected = np.sqrt(2 * 0.8 * 0.2 / (np.pi * 400))
    assert calibration_error_by_chance(probabilities) == pytest.approx(expected, rel=0.2)
    assert calibration_error_by_chance(np.tile(probabilities, (100, 1))) < expected / 5


def test_a_bin_of_confidence_has_an_interval_unless_it_holds_few_faces() -> None:
    probabilities = np.full((109, 7), 0.2 / 6)
    probabilities[:, 0] = 0.8
    probabilities[100:, 0] = 0.5
    bins = {each["count"]: each for each in reliability(probabilities, np.array([0] * 80 + [1] * 29))}
    assert bins[100]["accuracy_interval"] == pytest.approx([0.8 - 1.96 * 0.04, 0.8 + 1.96 * 0.04], abs=1e-4)
    assert bins[9]["accuracy_interval"] is None


def test_a_temperature_that_generalizes_keeps_its_calibration_on_other_folds() -> None:
    generator = np.random.default_rng(0)
    honest = generator.normal(size=(4000, 7)) * 2
    labels = np.array([generator.choice(7, p=row) for row in softmax(honest, 1.0)])
    overconfident = softmax(honest * 4, 1.0)
    assert expected_calibration_error(overconfident, labels) > 0.15
    held_out = cross_fitted_calibration_error([honest * 4], honest * 4, labels)
    assert held_out is not None and held_out < 0.03
    assert cross_fitted_calibration_error([honest[:3]], honest[:3], labels[:3]) is None, "fewer faces than folds"


def test_the_model_card_is_written_from_the_reports() -> None:
    """Stale: `python -m training.model_card` writes it anew."""
    assert (MODEL_STORE / "MODEL_CARD.md").read_text(encoding="utf-8") == model_card(MODEL_STORE)


def test_the_card_tells_what_an_average_is_made_of() -> None:
    recovered = {
        "recovered_from": "int8",
        "origin": {"recipe": {"start": {"network": "old.pt", "blend": {"b.pt": 0.2}}}},
    }
    run = {"recipe": {"start": {"network": "kept.pt"}}, "origins": {"kept.pt": recovered}}
    average = run | {"average": {"run.pt": 0.6, "kept.pt": 0.4}, "parts": {"run.pt": run, "kept.pt": recovered}}
    text = " ".join(_began(average).split())
    assert text.startswith("The network began as the average of the weights of `run.pt` (60%), `kept.pt` (40%).")
    assert "`run.pt` began as `kept.pt`." in text
    assert text.count("`kept.pt` began as the average of the weights of `old.pt` (80%), `b.pt` (20%).") == 1
    assert text.endswith("flatter this model a little.")
    assert _began({"recipe": {"start": None}}) == "The weights began at random."


def run(name: str = "student", **training: Any) -> dict[str, Any]:
    """What an artifact keeps of its training."""
    return {"recipe": {"name": name, "start": None, "optimization": {"epochs": 9}}, "epochs": 9} | training


VOTES = run("voted") | {"recipe": run()["recipe"] | {"votes": {"weight": 0.3}}}
IMAGENET = run("lite", epochs=7) | {"recipe": run("lite")["recipe"] | {"backbone": {"size": 112}}}


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (run(), ""),
        (VOTES, "The ten FER+ votes of each face"),
        (run(parts={"a.pt": run(), "b.pt": VOTES}), "The ten FER+ votes of each face"),
        (run(origins={"a.pt": {"recovered_from": "int8", "origin": VOTES}}), "The ten FER+ votes of each face"),
        (run(teachers={"t.pt": VOTES}), "FER+ votes (Barsoum et al. 2016) trained its teachers."),
        (IMAGENET, "It began with the weights that EfficientNet-Lite0 has from ImageNet."),
        (run(origins={"a.pt": run(teachers={"t.pt": IMAGENET})}), "One of its teachers began with the weights that"),
        (run(teachers={"t.pt": IMAGENET}), "The run of `lite` was stopped after 7 of 9 epochs."),
    ],
)
def test_the_card_says_what_any_network_that_it_was_built_on_learnt_from(training: dict[str, Any], said: str) -> None:
    text = " ".join(_learnt_from(training).split())
    assert said in text
    assert said or not text


def test_the_card_says_which_offsets_were_added_and_on_which_faces_they_were_fitted() -> None:
    balanced = run(balance=0.25, offsets={"fearful": 0.1, "happy": -0.05})
    for training in (balanced, run(origins={"served/emotion.pt": balanced})):
        text = " ".join(_began(training).split())
        assert "25% of the offsets" in text and "fearful +0.10, happy -0.05" in text
        assert "fitted on the faces it is scored on" in text
    for training in (run(), run(average={"a.pt": 1.0}, parts={"a.pt": balanced})):
        assert "offsets" not in _began(training), "what balanced a part does not balance the average"


def test_the_kept_weights_are_those_that_are_served(grey_faces: np.ndarray) -> None:
    served = load_classifier(MODEL_STORE / "emotion.onnx")
    kept = load_classifier(MODEL_STORE / "weights" / f"{served.name}-{served.version}.pt")
    expected = kept.logits(grey_faces)
    assert np.abs(served.logits(grey_faces) - expected).mean() < 0.1 * expected.std(), "the same but for int8"


def test_the_stress_reports_are_those_of_the_served_model_and_their_tables_say_the_same() -> None:
    served = load_classifier(MODEL_STORE / "emotion.onnx")
    model = {"name": served.name, "version": served.version, "runtime": served.runtime}
    for name, table in (("stress", stress.table), ("stress-photographs", stress_photographs.table)):
        report = json.loads((MODEL_STORE / f"{name}.json").read_text(encoding="utf-8"))
        assert report["model"] == model, "stale: `make reports DATA=…` writes it anew"
        assert (MODEL_STORE / f"{name.upper()}.md").read_text(encoding="utf-8") == table(report)


def test_the_limits_mark_nine_of_ten_faces_where_the_served_network_fails() -> None:
    """Where damage moves what is measured; and less than one in ten of the faces as they are."""
    report = json.loads((MODEL_STORE / "stress.json").read_text(encoding="utf-8"))
    moved = {name for names in MOVED_BY.values() for name in names}
    missed = [each for each in report["limits"]["missed"] if each["name"] in moved]
    assert not missed
    assert report["clean"]["unreliable"] < 0.1


def test_the_reports_are_those_of_the_served_model() -> None:
    served = load_classifier(MODEL_STORE / "emotion.onnx")
    report = json.loads((MODEL_STORE / "report.json").read_text(encoding="utf-8"))
    compression = json.loads((MODEL_STORE / "compression.json").read_text(encoding="utf-8"))
    shipped = compression["points"][compression["shipped"]]
    model = MODEL_STORE / "emotion.onnx"
    assert report["model"] == {
        "name": served.name,
        "version": served.version,
        "runtime": served.runtime,
        "sha256": [hashlib.sha256(model.read_bytes()).hexdigest()],
    }, "stale: `make reports DATA=…` writes it anew"
    assert report["temperature"] == served.temperature
    assert shipped["accuracy"] == report["accuracy"]
    assert shipped["bytes"] == (MODEL_STORE / "emotion.onnx").stat().st_size


def test_the_readme_says_what_the_reports_say() -> None:
    report = json.loads((MODEL_STORE / "report.json").read_text(encoding="utf-8"))
    compression = json.loads((MODEL_STORE / "compression.json").read_text(encoding="utf-8"))
    shipped = compression["points"][compression["shipped"]]

    def accuracy(scores: dict[str, Any]) -> tuple[str, str]:
        low, high = scores["accuracy_interval"]
        return f"{scores['accuracy']:.2%}".replace("%", " %"), f"{low * 100:.2f}–{high * 100:.2f} %"

    low, high = report["macro_f1_interval"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for promise in (
        "| **{}** (95 % interval {}) |".format(*accuracy(report)),
        "| {} ({}) |".format(*accuracy(report["deduplicated"])),
        f"| {report['macro_f1']:.3f} ({low:.3f}–{high:.3f}) |",
        f"| {report['ece']:.3f} / {report['ece_cross_fitted']:.3f} / {report['ece_by_chance']:.3f} |",
        f"| {shipped['milliseconds']['1']:.2f} ms, {shipped['faster']:.1f} times faster than in fp32",
        f"{shipped['bytes'] / 1e6:.1f} MB |",
        *_promises_under_stress(),
    ):
        assert promise in readme


def _promises_under_stress() -> tuple[str, ...]:
    damaged, whole = (
        json.loads((MODEL_STORE / name).read_text(encoding="utf-8"))
        for name in ("stress.json", "stress-photographs.json")
    )
    middle, limits = damaged["middle"], damaged["limits"]
    worst = limits["worst_overconfidence"]
    photographs = {"as they are": whole["clean"]}
    photographs |= {row["name"]: row["cells"][MIDDLE] for row in whole["conditions"]}
    shown = {"as they are": "as they are", "JPEG": "JPEG", "blur": "Gaussian blur", "noise": "Gaussian noise"}
    shown |= {"low light": "low light", "overexposure": "overexposure"}
    return (
        f"mean **{100 * middle['accuracy']:.1f} %**, worst {100 * middle['worst_accuracy']:.1f} % (",
        f"| {100 * middle['overconfidence']:.1f} points on average, "
        f"{100 * middle['worst_overconfidence']:.1f} at worst (",
        f"{limits['failing']} of {limits['cells']}; in {limits['failing'] - len(limits['missed'])} of these",
        f"{100 * worst['overconfidence']:.1f} points at worst ({worst['name']})",
        "; ".join(
            f"{title} {100 * photographs[name]['found']:.1f}, {100 * photographs[name]['accuracy']:.1f} %"
            for title, name in shown.items()
        ),
    )


class Sure:
    """A network that says the same of every face."""

    name, version, runtime, temperature = "sure", "1", "by hand", 1.0

    def __init__(self, *shares: float) -> None:
        self._shares = np.array(shares)

    def logits(self, faces: np.ndarray) -> np.ndarray:
        logits: np.ndarray = np.log(np.tile(self._shares, (len(faces), 1)))
        return logits


def test_an_ensemble_answers_with_its_members_mean() -> None:
    faces = np.zeros((3, 48, 48), dtype=np.uint8)
    first = Sure(0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
    second = Sure(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4)
    answers = probabilities(Ensemble([first, second]), faces)
    np.testing.assert_allclose(answers, np.tile([0.25, 0.1, 0.1, 0.1, 0.1, 0.1, 0.25], (3, 1)))


def test_what_any_member_of_an_ensemble_was_trained_on_counts_as_seen(tmp_path: Path, grey_faces: np.ndarray) -> None:
    prints = fingerprints(grey_faces)
    members = [tmp_path / name / "emotion.pt" for name in ("first", "second")]
    for member, seen in zip(members, (prints[:1], prints[1:3]), strict=True):
        member.parent.mkdir()
        np.save(member.with_name("fingerprints.npy"), seen)
    seen_by_any = seen_in_training(members)
    assert seen_by_any is not None
    assert set(seen_by_any) == set(prints[:3])
    assert seen_in_training([*members, tmp_path / "unknown" / "emotion.pt"]) is None, "nothing can be left out for sure"
