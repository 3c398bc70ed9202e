"""The page's charts and the evaluation's pictures show the same numbers: the report's."""

import json

import matplotlib.pyplot as plt
import numpy as np

from client import charts
from client.report import PeerStress, Report, Stress
from training import plots
from training.model_card import MODEL_STORE

REPORT = json.loads((MODEL_STORE / "report.json").read_text(encoding="utf-8"))
SHOWN = Report.model_validate(REPORT)
STRESS = json.loads((MODEL_STORE / "stress.json").read_text(encoding="utf-8"))
PEER = json.loads((MODEL_STORE / "stress-fer.json").read_text(encoding="utf-8"))


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
    cells = charts.confusion(SHOWN, dark=False).to_dict()["data"]["values"]
    assert [each["faces"] for each in cells] == [count for row in REPORT["confusion_matrix"] for count in row]
    by_label = {label: sum(each["share"] for each in cells if each["true"] == label) for label in REPORT["per_class"]}
    np.testing.assert_allclose(list(by_label.values()), 1, atol=1e-3)
    figure = plots.plot_confusion_matrix(REPORT)
    assert [text.get_text() for text in figure.axes[0].texts] == [
        f"{each['share']:.0%}\n{each['faces']}" for each in cells
    ]
    plt.close(figure)


def test_stress() -> None:
    """The middle one of five strengths, of both models."""
    stress, peer = Stress.model_validate(STRESS), PeerStress.model_validate(PEER)
    intervals, dots = charts.stress(stress, peer).to_dict()["layer"]
    ours = {each["name"]: each["cells"][2] for each in STRESS["conditions"]} | {"as they are": STRESS["clean"]}
    theirs = {name: row[2] for name, row in PEER["conditions"].items()} | {"as they are": PEER["clean"]}
    assert {each["condition"]: [each["low"], each["high"]] for each in intervals["data"]["values"]} == {
        name: cell["accuracy_interval"] for name, cell in ours.items()
    }
    shown = {(each["model"], each["condition"]): each["accuracy"] for each in dots["data"]["values"]}
    assert shown == {("emotion", name): cell["accuracy"] for name, cell in ours.items()} | {
        ("fer", name): accuracy for name, accuracy in theirs.items()
    }
    alone = charts.stress(stress, None).to_dict()["layer"][1]["data"]["values"]
    assert {each["model"] for each in alone} == {"emotion"}
    points = charts.stress_confidence(stress).to_dict()["layer"][1]["data"]["values"]
    assert {each["condition"]: (each["confidence"], each["accuracy"]) for each in points} == {
        name: (cell["confidence"], cell["accuracy"]) for name, cell in ours.items()
    }
