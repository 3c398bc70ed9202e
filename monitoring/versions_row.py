"""The dashboard's row that shows two versions side by side, by the label `track`."""

from typing import Any

from monitoring import versions
from monitoring.panels import HERE, RATE, graph
from monitoring.rule import LATENCY_BOUND, PSI


def panels() -> list[Any]:
    """The panels of the row."""
    worse = f"Above {versions.Z:g} standard errors, and {versions.WORSE_BY:.0%} more, someone is told."
    return [
        graph(
            "Model versions, by pods",
            [(f"count by (track, version) (emotion_model_info{{{HERE}}})", "{{track}} {{version}}")],
            "short",
            width=6,
        ),
        graph(
            "Photos in an hour",
            [(f'{versions.ALL}{{{HERE}, by="errors"}}', "{{track}}")],
            "short",
            "A shadow's too, of which no caller hears.",
            width=6,
        ),
        graph(
            "Failures, 1 h",
            [(f'{versions.SHARE}{{{HERE}, by="errors"}}', "{{track}}")],
            "percentunit",
            worse,
            width=6,
        ),
        graph(
            f"Answers slower than {LATENCY_BOUND} s, 1 h",
            [(f'{versions.SHARE}{{{HERE}, by="latency"}}', "{{track}}")],
            "percentunit",
            worse,
            width=6,
        ),
        graph("How much worse, in standard errors", [(f"{versions.Z_SCORE}{{{HERE}}}", "{{track}}: {{by}}")], "short"),
        graph(
            "End to end, p95",
            [
                (
                    "histogram_quantile(0.95, sum by (le, track)"
                    f" (rate(emotion_request_seconds_bucket{{{HERE}}}[{RATE}])))",
                    "{{track}}",
                )
            ],
            "s",
        ),
        graph("Mean confidence, 1 h", [(f"{versions.CONFIDENCE}{{{HERE}}}", "{{track}}")], "percentunit"),
        graph(
            "Mix of emotions, 1 h",
            [(f"{versions.MIX}{{{HERE}}}", "{{track}} {{emotion}}")],
            "percentunit",
            f"The index that compares two mixes is above {PSI} where they differ.",
            width=12,
        ),
        graph(
            "Mixes apart: population stability index, 1 h",
            [(f"{versions.MIX_PSI}{{{HERE}}}", "{{track}}")],
            "short",
            width=12,
        ),
    ]
