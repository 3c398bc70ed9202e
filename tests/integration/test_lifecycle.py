"""The commands people type: they come up, and Ctrl-C leaves nothing behind."""

import signal
import socket
import tempfile
from pathlib import Path

import psutil
import pytest
import requests

from client.api import EmotionClient
from serving.addresses import ServerFailed
from serving.server import serving
from tests.conftest import photo_bytes
from tests.integration.commands import running
from tests.integration.conftest import free_addresses, free_ports
from tests.integration.watching import eventually


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_whole_service_starts_answers_and_stops_without_a_trace(number: signal.Signals, tmp_path: Path) -> None:
    addresses, (page_port,) = free_addresses(), free_ports(1)
    with running(tmp_path, addresses, "serving.run", f"--page-port={page_port}") as service:
        family = psutil.Process(service.process.pid).children(recursive=True)
        assert len(family) >= 5, "Java, two workers, the door and the page"
        answer = requests.post(addresses.predictions, data=photo_bytes("smiling"), timeout=30)
        assert answer.json()["faces"][0]["emotion"] == "happy"
        page = requests.get(f"http://127.0.0.1:{page_port}", timeout=30)
        assert page.ok and "streamlit" in page.text.lower()
        assert service.stop(number, 60) == 0
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
    assert list((tmp_path / "tmp").iterdir()) == [], "scratch files are removed"


def test_nothing_outlives_a_killed_service(tmp_path: Path) -> None:
    with running(tmp_path, free_addresses()) as service:
        family = psutil.Process(service.process.pid).children(recursive=True)
        service.process.kill()
        _, alive = psutil.wait_procs(family, timeout=90)
        assert alive == []


def test_the_clients_request_id_stands_in_the_log_and_nothing_of_the_photo(tmp_path: Path) -> None:
    addresses = free_addresses()
    with running(tmp_path, addresses) as service:
        answer = EmotionClient(addresses.url, 30).analyse(photo_bytes("smiling"))
        headers = {"X-Request-Id": "forged\tid status=200"}
        refused = requests.post(addresses.predictions, data=b"no photo", headers=headers, timeout=30)
        made = refused.headers["X-Request-Id"]
        eventually(lambda: service.output().count(made) == 2, 10)
        for line in (f"request id={answer.request_id} status=200 faces=1 ms=", f'"id":"{answer.request_id}"'):
            eventually(lambda line=line: line in service.output(), 10)  # type: ignore[misc]
            assert service.output().count(line) == 1, "the worker's line, and the door's"
        eventually(lambda: f"request id={made} status=415 error=unsupported_format" in service.output(), 10)
        assert "forged" not in service.output()


def test_a_taken_port_is_named() -> None:
    addresses = free_addresses()
    with socket.socket() as other:
        other.bind(("127.0.0.1", addresses.management))
        other.listen()
        taken = f"port {addresses.management} is taken.*--management-port"
        with pytest.raises(ServerFailed, match=taken), serving(addresses):
            pass


@pytest.mark.parametrize("content", [None, b"not an archive"], ids=["missing", "broken"])
def test_an_archive_that_cannot_be_served_says_how_to_build_one(tmp_path: Path, content: bytes | None) -> None:
    archive = tmp_path / "emotion.mar"
    if content is not None:
        archive.write_bytes(content)
    message = rf"no model archive at {archive}.*make mar"
    with pytest.raises(ServerFailed, match=message), serving(free_addresses(), archive):
        pass


def test_a_server_that_ends_while_it_starts_is_reported() -> None:
    with serving(free_addresses()) as service:
        service.torchserve.kill()
        with pytest.raises(ServerFailed, match="TorchServe ended with status -9 while starting; see its log above"):
            service.wait_until_ready()


def test_a_temporary_folder_with_too_long_a_path_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers would never start: their sockets lie there, and a socket's path is short."""
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with (
        pytest.raises(ServerFailed, match=r"temporary folder is \d+ bytes too long; set TMPDIR"),
        serving(free_addresses()),
    ):
        pass
