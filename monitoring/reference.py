"""Numbers that the rules compare with, read from the manifests, which decide them."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
AUTOSCALER = ROOT / "k8s" / "base" / "autoscaler.yaml"


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
