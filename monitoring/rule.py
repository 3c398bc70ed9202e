"""What the rules are made of: recordings and alerts, and the counters and bounds that several of them share."""

from typing import Any

Rule = dict[str, Any]

RUNBOOKS = "https://git.example.com/emotion/blob/main/k8s/README.md#"
"""Where k8s/README.md is read, which has a section for each alert; whoever keeps it elsewhere names that place."""

ASKED = 'caddy_http_request_duration_seconds_count{server="door", handler=~"map|subroute", method=~"POST|PUT"'
"""Photos that came to a door, the matcher still open; /ping is asked by GET. Doors of earlier versions say `map`."""

FAILED = 'code=~"5..|408"'
"""Those that got no answer; a code that the photo is to blame for, or the caller, is an answer."""

LATENCY_BOUND = 1.0
"""Seconds; the upper end of one of the histogram's buckets."""

PSI = 0.25
"""The population stability index above which a mix counts as shifted, by the usual rule of thumb."""


def record(name: str, expression: str, labels: dict[str, str] | None = None) -> Rule:
    """A recording rule."""
    return {"record": name, "expr": expression} | ({"labels": labels} if labels else {})


def alert(  # noqa: PLR0913, an alert has that many properties
    name: str,
    expression: str,
    severity: str,
    summary: str,
    *,
    wait: str = "",
    runbook: str = "",
    labels: dict[str, str] | None = None,
) -> Rule:
    """An alerting rule; `runbook`: the section of k8s/README.md, where its name is not the alert's own."""
    return {
        "alert": name,
        "expr": expression,
        **({"for": wait} if wait else {}),
        "labels": {"severity": severity} | (labels or {}),
        "annotations": {"summary": summary, "runbook_url": RUNBOOKS + (runbook or name).lower()},
    }
