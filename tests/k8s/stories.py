"""Stories that Prometheus' own promtool tells to the rules: series, and what must be true of them when."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from emotion.labels import LABELS
from monitoring import dashboard, rules
from tests.conftest import tool
from tests.k8s.manifests import K8S

RULES = K8S / "components" / "monitoring-standalone" / "rules.yaml"


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    binary = tool("promtool", "prometheus")
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)


HOUR = "1h"
"""The step of stories that last days or weeks."""


def check(folder: Path, series: dict[str, str], samples: list[tuple[str, str, list[float]]], interval: str) -> None:
    """Let promtool feed `series` and compare: each sample is an expression, a time, and the values it must have."""
    expressions = [
        {
            "expr": f"({expression}) + 0",
            "eval_time": time,
            "exp_samples": [{"labels": "{}", "value": value} for value in values],
        }
        for expression, time, values in samples
    ]
    test = {
        "interval": interval,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": expressions,
    }
    groups = rules.groups()["groups"]
    if not interval.endswith("s"):
        # Days at the rules' own intervals would take minutes, with the same result. In one group, since groups of one
        # time are evaluated in any order, and what a rule recorded an hour ago is too old for an alert.
        every_rule = [rule for group in groups for rule in group["rules"]]
        groups = [{"name": "all", "interval": interval, "rules": every_rule}]
    text = yaml.safe_dump({"groups": groups})
    if interval == HOUR:
        text = text.replace("[5m]", "[2h]")  # a rate needs two samples; windows of hours and days stay as they are
    (folder / "rules.yaml").write_text(text, encoding="utf-8")
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": interval, "tests": [test]}
    (folder / "test.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    done = promtool("test", "rules", folder / "test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class Story:
    """An alert's life: series, and when it must be silent, firing and silent again."""

    alert: str
    series: dict[str, str]
    silent: str
    firing: str
    resolved: str
    interval: str = "1m"


USUAL = {"happy": 0.94} | dict.fromkeys(set(LABELS) - {"happy"}, 0.01)
"""A happy crowd, as no data set has it."""

POD = 'namespace="emotion", pod="a"'
PAGE = 'namespace="emotion", pod="p"'

WORKERS = f"emotion_workers_ready{{{POD}}}"
TORCHSERVE = f"emotion_torchserve_up{{{POD}}}"


def counter(*pieces: tuple[float, int]) -> str:
    """A counter's samples: so much more at each step, for so many steps, piece after piece."""
    total, texts = 0.0, []
    for step, count in pieces:
        texts.append(f"{total:g}+{step:g}x{count - 1}")
        total += step * count
    return " ".join(texts)


def firing(alert: str) -> str:
    """How often an alert fires. It has its namespace, by which it finds its receiver."""
    return f'count(ALERTS{{alertname="{alert}", alertstate="firing", namespace="emotion"}}) or vector(0)'


def dashboard_queries() -> list[str]:
    """Every query of the dashboard, its variables still in it."""
    panels = json.loads(dashboard.as_json())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]
