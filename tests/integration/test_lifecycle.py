"""The commands people type: they come up, and Ctrl-C leaves nothing behind."""

import itertools
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from client.api import EmotionClient
from serving.server import Addresses, ServerFailed, torchserve, wait_until_ready
from tests.conftest import ROOT, photo_bytes
from tests.integration.conftest import free_addresses, free_ports


def port_options(addresses: Addresses) -> list[str]:
    return [f"--{name}-port={port}" for name, port in vars(addresses).items()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_whole_service_starts_answers_and_stops_without_a_trace(number: signal.Signals, tmp_path: Path) -> None:
    addresses, (page_port,) = free_addresses(), free_ports(1)
    command = [sys.executable, "-u", "-m", "serving.run", *port_options(addresses), f"--page-port={page_port}"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        try:
            for line in service.stdout:
                if "ready: the page is at" in line:
                    break
            else:
                pytest.fail(f"the service ended with status {service.wait()}")
            family = psutil.Process(service.pid).children(recursive=True)
            assert len(family) >= 4, "Java, two workers and the page"
            answer = requests.post(
                addresses.predictions,
                data=photo_bytes("smiling"),
                headers={"Content-Type": "image/png"},
                timeout=30,
            )
            assert answer.json()["faces"][0]["emotion"] == "happy"
            page = requests.get(f"http://127.0.0.1:{page_port}", timeout=30)
            assert page.ok and "streamlit" in page.text.lower()
        finally:
            service.send_signal(number)
            service.wait(30)
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    assert list(tmp_path.iterdir()) == [], "scratch files are removed"


def test_nothing_outlives_a_killed_service(tmp_path: Path) -> None:
    addresses = free_addresses()
    command = [sys.executable, "-u", "-m", "serving.server", *port_options(addresses)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        assert any("ready: POST" in line for line in service.stdout)
        family = psutil.Process(service.pid).children(recursive=True)
        service.kill()
        _, alive = psutil.wait_procs(family, timeout=20)
        assert alive == []


def test_the_clients_request_id_stands_in_the_log_and_nothing_of_the_photo() -> None:
    addresses = free_addresses()
    command = [sys.executable, "-u", "-m", "serving.server", *port_options(addresses)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        try:
            assert any("ready: POST" in line for line in service.stdout)
            answer = EmotionClient(f"http://127.0.0.1:{addresses.inference}", 30).analyse(photo_bytes("smiling"))
            headers = {"Content-Type": "application/octet-stream", "X-Request-Id": "forged\tid status=200"}
            requests.post(addresses.predictions, data=b"no photo", headers=headers, timeout=30)
            logged = [line for line in itertools.islice(service.stdout, 2) if "request id=" in line]
        finally:
            service.terminate()
    assert f"request id={answer.request_id} status=200 faces=1 ms=" in logged[0]
    assert "forged" not in logged[1] and "status=415 error=unsupported_format" in logged[1]


def test_a_taken_port_is_named() -> None:
    addresses = free_addresses()
    with socket.socket() as other:
        other.bind(("127.0.0.1", addresses.management))
        other.listen()
        taken = f"port {addresses.management} is taken.*--management-port"
        with pytest.raises(ServerFailed, match=taken), torchserve(addresses):
            pass


@pytest.mark.parametrize("content", [None, b"not an archive"], ids=["missing", "broken"])
def test_an_archive_that_cannot_be_served_says_how_to_build_one(tmp_path: Path, content: bytes | None) -> None:
    archive = tmp_path / "emotion.mar"
    if content is not None:
        archive.write_bytes(content)
    message = rf"no model archive at {archive}.*make mar"
    with pytest.raises(ServerFailed, match=message), torchserve(free_addresses(), archive):
        pass


def test_a_server_that_ends_while_it_starts_is_reported() -> None:
    addresses = free_addresses()
    with torchserve(addresses) as process:
        process.kill()
        with pytest.raises(ServerFailed, match="ended with status -9 while starting; see its log above"):
            wait_until_ready(process, addresses)
