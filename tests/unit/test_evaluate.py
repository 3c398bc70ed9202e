"""Scores, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from training.evaluate import expected_calibration_error, score


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
    assert np.sum(report["confusion_matrix"]) == report["count"] == len(labels)


def test_intervals_hold_the_score_and_have_the_width_statistics_expects() -> None:
    probabilities, labels = random_case(count=3589)
    report = score(probabilities, labels)
    low, high = report["accuracy_interval"]
    assert low < report["accuracy"] < high
    expected = 2 * 1.96 * (report["accuracy"] * (1 - report["accuracy"]) / 3589) ** 0.5
    assert high - low == pytest.approx(expected, rel=0.1)
    assert report["macro_f1_interval"][0] < report["macro_f1"] < report["macro_f1_interval"][1]


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
