"""Compare policies of the autoscaler: `python -m bench.autoscaling.simulate`, or `make bench-autoscaling`.

Four loads (a day, a tenfold spike, bursts, a slow ramp to ten thousand photos a second), each under the policy of the
manifests and its rivals. Writes `results.json`, `RESULTS.md` and `autoscaling.png` beside this file. The manifests
carry the winner; tests/k8s/test_autoscaling.py fails when they no longer do.
"""

import argparse
import json
import math
import textwrap
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import yaml

from bench.autoscaling.autoscaler import Direction, Policy, Rate, read
from bench.autoscaling.cluster import IDEAL_BUSY, Assumptions, Cluster, Load, default_pod
from monitoring import reference
from monitoring.rules import AVAILABILITY, LATENCY_BOUND

HERE = Path(__file__).parent
PROD = reference.ROOT / "k8s" / "overlays" / "prod" / "kustomization.yaml"

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True)
class Scenario:
    """A load over so many seconds."""

    title: str
    duration: float
    load: Load


def day(now: float) -> float:
    """Night at 8, a peak of 150 in the evening, a smaller one at noon."""
    hour = now / HOUR % 24
    noon, evening = (math.exp(-(((hour - middle) / width) ** 2)) for middle, width in ((12.5, 2.5), (20.0, 2.0)))
    return 8 + 90 * noon + 142 * evening


def spike(now: float) -> float:
    """40, and ten times as much for ten minutes, from one second to the next."""
    return 400 if 10 * MINUTE <= now < 20 * MINUTE else 40


def bursts(now: float) -> float:
    """40, and every five minutes a minute of 250: what tempts a policy to let pods go too early."""
    return 250 if now % (5 * MINUTE) >= 4 * MINUTE else 40


def ramp(now: float) -> float:
    """From 10 to 10,000 in forty minutes, and five minutes of it."""
    return min(10 + 9990 * now / (40 * MINUTE), 10_000)


SCENARIOS = {
    "day": Scenario("A day, 8 to 150 photos a second", 24 * HOUR, day),
    "spike": Scenario("Ten times as many at once, 40 to 400 a second", 45 * MINUTE, spike),
    "bursts": Scenario("A minute of 250 photos a second every five minutes", 60 * MINUTE, bursts),
    "ramp": Scenario("Forty minutes to 10,000 photos a second", 45 * MINUTE, ramp),
}

MANIFESTS = "the manifests'"
"""Name of the policy that the manifests carry."""

RAW = "raw counter"
"""The upstream sample's idea: the counter of microseconds ever waited."""


def policies() -> dict[str, Policy]:
    """The manifests' policy, with production's bounds, and its rivals, each different in one respect."""
    ours = from_manifests()
    queue, wait, busy = "emotion_queue_depth", "emotion_queue_wait_seconds", "emotion_workers_busy"

    def only(*names: str) -> Policy:
        return replace(ours, targets={name: ours.targets[name] for name in names})

    def busy_at(target: float) -> Policy:
        return replace(ours, targets=dict(ours.targets) | {busy: target})

    def down(window: float, percent: int) -> Policy:
        return replace(ours, down=Direction(window, [Rate("Percent", percent, 60), Rate("Pods", 1, 60)]))

    return {
        MANIFESTS: ours,
        "… busy 0.5": busy_at(0.5),
        "… busy 0.6": busy_at(0.6),
        "… busy 0.7": busy_at(0.7),
        "… busy 0.9": busy_at(0.9),
        "… without busy": only(queue, wait),
        "… without busy and wait": only(queue),
        "… busy alone (as CPU)": only(busy),
        "… down after 60 s": down(60, 25),
        "… down after 120 s": down(120, 25),
        "… down after 600 s": down(600, 25),
        "… down by 10 %": down(300, 10),
        "… down by 50 %": down(300, 50),
        "… up by 2 a minute": replace(ours, up=Direction(0, [Rate("Pods", 2, 60)])),
        RAW: replace(ours, targets={RAW: 7000.0}),
    }


def from_manifests() -> Policy:
    """The base's autoscaler within the bounds of the overlay for production."""
    patches = (yaml.safe_load(each["patch"]) for each in yaml.safe_load(PROD.read_text(encoding="utf-8"))["patches"])
    (bounds,) = (each["spec"] for each in patches if each["kind"] == "HorizontalPodAutoscaler")
    return replace(read(reference.autoscaler()), least=bounds["minReplicas"], most=bounds["maxReplicas"])


def raw_counter(cluster: Cluster) -> dict[str, list[float | None]]:
    """Microseconds ever waited, by pod."""
    return {RAW: [server.waited * 1e6 if server.ready else None for server in cluster.servers]}


def run(scenario: str, name: str, seed: int) -> dict[str, Any]:
    """One row of the table, and the timeline for the plot."""
    started = time.monotonic()
    chosen = SCENARIOS[scenario]
    signals = raw_counter if name == RAW else None
    cluster = Cluster(chosen.load, chosen.duration, policies()[name], default_pod(), seed=seed, signals=signals)
    outcome = cluster.run()
    timeline = outcome.timeline[:: max(len(outcome.timeline) // 300, 1)]
    print(f"{scenario:6}{name:24}{time.monotonic() - started:6.0f} s of simulation", flush=True)
    return {"scenario": scenario, "policy": name, **outcome.summary(), "timeline": timeline}


WORTH_IT = 0.05
"""Share of pods that a rival must save: the loads are invented and run with one seed, so less than that is a tie."""

WASTE = 10.0
"""Times the ideal's pods; a policy that needs more merely runs everything at its maximum."""


def winner(rows: Sequence[dict[str, Any]]) -> str:
    """The name of the best policy, by the rules that `report` explains."""
    by_policy = {name: {row["scenario"]: row for row in rows if row["policy"] == name} for name in policies()}

    def lost(name: str, scenario: str) -> float:
        row = by_policy[name][scenario]
        return float(row["late"] + row["refused"])

    steady = [
        name
        for name, found in by_policy.items()
        if max(lost(name, "day"), lost(name, "ramp")) <= 1 - AVAILABILITY
        and max(row["over_ideal"] for row in found.values()) <= WASTE
    ]
    least = min(lost(name, "spike") + lost(name, "bursts") for name in steady)
    good = [name for name in steady if lost(name, "spike") + lost(name, "bursts") <= 1.1 * least]

    def pods(name: str) -> float:
        return sum(float(row["over_ideal"]) for row in by_policy[name].values())

    cheapest = min(good, key=pods)
    stays = MANIFESTS in good and pods(MANIFESTS) * (1 - WORTH_IT) <= pods(cheapest)
    return MANIFESTS if stays else cheapest


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare policies of the autoscaler.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="only this; writes nothing")
    arguments = parser.parse_args()
    jobs = [(scenario, name) for scenario in arguments.scenario or SCENARIOS for name in policies()]
    with ProcessPoolExecutor(arguments.processes) as pool:
        rows = list(pool.map(run, *zip(*jobs, strict=True), [arguments.seed] * len(jobs)))
    print(table(rows))
    if arguments.scenario:
        return
    result = {
        "winner": winner(rows),
        "policy": asdict(policies()[winner(rows)]),
        "pod": asdict(default_pod()),
        "assumptions": asdict(Assumptions()),
        "rows": [{key: value for key, value in row.items() if key != "timeline"} for row in rows],
    }
    (HERE / "results.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (HERE / "RESULTS.md").write_text(report(rows), encoding="utf-8")
    plot(rows, HERE / "autoscaling.png")
    print(f"the winner is: {result['winner']}")


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown, one table a load."""
    lines: list[str] = []
    for scenario, chosen in SCENARIOS.items():
        some = [row for row in rows if row["scenario"] == scenario]
        if not some:
            continue
        lines += ["", f"## {chosen.title}", ""]
        lines += [f"| policy | p95 | p99 | over {LATENCY_BOUND:g} s | refused | pod-hours | × ideal |"]
        lines += ["|---|---|---|---|---|---|---|"]
        for row in some:
            cells = [row["policy"], f"{row['p95'] * 1000:.0f} ms", f"{row['p99'] * 1000:.0f} ms"]
            cells += [
                f"{row['late']:.3%}",
                f"{row['refused']:.3%}",
                f"{row['pod_hours']:.1f}",
                f"{row['over_ideal']:.2f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def report(rows: Sequence[dict[str, Any]]) -> str:
    """The text of RESULTS.md."""
    pod, assumed = default_pod(), Assumptions()
    return f"""# How the service should scale

Written by `make bench-autoscaling`. Each simulated pod behaves as measured (`measured.json`): {pod.workers} workers
take batches of up to {pod.batch} photos, a batch of n photos takes {pod.base * 1000:.1f} + {pod.each * 1000:.1f}·n ms,
{pod.places} photos may wait, and a pod is ready {pod.start:.1f} s after its start. That is {pod.capacity:.0f} photos a
second at most. No cluster was at hand, so the rest is assumed: a pod's containers start {assumed.schedule:.0f} s after
the pod is wanted, and {assumed.node:.0f} s later where it needs a new node, as every pod beyond the first
{assumed.pods_at_hand} does. The ideal always has just as many pods as keep their workers busy {IDEAL_BUSY:.0%} of the
time. A policy whose name begins with "…" differs from the manifests' policy only in what its name says.

**Winner: {winner(rows)}.** A photo is lost when it is refused or answered after more than {LATENCY_BOUND:g} s. Policies
that need more than {WASTE:g} times the ideal's pods, or lose more than {1 - AVAILABILITY:.1%} of the photos of the day
or of the ramp, are out; of the others, those count that lose at most a tenth more of the spike's and the bursts' photos
than the best. Of these the winner needs the fewest pods (mean of "× ideal"); a tie within {WORTH_IT:.0%} goes to the
manifests.

![Load, pods and queue over time, by policy](autoscaling.png)
{table(rows)}"""


SHOWN = (MANIFESTS, "… without busy and wait", "… busy alone (as CPU)", RAW)
"""Policies in the plot: all of them would hide each other."""


def plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Pods over time against the ideal, and the mean queue, for each load."""
    figure, axes = plt.subplots(2, len(SCENARIOS), figsize=(15, 7), sharex="col", layout="constrained")
    colors = dict(zip(SHOWN, ("#1d4ed8", "#d97706", "#059669", "#9ca3af"), strict=True))
    pod = default_pod()
    for column, (scenario, chosen) in enumerate(SCENARIOS.items()):
        above, below = axes[0][column], axes[1][column]
        unit = HOUR if chosen.duration > 2 * HOUR else MINUTE
        for row in rows:
            if row["scenario"] != scenario or row["policy"] not in SHOWN:
                continue
            times = [each[0] / unit for each in row["timeline"]]
            style = {"color": colors[row["policy"]], "label": row["policy"], "linewidth": 1.6}
            above.plot(times, [each[2] for each in row["timeline"]], **style)
            below.plot(times, [each[4] for each in row["timeline"]], **style)
            if row["policy"] == MANIFESTS:
                ideal = [pod.ideal(each[1]) for each in row["timeline"]]
                above.plot(times, ideal, color="black", linestyle=":", linewidth=1.2, label="ideal")
        # The raw counter's pods would flatten the rest.
        (ours,) = (row for row in rows if row["scenario"] == scenario and row["policy"] == MANIFESTS)
        highest = max(each[2] for each in ours["timeline"])
        above.set_ylim(0, highest * 1.6)
        above.set_title("\n".join(textwrap.wrap(chosen.title, 30)), fontsize=11)
        below.set_xlabel("hours" if unit == HOUR else "minutes")
        for axis in (above, below):
            axis.grid(alpha=0.3)
            axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("ready pods")
    axes[1][0].set_ylabel("photos that wait, mean of pods")
    axes[0][0].legend(fontsize=9, loc="upper left")
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
