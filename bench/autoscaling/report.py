"""The tables, the text and the plot that the simulation's rows become."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from bench.autoscaling.cluster import Assumptions
from bench.autoscaling.pod import IDEAL_BUSY, default_pod
from bench.autoscaling.scenarios import HOUR, MINUTE, SCENARIOS
from monitoring.rule import LATENCY_BOUND
from monitoring.rules import AVAILABILITY

Rows = Sequence[dict[str, Any]]

COLORS = ("#1d4ed8", "#d97706", "#059669")


def table(rows: Rows) -> str:
    """Markdown: one table for each load."""
    lines: list[str] = []
    for scenario, chosen in SCENARIOS.items():
        some = [row for row in rows if row["scenario"] == scenario]
        if not some:
            continue
        lines += ["", f"## {chosen.title}", ""]
        lines += [f"| policy | p95 | p99 | over {LATENCY_BOUND:g} s | refused | lost, by seed | pod-hours | × ideal |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for row in some:
            cells = [row["policy"], f"{row['p95'] * 1000:.0f} ms", f"{row['p99'] * 1000:.0f} ms"]
            cells += [
                f"{row['late']:.2%}",
                f"{row['refused']:.2%}",
                f"{row['least_lost']:.2%} to {row['most_lost']:.2%}",
                f"{row['pod_hours']:.1f}",
                f"{row['over_ideal']:.2f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def report(rows: Rows, winner: str, *, seeds: int, overshoot: float, tie: float) -> str:
    """The text of RESULTS.md."""
    pod, assumed = default_pod(), Assumptions()
    return f"""# How the service should scale

Written by `make bench-autoscaling`; the sums of {seeds} seeds. Each simulated pod behaves as measured
(`measured.json`): {pod.workers} workers take batches of up to {pod.batch} photos. A batch takes
{pod.base * 1000:.1f} ms and for each photo {pod.small * 1000:.1f} ms (640×480) or {pod.large * 1000:.1f} ms
(12 megapixels, {pod.large_share:.0%} of the photos), which makes {pod.capacity:.0f} photos a second at most.
{pod.places} photos may wait, and a pod is ready {pod.start:.1f} s after its start. The autoscaler and Prometheus'
`rate()` are computed as the originals do it (`autoscaler.py` and `signals.py` name the sources). The busy share is the
handler's clock, as in the metric: of a pod that never rests it reads {pod.workers_seen():.2f}.

No cluster was at hand, so the rest is assumed. Containers start {assumed.schedule:.0f} s after a pod is wanted,
{assumed.pull:.0f} s later where the image must come first, and {assumed.node:.0f} s later where a node must, as for
every pod beyond the first {assumed.pods_at_hand}; a node that stands empty goes after {assumed.idle / 60:.0f} minutes.
Photos come over connections that are kept alive for {assumed.lasts:.0f} s on average and carry {assumed.each:g} photos
a second each; kube-proxy gives a connection to a pod at random, so a new pod gets new ones only. Nobody tries again.
The ideal has at every second just as many pods as keep their workers busy {IDEAL_BUSY:.0%} of the time. A policy whose
name begins with "…" differs from the manifests' only in what its name says.

**Winner: {winner}.** A photo is lost when it is refused or answered after more than {LATENCY_BOUND:g} s. Policies are
out that lose more than {1 - AVAILABILITY:.1%} of the day's photos, or that take {overshoot:g} times the ideal's pods
or more in the spike or the bursts. Of the others, those count that lose at most a tenth more than the best, all loads
added. Of these the winner needs the fewest pods (mean of "× ideal"); a tie within {tie:.0%} goes to the manifests.

![Load, pods and queue over time, by policy](autoscaling.png)
{table(rows)}"""


def plot(rows: Rows, shown: Sequence[str], path: Path) -> None:
    """Pods over time against the ideal, and the mean queue, for each load, of the first seed."""
    figure, axes = plt.subplots(2, len(SCENARIOS), figsize=(15, 7), sharex="col", layout="constrained")
    colors = dict(zip(shown, COLORS, strict=True))
    pod = default_pod()
    for column, (scenario, chosen) in enumerate(SCENARIOS.items()):
        above, below = axes[0][column], axes[1][column]
        unit = HOUR if chosen.duration > 2 * HOUR else MINUTE
        for name in reversed(shown):  # the first is on top
            (row,) = (row for row in rows if row["scenario"] == scenario and row["policy"] == name)
            times = [each[0] / unit for each in row["timeline"]]
            style = {"color": colors[name], "label": name, "linewidth": 1.6}
            above.plot(times, [each[3] for each in row["timeline"]], **style)
            below.plot(times, [each[4] for each in row["timeline"]], **style)
        ideal = [pod.ideal(each[1]) for each in row["timeline"]]
        above.plot(times, ideal, color="black", linestyle=":", linewidth=1.4, label="ideal")
        above.set_ylim(bottom=0)
        above.set_title("\n".join(textwrap.wrap(chosen.title, 30)), fontsize=11)
        below.set_xlabel("hours" if unit == HOUR else "minutes")
        for axis in (above, below):
            axis.grid(alpha=0.3)
            axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("pods that are wanted")
    axes[1][0].set_ylabel("photos that wait, mean of pods")
    axes[0][0].legend(fontsize=9, loc="upper left")
    figure.savefig(path, dpi=110)
    plt.close(figure)
