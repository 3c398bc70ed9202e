"""The page's process before anybody has visited it."""

import os
import subprocess
import sys
import urllib.request

import pytest

from client.api import ServiceError
from client.metrics import EVERYWHERE
from serving.addresses import Addresses
from serving.page import page
from tests.conftest import ROOT
from tests.integration.conftest import free_ports

HOSTS = ["127.0.0.1", "[::1]"] if EVERYWHERE == "::" else ["127.0.0.1"]


@pytest.fixture
def scraped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Prometheus reads of a page that no one has opened, over each family of addresses."""
    port, metrics = free_ports(2)
    monkeypatch.setenv("EMOTION_METRICS_PORT", str(metrics))
    with page(port, Addresses()):
        answers = [urllib.request.urlopen(f"http://{host}:{metrics}/metrics", timeout=5) for host in HOSTS]
        return [answer.read().decode() for answer in answers]


def test_every_outcome_is_counted_from_zero_before_the_first_visit(scraped: list[str]) -> None:
    """Otherwise the page counts as not seen until then, and the first failure is no increase of anything."""
    outcomes = {"ok", ServiceError.outcome, *(kind.outcome for kind in ServiceError.__subclasses__())}
    for text in scraped:
        lines = [line for line in text.splitlines() if line.startswith("emotion_client_requests_total{")]
        assert set(lines) == {f'emotion_client_requests_total{{outcome="{outcome}"}} 0.0' for outcome in outcomes}


@pytest.mark.parametrize(
    ("name", "value"),
    [("EMOTION_RETRIES", "many"), ("EMOTION_SERVER", "server:8080"), ("EMOTION_HOSTS", "https://emotion.example.com")],
)
def test_wrong_settings_end_the_process_and_say_why(name: str, value: str) -> None:
    command = [sys.executable, "-m", "client"]
    done = subprocess.run(
        command, env=os.environ | {name: value}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert name in done.stderr and "Traceback" not in done.stderr
