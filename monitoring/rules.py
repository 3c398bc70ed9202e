"""The recording and alerting rules that Prometheus loads.

Every ratio is guarded against missing data and 0/0: while a pod idles the autoscaler's signals are 0, and the other
ratios have no value. What cannot be known is missing, never 0. A request counts as failed by what its client saw, at
the door and at the page; refusing a broken image is an answer.
"""

from typing import Any

from monitoring import reference, versions
from monitoring.rule import ASKED, FAILED, LATENCY_BOUND, PSI, Rule, alert, record

NAMESPACE = "emotion"
"""Where the service runs, as in k8s/components/namespace: an alert on absence has to know what is absent."""

AVAILABILITY = 0.995
"""Objective: the share of requests over 30 days that the service answers."""

LATENCY = 0.99
"""Objective: the share of answers over 30 days that take at most `LATENCY_BOUND`."""

BURN = (
    # long window, short window, how many times faster than evenly the budget is used up, severity
    ("1h", "5m", 14.4, "critical"),  # 2 % of a month's budget in an hour
    ("6h", "30m", 6.0, "critical"),  # 5 % in six hours
    ("3d", "6h", 1.0, "warning"),  # 10 % in three days
)
"""Windows and factors of "Alerting on SLOs", chapter 5 of Google's Site Reliability Workbook."""

LEAST_REQUESTS = 0.02
"""Requests a second, over the long window; with fewer, one failure would be a large share."""

LEAST_FACES = 200
"""Faces within the six hours that drift is measured over; with fewer, the emotions' shares say little."""

CONFIDENCE_SHIFT = 0.1
"""How far the mean confidence may be from the first week's."""

UNRELIABLE_SHIFT = 0.1
"""How much larger the share of the faces that are not relied on for one reason may be than in the first week."""

BASELINE = "1"
"""Another value lets the first week begin anew, as after a change of model or of cameras."""

SEEN_BY = {
    "door": (f'{ASKED}, track!="shadow"', FAILED),
    "page": (
        "emotion_client_requests_total{",
        'outcome=~"away|slow|busy|not_answered|upload_timeout|token_refused|redirected|error"',
    ),
}
"""Who counts requests, and which of them failed. The door sees every caller's, but none while no pod is there; the page
sees what a person sees, after it has tried again: a token that is refused is the page's own, none of its visitors'."""

TRACKS = ("canary", "shadow")
"""Other versions beside the one that has no label `track`: the first counts in the objectives, the second in none."""

EACH_POD, EACH_TRACK = "(namespace, pod, track)", "(namespace, track)"

SCRAPES = 'job=~"emotion-server(-canary|-shadow)?-metrics", endpoint="metrics"'

SIGNALS = {
    "emotion_queue_depth": "emotion:queue_depth:avg30s",
    "emotion_queue_wait_seconds": "emotion:queue_wait_seconds:mean1m",
    "emotion_workers_busy": "emotion:workers_busy:ratio1m",
}
"""The name under which the autoscaler asks for each metric, and the recorded series that gives it for each pod."""


def groups() -> dict[str, Any]:
    """The rule file."""
    return {
        "groups": [
            {"name": "emotion-autoscaling", "interval": "5s", "rules": _autoscaling()},
            {"name": "emotion-indicators", "interval": "30s", "rules": _indicators()},
            {"name": "emotion-drift", "interval": "1m", "rules": _drift()},
            {"name": "emotion-versions", "interval": "30s", "rules": versions.records()},
            {"name": "emotion-alerts", "interval": "15s", "rules": _objectives() + _alerts() + versions.alerts()},
        ]
    }


def _autoscaling() -> list[Rule]:
    """The autoscaler's signals for each pod, and how many pods each signal alone would ask for."""
    rules = [
        # 0 for each pod whose counters Prometheus has read twice within a minute, as `rate` needs: only there does a
        # missing series mean that nothing happened yet.
        record(
            "emotion:scraped:zero",
            f"group by {EACH_POD} (up{{{SCRAPES}}} == 1 and sum_over_time(up{{{SCRAPES}}}[1m]) > 1) * 0",
        ),
        record("emotion:queue_depth:avg30s", f"avg by {EACH_POD} (avg_over_time(emotion_queue_depth[30s]))"),
        record(
            "emotion:queue_wait_seconds:mean1m",
            f"sum by {EACH_POD} (rate(QueueTime_sum[1m])) / 1000"
            f" / (sum by {EACH_POD} (rate(QueueTime_count[1m])) > 0)"
            " or emotion:scraped:zero",
        ),
        # The workers' number comes from the sidecar: where that is silent, or no worker is there, nobody knows.
        record(
            "emotion:workers_busy:ratio1m",
            f"(sum by {EACH_POD} (rate(emotion_batch_seconds_sum[1m])) or emotion:scraped:zero)"
            f" / (sum by {EACH_POD} (emotion_workers_ready) > 0)",
        ),
    ]
    for name, target in reference.targets().items():
        wanted = f'ceil(sum by (namespace) ({SIGNALS[name]}{{track=""}}) / {target:g})'
        rules.append(record("emotion:replicas_wanted", wanted, {"signal": name}))
    return rules


def _indicators() -> list[Rule]:
    """The share of requests that failed, and of answers that were slow, over every window that an alert looks at.

    Longer windows are averages of the recorded rates over five minutes: the counters of hundreds of pods over three
    days would be too much to read again every half minute.
    """
    rules = []
    for who, (counter, failed) in SEEN_BY.items():
        requests = f"sum by (namespace) (rate({counter}}}[5m]))"
        failures = f"sum by (namespace) (rate({counter}{', ' * (counter[-1] != '{')}{failed}}}[5m])) or {requests} * 0"
        rules += [
            record("emotion:requests:rate5m", requests, {"seen_by": who}),
            record("emotion:failures:rate5m", failures, {"seen_by": who}),
        ]
    timed = 'sum by (namespace) (rate(emotion_request_seconds_count{track!="shadow"}[5m]))'
    within = f'sum by (namespace) (rate(emotion_request_seconds_bucket{{track!="shadow", le="{LATENCY_BOUND}"}}[5m]))'
    rules += [record("emotion:answers:rate5m", timed), record("emotion:answers_in_time:rate5m", within)]
    for window in _windows():
        asked, failures, answers, in_time = (
            f"emotion:{name}:rate5m" if window == "5m" else f"sum_over_time(emotion:{name}:rate5m[{window}])"
            for name in ("requests", "failures", "answers", "answers_in_time")
        )
        if window != "5m":
            rules.append(record(f"emotion:requests:rate{window}", f"avg_over_time(emotion:requests:rate5m[{window}])"))
        rules += [
            record(f"emotion:failed:ratio{window}", f"{failures} / ({asked} > 0)"),
            record(f"emotion:slow:ratio{window}", f"clamp_min(1 - {in_time} / ({answers} > 0), 0)"),
        ]
    return rules


def _windows() -> list[str]:
    order = ["5m", "30m", "1h", "6h", "3d"]
    return sorted({window for burn in BURN for window in burn[:2]}, key=order.index)


def _drift() -> list[Rule]:
    """How far the model's answers have moved from those of this installation's own first week.

    Photos of one service differ from any data set's, and they may do so for ever. A baseline is written once, when
    there have been answers for a week, and then handed on from one evaluation to the next; a pause of up to two days,
    in which Prometheus stands still, does not end it. There is no drift before.
    """
    faces = "emotion:faces:rate5m"
    confidence, counted = "emotion:confidence_sum:rate5m", "emotion:confidence_count:rate5m"
    seen, unreliable = "emotion:faces_seen:rate5m", "emotion:faces_unreliable:rate5m"
    enough_seen = f"avg_over_time({seen}[6h]) * {6 * 3600} > {LEAST_FACES}"
    enough = f"sum by (namespace) (avg_over_time({faces}[6h])) * {6 * 3600} > {LEAST_FACES}"
    name = {"baseline": BASELINE}

    def mean(window: str) -> str:
        """The mean confidence of each namespace."""
        return f"sum_over_time({confidence}[{window}]) / (sum_over_time({counted}[{window}]) > 0)"

    def share(window: str) -> str:
        """Of each emotion; at least 0.001, because the logarithm below has no value at 0."""
        of = f"sum_over_time({faces}[{window}])"
        return f"clamp_min({of} / on (namespace) group_left () (sum by (namespace) ({of}) > 0), 0.001)"

    def not_relied_on(window: str) -> str:
        """For each reason, of all faces that were found; the other series are of those that are relied on."""
        of = f"sum_over_time({unreliable}[{window}])"
        return f"{of} / on (namespace) group_left () (sum_over_time({seen}[{window}]) > 0)"

    def first(series: str, value: str, counted_by: str, each: str = "namespace") -> Rule:
        """`each`: the labels of what must have been counted for a week."""
        week = f"group by ({each}) ({counted_by} offset 7d)"
        kept = f'max without (baseline) (last_over_time({series}{{baseline="{BASELINE}"}}[2d]))'
        return record(series, f"{kept} or {value} and on ({each}) {week}", name)

    return [
        record(faces, 'sum by (namespace, emotion) (rate(emotion_faces{track=""}[5m]))'),
        record(confidence, 'sum by (namespace) (rate(emotion_confidence_sum{track=""}[5m]))'),
        record(counted, 'sum by (namespace) (rate(emotion_confidence_count{track=""}[5m]))'),
        record(seen, 'sum by (namespace) (rate(emotion_faces_per_image_sum{track=""}[5m]))'),
        record(unreliable, 'sum by (namespace, reason) (rate(emotion_faces_unreliable{track=""}[5m]))'),
        record("emotion:mix:share6h", share("6h")),
        record("emotion:unreliable:share6h", not_relied_on("6h")),
        first("emotion:mix:first_week", share("7d"), faces),
        first("emotion:confidence:first_week", mean("7d"), faces),
        first("emotion:unreliable:first_week", not_relied_on("7d"), unreliable, "namespace, reason"),
        record(
            "emotion:mix:psi6h",
            "sum by (namespace) ((emotion:mix:share6h - on (namespace, emotion) group_left () emotion:mix:first_week)"
            " * ln(emotion:mix:share6h / on (namespace, emotion) group_left () emotion:mix:first_week))"
            f" and on (namespace) {enough}",
        ),
        record(
            "emotion:confidence:shift6h",
            f"{mean('6h')} - on (namespace) group_left () emotion:confidence:first_week and on (namespace) {enough}",
        ),
        record(
            "emotion:unreliable:shift6h",
            "emotion:unreliable:share6h - on (namespace, reason) group_left () emotion:unreliable:first_week"
            f" and on (namespace) {enough_seen}",
        ),
    ]


def _objectives() -> list[Rule]:
    """Each alert fires while both windows are over the bound; the short one ends it soon after the cause is gone."""
    rules = []
    for name, indicator, enough, objective, what in (
        (
            "Availability",
            "failed",
            "emotion:requests:rate{} > {:g}",
            AVAILABILITY,
            "photos get no answer, as the {{ $labels.seen_by }} saw it",
        ),
        (
            "Latency",
            "slow",
            'on (namespace) emotion:requests:rate{}{{seen_by="door"}} > {:g}',
            LATENCY,
            f"answers take longer than {LATENCY_BOUND} s",
        ),
    ):
        for long, short, factor, severity in BURN:
            bound = factor * (1 - objective)
            rules.append(
                alert(
                    f"Emotion{name}Burn{long}",
                    f"emotion:{indicator}:ratio{long} > {bound:g} and emotion:{indicator}:ratio{short} > {bound:g}"
                    f" and {enough.format(long, LEAST_REQUESTS)}",
                    severity,
                    f"{{{{ $value | humanizePercentage }}}} of {what}, over {long}: {factor:g} times what the objective"
                    f" of {objective:.1%} allows",
                    runbook=f"Emotion{name}Burn",
                )
            )
    return rules


def _alerts() -> list[Rule]:
    return [
        # Always on: whoever receives it can be told when it stops, and with it all the others.
        alert(
            "EmotionWatchdog",
            "vector(1)",
            "none",
            "alerts of the emotion service reach whoever reads this",
            labels={"namespace": NAMESPACE},
        ),
        alert(
            "EmotionNoReadyWorker",
            'sum by (namespace) (emotion_workers_ready{track=""} or emotion_torchserve_up{track=""} * 0) == 0'
            # No series at all: every pod is pending, or gone. That is as it should be only where KEDA may put the last
            # pod to sleep (the page's service has a label then), and the page is there to wake one.
            f' or absent(emotion_torchserve_up{{namespace="{NAMESPACE}", track=""}}) unless on (namespace)'
            ' (up{job="emotion-client-metrics", may_sleep="true"} == 1'
            ' unless on (namespace) up{job="emotion-server-metrics"})',
            "critical",
            "no worker can answer a photo",
            wait="1m",
        ),
        alert(
            "EmotionWorkersMissing",
            "sum by (namespace, pod) (emotion_workers_ready) < sum by (namespace, pod) (emotion_workers_wanted)",
            "warning",
            "{{ $labels.pod }} has {{ $value }} ready workers, fewer than wanted",
            wait="5m",  # a crowded node starts a pod within two and a half
        ),
        alert(
            "EmotionNoPage",
            'sum by (namespace) (up{job="emotion-client-metrics"}) == 0'
            f' or absent(up{{job="emotion-client-metrics", namespace="{NAMESPACE}"}})',
            "critical",
            "no page can be seen",
            wait="2m",
        ),
        alert(
            "EmotionNotScraped",
            'up{job=~"emotion-(server|server-canary|server-shadow|client)-metrics"} == 0',
            "warning",
            "Prometheus gets no numbers from port {{ $labels.endpoint }} of {{ $labels.pod }}",
            wait="2m",
        ),
        alert(
            "EmotionQueueGrowing",
            f"avg by {EACH_TRACK} (emotion:queue_depth:avg30s) / avg by {EACH_TRACK} (emotion_queue_size) > 0.5"
            f" or avg by {EACH_TRACK} (predict_linear(emotion_queue_depth[5m], 300))"
            f" / avg by {EACH_TRACK} (emotion_queue_size) > 1",
            "warning",
            "waiting photos fill {{ $value | humanizePercentage }} of the queues' places, now or in five minutes",
            wait="2m",
        ),
        alert(
            "EmotionImagesRejected",
            "sum by (namespace) (rate(emotion_images_rejected[15m]))"
            " / (sum by (namespace) (rate(emotion_images_rejected[15m]))"
            " + sum by (namespace) (rate(emotion_images_analysed[15m])) > 0) > 0.2"
            " and sum by (namespace) (increase(emotion_images_rejected[15m])) > 20",
            "warning",
            "{{ $value | humanizePercentage }} of the images of the last quarter of an hour were broken or too large",
            wait="5m",
        ),
        alert(
            "EmotionMixDrift",
            f"emotion:mix:psi6h > {PSI}",
            "info",
            "the mix of emotions differs from the first week's: population stability index {{ $value | humanize }}",
            wait="30m",
        ),
        alert(
            "EmotionConfidenceDrift",
            f"abs(emotion:confidence:shift6h) > {CONFIDENCE_SHIFT}",
            "info",
            "the mean confidence is {{ $value | humanize }} away from the first week's",
            wait="30m",
        ),
        alert(
            "EmotionUnreliableDrift",
            f"emotion:unreliable:shift6h > {UNRELIABLE_SHIFT}",
            "info",
            "the share of unreliable faces is {{ $value | humanizePercentage }} of all faces higher than in the first"
            " week: {{ $labels.reason }}",
            wait="30m",
        ),
    ]
