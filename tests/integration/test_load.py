"""The load job's own script against the real service, and against one that refuses or is not there."""

import os
import subprocess

from serving.addresses import Addresses
from tests.conftest import ROOT
from tests.integration.conftest import free_ports
from tests.unit.local_service import local_service

SCRIPT = ROOT / "k8s" / "overlays" / "load" / "load.py"


def load(url: str, **environment: str) -> tuple[int, list[list[str]], str]:
    """Exit status, the table's rows without its head, and all that was printed."""
    program = ROOT / ".venv-load" / "bin" / "locust"
    assert program.is_file(), "make .venv-load/.installed"
    done = subprocess.run(
        [program, "--headless", "--only-summary", "--users=1", f"--host={url}", f"--locustfile={SCRIPT}"],
        env={"PATH": os.environ["PATH"], "STEP": "2", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    return done.returncode, rows[1:], done.stdout + done.stderr


def test_each_rate_becomes_a_row_of_what_was_sent_and_answered(server: Addresses) -> None:
    status, rows, text = load(server.url, RATES="5 10", STEP="6")  # long enough for chance to even out
    assert status == 0, text
    assert [row[0] for row in rows] == ["5", "10"]
    for rate, sent, answered, refused, failed, median, slowest in rows:
        assert 0.3 * float(rate) < float(sent) < 3 * float(rate), "at random moments, so many on average"
        assert (answered, refused, failed) == (sent, "0.0", "0.0")
        assert 1 < int(median.removesuffix(" ms")) <= int(slowest.removesuffix(" ms"))


def test_photos_leave_whether_earlier_ones_are_answered_or_not_and_wait_from_then_on() -> None:
    with local_service() as service:
        service.delay = 1.0
        status, ((_, sent, answered, *_, median, _),), text = load(service.url, RATES="20")
    assert status == 0, text
    assert float(answered) == float(sent) > 5, "one sender that waited for each answer would send one a second"
    assert 950 < int(median.removesuffix(" ms")) < 30_000


def test_it_stops_when_the_service_refuses_most_and_says_so_when_it_refuses_all() -> None:
    with local_service() as service:
        service.busy = 10_000
        status, rows, text = load(service.url, RATES="20 40")
    assert status == 1
    assert "error: no photo was answered; the last answer had the status 503" in text
    ((_, sent, answered, refused, failed, *times),) = rows
    assert (answered, refused, failed) == ("0.0", sent, "0.0")
    assert times == ["–", "–"]


def test_a_service_that_is_not_there_is_said() -> None:
    (port,) = free_ports(1)
    status, ((_, sent, _, _, failed, *_),), text = load(f"http://127.0.0.1:{port}", RATES="20")
    assert status == 1
    assert "had the status 0" in text
    assert failed == sent


def test_the_token_comes_with_each_photo() -> None:
    with local_service() as service:
        status, _, text = load(service.url, RATES="10", **{"EMOTION_TOKEN": "sesame"})
        assert service.headers["Authorization"] == "Bearer sesame"
        assert service.headers["Connection"] == "close", "kube-proxy gives connections to pods, not photos"
        assert service.received == SCRIPT.with_name("photo.jpg").read_bytes()
    assert status == 0, text
