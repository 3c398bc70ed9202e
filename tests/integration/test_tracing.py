"""One photo can be followed from the door to the pipeline's stages, and nothing of it is told."""

import contextlib
import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests

from emotion.contract import STAGES
from serving.addresses import Addresses
from serving.door import door
from serving.server import serving
from tests.conftest import ROOT, photo_bytes
from tests.integration.conftest import free_addresses
from tests.integration.otlp import Collector, collector
from tests.integration.watching import eventually, status

SENT = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{SENT}-b7ad6b7169203331-01"
SECRET = "holiday-at-the-sea.jpg"  # noqa: S105, a file's name


@dataclass(frozen=True)
class Traced:
    """A service that sends its spans to a collector."""

    addresses: Addresses
    collector: Collector


@pytest.fixture(scope="module")
def traced() -> Iterator[Traced]:
    """It believes whoever is on this machine, as an edge."""
    addresses = free_addresses()
    with collector() as spans, pytest.MonkeyPatch.context() as patch:
        for name, value in spans.environment.items():
            patch.setenv(name, value)
        patch.setenv("DOOR_PROXIES", "127.0.0.1/32")
        with serving(addresses) as service:
            service.wait_until_ready()
            yield Traced(addresses, spans)


def send(traced: Traced, photo: bytes, trace: str) -> requests.Response:
    """A photo with a name, from a caller who tells much of herself."""
    headers = {
        "traceparent": TRACEPARENT.replace(SENT, trace),
        "tracestate": f"file={SECRET.partition('.')[0]}",
        "X-Request-Id": f"id-{trace[:8]}",
        "X-Forwarded-For": "203.0.113.7",
        "User-Agent": SECRET,
        "Referer": f"http://x/{SECRET}",
        "Host": SECRET,
    }
    url = f"{traced.addresses.predictions}?file={SECRET}"
    return requests.post(url, files={"data": (SECRET, photo)}, headers=headers, timeout=60)


def test_door_and_stages_of_one_photo_are_one_trace(traced: Traced) -> None:
    assert send(traced, photo_bytes("smiling"), SENT).status_code == 200
    wanted = {"door", "wait", "batch", *STAGES}
    eventually(lambda: set(traced.collector.named(SENT)) == wanted, 20)
    spans = traced.collector.named(SENT)
    assert spans["door"].parent_span_id.hex() == "b7ad6b7169203331", "it takes the edge's trace up"
    for name, parent in {"wait": "door", "batch": "door"}.items() | dict.fromkeys(STAGES, "batch").items():
        assert spans[name].parent_span_id == spans[parent].span_id, name
        assert spans[parent].start_time_unix_nano - 2_000_000 <= spans[name].start_time_unix_nano, name
        assert spans[name].end_time_unix_nano <= spans[parent].end_time_unix_nano + 2_000_000, name
    for name in ("door", "batch"):
        assert f"id-{SENT[:8]}" in str(spans[name].attributes), name
    took = {name: spans[name].end_time_unix_nano - spans[name].start_time_unix_nano for name in wanted}
    assert 0 < sum(took[stage] for stage in STAGES) <= 1.05 * took["batch"]


def test_a_photo_that_is_refused_has_its_reason_and_no_stages(traced: Traced) -> None:
    trace = SENT[::-1]
    assert send(traced, b"no photo", trace).status_code == 415
    eventually(lambda: set(traced.collector.named(trace)) == {"door", "wait", "batch"}, 20)
    spans = traced.collector.named(trace)
    assert "unsupported_format" in str(spans["batch"].attributes)
    assert "415" in str(next(each for each in spans["door"].attributes if each.key == "upstream.status_code"))


def test_nothing_of_a_photo_or_its_sender_is_in_a_span(traced: Traced) -> None:
    trace = "ab" * 16
    photo = photo_bytes("smiling")
    assert send(traced, photo, trace).status_code == 200
    eventually(lambda: "classify" in traced.collector.named(trace) and "door" in traced.collector.named(trace), 20)
    detour = trace[::-1]
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", traced.addresses.door, timeout=60)) as connection:
        headers = {"traceparent": TRACEPARENT.replace(SENT, detour)}
        connection.request("POST", f"/{SECRET}/../predictions/emotion?{SECRET}", photo, headers)
        assert connection.getresponse().status == 200
    eventually(lambda: "door" in traced.collector.named(detour), 20)
    for secret in (SECRET, SECRET.partition(".")[0], "203.0.113.7"):
        assert secret.encode() not in traced.collector.raw, secret
    for start in range(0, len(photo) - 16, len(photo) // 50):
        assert photo[start : start + 16] not in traced.collector.raw


def test_a_strangers_trace_is_not_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write into others' traces could hide in them. A door alone; nobody is named in DOOR_PROXIES."""
    addresses = free_addresses()
    with collector() as spans:
        for name, value in spans.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("DOOR_PROXIES", raising=False)
        with door(addresses):
            eventually(lambda: status(f"{addresses.url}/openapi.json", 3) == 200, 20)
            send(Traced(addresses, spans), b"x", SENT)
            eventually(lambda: bool(spans.spans), 20)
        assert [span.name for span in spans.spans] == ["door"]
        assert not spans.named(SENT)


def test_without_an_endpoint_nothing_of_it_is_loaded() -> None:
    program = (
        "import sys; from handler import tracing; assert tracing.from_environment() is None; "
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)
