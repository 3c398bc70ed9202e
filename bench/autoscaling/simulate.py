"""Compare policies of the autoscaler: `python -m bench.autoscaling.simulate`, or `make bench-autoscaling`.

Each load of `bench.autoscaling.scenarios`, with several seeds, under the policy of the manifests, the one that they had
before, and rivals. Writes `results.json`, `RESULTS.md` and `autoscaling.png` beside this file. The manifests carry the
winner; tests/k8s/test_autoscaling.py fails when they no longer do, or when the results are out of date.
"""

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from bench.autoscaling.autoscaler import Direction, Policy, Rate, read
from bench.autoscaling.cluster import Cluster
from bench.autoscaling.outcome import Outcome
from bench.autoscaling.pod import default_pod
from bench.autoscaling.report import plot, report, table
from bench.autoscaling.scenarios import SCENARIOS
from monitoring import reference
from monitoring.rules import AVAILABILITY

HERE = Path(__file__).parent
PROD = reference.ROOT / "k8s" / "overlays" / "prod" / "kustomization.yaml"

SEEDS = (0, 1, 2)

MANIFESTS = "the manifests'"
"""The name of the manifests' own policy."""

BEFORE = "version 2.2.0's"
"""The name of the policy that the manifests had when the simulation still flattered it."""

QUEUE, WAIT, BUSY = "emotion_queue_depth", "emotion_queue_wait_seconds", "emotion_workers_busy"


def policies() -> dict[str, Policy]:
    """The manifests' policy, with production's bounds, and its rivals; "…" differ from it in one respect."""
    ours = from_manifests()

    def at(name: str, target: float) -> Policy:
        return replace(ours, targets=dict(ours.targets) | {name: target})

    def only(*names: str) -> Policy:
        return replace(ours, targets={name: ours.targets[name] for name in names})

    def down(window: float, percent: int) -> Policy:
        return replace(ours, down=Direction(window, [Rate("Percent", percent, 60), Rate("Pods", 1, 60)]))

    return {
        MANIFESTS: ours,
        BEFORE: Policy(
            targets={QUEUE: 4.0, WAIT: 0.1, BUSY: 0.8},
            least=ours.least,
            most=ours.most,
            up=Direction(0, [Rate("Percent", 100, 15), Rate("Pods", 4, 15)]),
            down=Direction(300, [Rate("Percent", 25, 60), Rate("Pods", 1, 60)]),
        ),
        "… queue 8": at(QUEUE, 8.0),
        "… queue 20": at(QUEUE, 20.0),
        "… busy 0.7": at(BUSY, 0.7),
        "… without busy": only(QUEUE, WAIT),
        "… busy alone (as CPU)": only(BUSY),
        "… down after 120 s": down(120, 25),
        "… down after 300 s": down(300, 25),
        "… down by 50 %": down(ours.down.window, 50),
    }


def from_manifests() -> Policy:
    """The base's autoscaler with the bounds of the overlay `prod`."""
    patches = (yaml.safe_load(each["patch"]) for each in yaml.safe_load(PROD.read_text(encoding="utf-8"))["patches"])
    (bounds,) = (
        each["spec"]
        for each in patches
        if each["kind"] == "HorizontalPodAutoscaler" and each["metadata"]["name"] == "emotion-server"
    )
    return replace(read(reference.autoscaler()), least=bounds["minReplicas"], most=bounds["maxReplicas"])


def run(scenario: str, name: str, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """One row of the table, with the first seed's timeline for the plot."""
    started = time.monotonic()
    chosen, policy = SCENARIOS[scenario], policies()[name]
    total, shares = Outcome(), []
    for seed in seeds:
        outcome = Cluster(chosen.load(seed), chosen.duration, policy, default_pod(), seed=seed).run()
        shares.append(outcome.lost)
        total += outcome
    timeline = total.timeline[:: max(len(total.timeline) // 300, 1)]
    print(f"{scenario:7}{name:24}{time.monotonic() - started:6.0f} s of simulation", flush=True)
    spread = {"least_lost": round(min(shares), 6), "most_lost": round(max(shares), 6)}
    return {"scenario": scenario, "policy": name, **total.summary(), **spread, "timeline": timeline}


WORTH_IT = 0.05
"""Share of pods that a rival must save: the loads are invented, so less than that is a tie."""

OVERSHOOT = 2.0
"""Times the ideal's pods that the spike and the bursts may take."""


def winner(rows: Sequence[dict[str, Any]]) -> str:
    """The name of the best policy, by the rules that `report` explains."""
    by_policy = {name: {row["scenario"]: row for row in rows if row["policy"] == name} for name in policies()}

    def lost(name: str, *scenarios: str) -> float:
        return sum(float(by_policy[name][each]["late"] + by_policy[name][each]["refused"]) for each in scenarios)

    def pods(name: str, *scenarios: str) -> float:
        return sum(float(by_policy[name][each]["over_ideal"]) for each in scenarios)

    fit = [
        name
        for name in by_policy
        if lost(name, "day") <= 1 - AVAILABILITY and max(pods(name, "spike"), pods(name, "bursts")) < OVERSHOOT
    ]
    least = min(lost(name, *SCENARIOS) for name in fit)
    good = [name for name in fit if lost(name, *SCENARIOS) <= 1.1 * least]
    cheapest = min(good, key=lambda name: pods(name, *SCENARIOS))
    stays = MANIFESTS in good and pods(MANIFESTS, *SCENARIOS) * (1 - WORTH_IT) <= pods(cheapest, *SCENARIOS)
    return MANIFESTS if stays else cheapest


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare policies of the autoscaler.")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="only this; writes nothing")
    arguments = parser.parse_args()
    jobs = [(scenario, name) for scenario in arguments.scenario or SCENARIOS for name in policies()]
    with ProcessPoolExecutor(arguments.processes) as pool:
        rows = list(pool.map(run, *zip(*jobs, strict=True)))
    print(table(rows))
    if arguments.scenario:
        return
    best = winner(rows)
    kept = {"rows": [{key: value for key, value in row.items() if key != "timeline"} for row in rows]}
    (HERE / "results.json").write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (HERE / "RESULTS.md").write_text(text(rows), encoding="utf-8")
    plot(rows, (MANIFESTS, BEFORE, "… busy alone (as CPU)"), HERE / "autoscaling.png")
    print(f"the winner is: {best}")


def text(rows: Sequence[dict[str, Any]]) -> str:
    """RESULTS.md."""
    return report(rows, winner(rows), seeds=len(SEEDS), overshoot=OVERSHOOT, tie=WORTH_IT)


if __name__ == "__main__":
    main()
