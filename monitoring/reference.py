"""Numbers that the rules compare with, read from the manifests, which decide them."""

from collections.abc import Mapping
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
    """That autoscaler's `targets_of`."""
    return targets_of(autoscaler())


def targets_of(manifest: Mapping[str, Any]) -> dict[str, float]:
    """An autoscaler's target for each of its metrics, with which it compares the average over pods."""
    metrics = manifest["spec"]["metrics"]
    return {each["pods"]["metric"]["name"]: quantity(each["pods"]["target"]["averageValue"]) for each in metrics}


def quantity(text: str | int | float) -> float:
    """A Kubernetes quantity without binary suffixes: `100m` is 0.1."""
    text = str(text)
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)
