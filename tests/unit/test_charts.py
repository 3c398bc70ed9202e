"""The page's charts and the evaluation's pictures show the same numbers: the report's."""

import json

import matplotlib.pyplot as plt
import numpy as np

from client import charts
from client.report import Report
from training import plots
from training.model_card import MODEL_STORE

REPORT = json.loads((MODEL_STORE / "report.json").read_text(encoding="utf-8"))
SHOWN = Report.model_validate(REPORT)


def test_reliability() -> None:
    points = charts.reliability(SHOWN).to_dict()["layer"][1]["data"]["values"]
    bins = [each for each in REPORT["reliability"] if each["accuracy_interval"]]
    assert [each["faces"] for each in points] == [each["count"] for each in bins]
    figure = plots.plot_reliability(REPORT)
    (drawn,) = figure.axes[0].containers
    dots, _, (bars,) = drawn.lines
    np.testing.assert_allclose(dots.get_xydata(), [(each["confidence"], each["accuracy"]) for each in points])
    ends = [segment[:, 1] for segment in bars.get_segments()]
    np.testing.assert_allclose(ends, [(each["low"], each["high"]) for each in points])
    plt.close(figure)


def test_confusion() -> None:
    cells = charts.confusion(SHOWN).to_dict()["data"]["values"]
    assert [each["faces"] for each in cells] == [count for row in REPORT["confusion_matrix"] for count in row]
    by_label = {label: sum(each["share"] for each in cells if each["true"] == label) for label in REPORT["per_class"]}
    np.testing.assert_allclose(list(by_label.values()), 1, atol=1e-3)
    figure = plots.plot_confusion_matrix(REPORT)
    assert [text.get_text() for text in figure.axes[0].texts] == [
        f"{each['share']:.0%}\n{each['faces']}" for each in cells
    ]
    plt.close(figure)
