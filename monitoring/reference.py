"""Numbers that the rules compare with, read from the files that decide them: the manifests and the model's report."""

import json
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
AUTOSCALER = ROOT / "k8s" / "base" / "autoscaler.yaml"
REPORT = ROOT / "model_store" / "report.json"


def autoscaler() -> dict[str, Any]:
    """The HorizontalPodAutoscaler of the base."""
    loaded: dict[str, Any] = yaml.safe_load(AUTOSCALER.read_text(encoding="utf-8"))
    return loaded


def targets() -> dict[str, float]:
    """The autoscaler's target for each of its metrics; it compares the average over pods with it."""
    metrics = autoscaler()["spec"]["metrics"]
    return {each["pods"]["metric"]["name"]: quantity(each["pods"]["target"]["averageValue"]) for each in metrics}


def quantity(text: str | int | float) -> float:
    """A Kubernetes quantity without binary suffixes: `100m` is 0.1."""
    text = str(text)
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def emotion_shares() -> dict[str, float]:
    """The share of each emotion in what the served model says of the data of its report; they sum to 1."""
    report = _report()
    said = [sum(column) for column in zip(*report["confusion_matrix"], strict=True)]
    return {label: round(count / sum(said), 4) for label, count in zip(report["per_class"], said, strict=True)}


def mean_confidence() -> float:
    """How confident the served model is on average on the data of its report."""
    bins = _report()["reliability"]
    total = sum(each["count"] for each in bins)
    mean: float = sum(each["confidence"] * each["count"] for each in bins) / total
    return round(mean, 4)


def _report() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(REPORT.read_text(encoding="utf-8"))
    return loaded
