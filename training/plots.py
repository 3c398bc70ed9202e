"""Pictures of an evaluation report."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no screen needed

import matplotlib.pyplot as plt
import numpy as np

INK, ACCENT = "#1f2937", "#4263eb"


def write_plots(report: dict[str, Any], folder: Path) -> list[Path]:
    """Write the report's confusion matrix, reliability diagram and accuracy-versus-coverage curve as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "confusion_matrix.png": plot_confusion_matrix,
        "reliability.png": plot_reliability,
        "coverage.png": plot_coverage,
    }
    for name, plot in pictures.items():
        figure = plot(report)
        figure.savefig(folder / name, dpi=110)
        plt.close(figure)
    return [folder / name for name in pictures]


def plot_confusion_matrix(report: dict[str, Any]) -> Any:
    """Rows are true classes, as shares of each; cells also name the count."""
    counts, shares = np.array(report["confusion_matrix"]), np.array(report["confusion_shares"])
    labels = list(report["per_class"])
    figure, axes = plt.subplots(figsize=(6.6, 5.6), layout="constrained")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.5 else INK
        text = f"{shares[row, column]:.0%}\n{counts[row, column]}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="true", title=f"Confusion on {_where(report)}")
    return figure


def plot_reliability(report: dict[str, Any]) -> Any:
    """Accuracy against confidence by bin, and how many faces each bin holds."""
    bins = [each for each in report["reliability"] if each["accuracy_interval"]]
    confidence, accuracy, count = ([each[key] for each in bins] for key in ("confidence", "accuracy", "count"))
    low, high = np.array([each["accuracy_interval"] for each in bins]).reshape(-1, 2).T
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(5.6, 5.8), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    above.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="perfect calibration")
    error = np.abs([accuracy - low, high - accuracy])
    above.errorbar(confidence, accuracy, error, color=ACCENT, marker="o", capsize=3, label="model, 95 % interval")
    above.set(ylabel="accuracy", ylim=(0, 1), title=f"Reliability on {_where(report)}\nECE {report['ece']:.3f}")
    above.legend(loc="upper left")
    width = 1 / len(report["reliability"])
    below.bar(confidence, count, width=width * 0.85, color=ACCENT)
    below.set(xlabel="confidence", ylabel="faces", xlim=(0, 1))
    return figure


def plot_coverage(report: dict[str, Any]) -> Any:
    """Accuracy over the faces whose confidence reaches a threshold, against their share."""
    points = report["coverage"]
    figure, axes = plt.subplots(figsize=(5.6, 4), layout="constrained")
    coverage, accuracy = ([each[key] for each in points] for key in ("coverage", "accuracy"))
    axes.plot(coverage, accuracy, color=ACCENT, marker="o", markersize=3)
    for each in points:
        if each["threshold"] in {0.4, 0.6, 0.8}:
            place = (each["coverage"], each["accuracy"])
            axes.annotate(f"≥ {each['threshold']:.0%}", place, xytext=(4, 5), textcoords="offset points", fontsize=8)
    axes.set(xlabel="coverage: share of faces answered", ylabel="accuracy on them", xlim=(0, 1.02))
    axes.set_title(f"Abstaining below a confidence\n{_where(report)}")
    axes.grid(alpha=0.3)
    return figure


def save_stress(report: dict[str, Any], path: Path) -> None:
    """Write `plot_stress` as a PNG file."""
    figure = plot_stress(report)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def plot_stress(report: dict[str, Any]) -> Any:
    """Accuracy and stated confidence against strength, a small picture for each condition of `training.stress`."""
    rows = report["conditions"]
    wide = 5
    high = -(-len(rows) // wide)
    size = (2.5 * wide, 1.9 * high + 0.6)
    figure, grid = plt.subplots(high, wide, figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axes in grid.flat[len(rows) :]:
        axes.set_axis_off()
    for axes, row in zip(grid.flat, rows, strict=False):
        strengths = [f"{each['strength']:g}" for each in row["cells"]]
        axes.axhline(report["clean"]["accuracy"], color="0.7", linewidth=1, label="accuracy on undamaged faces")
        for key, style in (("confidence", "--"), ("accuracy", "-")):
            values = [each[key] for each in row["cells"]]
            colour = ACCENT if key == "accuracy" else INK
            axes.plot(strengths, values, style, color=colour, marker="o", markersize=3, label=key)
        axes.set_title(row["name"] + ("" if row["trained"] else " *"), fontsize=10)
        axes.set_xlabel(row["unit"], fontsize=8)
        axes.tick_params(labelsize=8)
        axes.set_ylim(0, 1)
    figure.legend(*grid.flat[0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=3)
    figure.suptitle(f"{report['model']['name']} {report['model']['version']}: {_where_stressed(report)}", fontsize=11)
    return figure


def _where_stressed(report: dict[str, Any]) -> str:
    return f"{report['data']['count']:,} faces of {report['data']['name']}, damaged"


def _where(report: dict[str, Any]) -> str:
    return f"{report['data']['name']}, {report['count']:,} faces"
