"""Rules that compare another version (label `track`: canary or shadow) with the one beside it, which has no such label.

Both are looked at over the same hour: errors, latency, confidence, mix of emotions. Nothing is recorded of the
comparison where there is one version only.
"""

from monitoring.rule import ASKED, FAILED, LATENCY_BOUND, PSI, Rule, alert, record

WINDOW = "1h"

LEAST_PHOTOS = 100
"""Photos of another version within the window, below which nobody can say that it is worse."""

LEAST_FACES = 200
"""Faces of another version within the window, below which shares of emotions say little."""

WORSE_BY = 0.01
"""How much larger the share of failures, or of slow answers, must be to be of interest."""

Z = 3.0
"""How many standard errors it must lie above the other's: chance alone gets there about once in a thousand looks."""

CONFIDENCE_SHIFT = 0.05
"""How far apart the mean confidences of the two may be; they see the same kind of photos."""

BAD, ALL = "emotion:version_bad:sum1h", "emotion:version_all:sum1h"
SHARE, Z_SCORE = "emotion:version_bad:ratio1h", "emotion:version_bad:z1h"
FACES, MIX, MIX_PSI = "emotion:version_faces:sum1h", "emotion:version_mix:share1h", "emotion:version_mix:psi1h"
CONFIDENCE, CONFIDENCE_SHIFTED = "emotion:version_confidence:mean1h", "emotion:version_confidence:shift1h"


def records() -> list[Rule]:
    """Each version's numbers, by `track`, and what lies between them."""
    answers, in_time = (
        _increase(series)
        for series in ("emotion_request_seconds_count", f'emotion_request_seconds_bucket{{le="{LATENCY_BOUND}"}}')
    )
    asked, failed = _increase(f"{ASKED}}}"), _increase(f"{ASKED}, {FAILED}}}")
    pooled = f"({_beside(BAD, '+')}) / ({_beside(ALL, '+')})"
    error = f"sqrt({pooled} * (1 - {pooled}) * ({_beside(f'1 / {ALL}', '+')}))"
    faces, labels = f"sum by (namespace, track) ({FACES})", "namespace, emotion"
    enough = f"and on (namespace, track) {faces} > {LEAST_FACES}"
    return [
        record(ALL, asked, {"by": "errors"}),
        record(BAD, f"{failed} or {asked} * 0", {"by": "errors"}),
        record(ALL, answers, {"by": "latency"}),
        record(BAD, f"clamp_min({answers} - {in_time}, 0)", {"by": "latency"}),
        record(SHARE, f"{BAD} / ({ALL} > 0)"),
        # Two proportions, with the standard error that they would have if they were the same.
        record(Z_SCORE, f"({_beside(SHARE, '-')}) / ({error} > 0)"),
        record(CONFIDENCE, f"{_increase('emotion_confidence_sum')} / ({_increase('emotion_confidence_count')} > 0)"),
        record(FACES, _increase("emotion_faces", "namespace, track, emotion")),
        # At least 0.001, because the logarithm below has no value at 0.
        record(MIX, f"clamp_min({FACES} / on (namespace, track) group_left () ({faces} > 0), 0.001)"),
        record(CONFIDENCE_SHIFTED, f"{_beside(CONFIDENCE, '-', 'namespace')} {enough}"),
        record(
            MIX_PSI,
            f"sum by (namespace, track) (({_beside(MIX, '-', labels)}) * ln({_beside(MIX, '/', labels)})) {enough}",
        ),
    ]


def alerts() -> list[Rule]:
    """What promoting another version should wait for."""
    return [
        alert(
            "EmotionVersionWorse",
            f"{Z_SCORE} > {Z:g} and ({_beside(SHARE, '-')}) > {WORSE_BY:g} and {ALL} > {LEAST_PHOTOS}",
            "warning",
            "the {{ $labels.track }} is worse than the version beside it, by {{ $labels.by }}:"
            " {{ $value | humanize }} standard errors, over an hour",
            wait="5m",
        ),
        alert(
            "EmotionVersionDiffers",
            f'label_replace({MIX_PSI} > {PSI}, "by", "mix", "", "")'
            f' or label_replace(abs({CONFIDENCE_SHIFTED}) > {CONFIDENCE_SHIFT}, "by", "confidence", "", "")',
            "info",
            "the {{ $labels.track }} reads faces unlike the version beside it, by {{ $labels.by }}:"
            " {{ $value | humanize }}, over an hour",
            wait="30m",
        ),
    ]


def _increase(counter: str, labels: str = "namespace, track") -> str:
    return f"sum by ({labels}) (increase({counter}[{WINDOW}]))"


def _beside(series: str, operator: str, on: str = "namespace, by") -> str:
    """Another version's `series`, or expression that ends in a series' name, and that of the version beside it."""
    return f'{series}{{track!=""}} {operator} on ({on}) group_left () {series}{{track=""}}'
