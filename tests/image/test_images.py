"""The images, run from their own files as a hardened pod would run them. `make image-test`; needs root and buildah."""

import base64
import contextlib
import json
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

from bulk.summary import SOME_FAILED
from serving.addresses import Addresses, check_port
from tests.conftest import photo_bytes
from tests.image.container import Image
from tests.integration.senders import senders
from tests.integration.watching import eventually, own_address


@contextlib.contextmanager
def container(command: list[str]) -> Iterator[psutil.Process]:
    """The first process inside, killed at the end with all that it started; their ports are free then."""
    with subprocess.Popen(command) as outer:
        try:
            yield first_inside(outer.pid)
        finally:
            # The kernel ends all processes of a PID namespace before its first, and `unshare` waits for that one.
            # Killing `unshare` instead would not: what it started has changed its user, and forgot whose child it is.
            for first in psutil.Process(outer.pid).children():
                first.kill()
            outer.wait(30)


def first_inside(outer: int) -> psutil.Process:
    (inner,) = eventually(lambda: psutil.Process(outer).children()[:1], 10)
    return inner


def get(url: str) -> bytes | None:
    """The body of a 200, or None."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bytes(response.read())
    except OSError:
        return None


@pytest.fixture(autouse=True)
def free_ports() -> None:
    """The images' ports are fixed, and who else listens there would answer in their place."""
    for port in (8080, 8081, 8082, 8083, 8084, 8085, 8501, 8502):
        check_port("test", port)


def test_server_image_is_under_two_gigabytes(server_image: Image, client_image: Image) -> None:
    print(f"server {server_image.size / 1e9:.2f} GB, client {client_image.size / 1e9:.2f} GB")
    assert server_image.size < 2e9


@pytest.mark.parametrize("name", ["gcc", "cc", "make", "uv", "pip"])
def test_nothing_is_left_that_builds(server_image: Image, client_image: Image, bulk_image: Image, name: str) -> None:
    for image in (server_image, client_image, bulk_image):
        found = [image.root / folder / name for folder in ("opt/venv/bin", "usr/bin", "usr/local/bin", "tools/bin")]
        # The real base brings its own pip in /usr/local; ours must not.
        ours = [path for path in found if path.exists() and "usr/local" not in str(path)]
        assert not ours


def test_no_caches_are_left(server_image: Image, client_image: Image, bulk_image: Image) -> None:
    for image in (server_image, client_image, bulk_image):
        assert not list(image.root.glob("root/.cache/*"))
        assert not list(image.root.glob("tmp/*"))


def test_server_answers_from_a_read_only_root(server_image: Image) -> None:
    """Starts as its user, answers a photo, tells the sidecar the truth, and stops when it is told to."""
    sidecar = server_image.command("python", "-m", "sidecar.server")
    with container(server_image.command(EMOTION_OPEN="yes", DOOR_LEAVING="5s")) as first, container(sidecar):
        eventually(lambda: get("http://127.0.0.1:8083/ready"), 90)
        eventually(lambda: get("http://127.0.0.1:8080/ping"), 10)
        assert {each.name() for each in first.children()} == {"java", "caddy"}
        for process in (first, *first.children(recursive=True)):
            assert process.uids().real == int(server_image.user) != 0
        request = urllib.request.Request("http://127.0.0.1:8080/predictions/emotion", data=photo_bytes("smiling"))
        request.add_header("Content-Type", "application/octet-stream")
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
        (face,) = answer["faces"]
        assert face["emotion"] == "happy"
        assert answer["model"]["runtime"].startswith("onnxruntime")
        check = server_image.config["Healthcheck"]["Test"][1:]  # type: ignore[index]
        assert subprocess.run(server_image.command(*check), check=False).returncode == 0
        assert b"emotion_queue_depth 0.0" in (get("http://127.0.0.1:8083/metrics") or b"")

        for port in (8081, 8085):
            with pytest.raises(OSError):
                socket.create_connection((own_address(), port), timeout=2)

        with senders(Addresses(), photo_bytes("smiling"), 20) as account:
            eventually(lambda: account.ended["200"] >= 40, 60)
            started = time.monotonic()
            first.send_signal(signal.SIGTERM)
            first.wait(60)
            print(f"stopped {time.monotonic() - started:.1f} s after SIGTERM: {dict(account.ended)}")
        assert set(account.ended) == {"200", "refused"}, account
    assert get("http://127.0.0.1:8080/ping") is None


def test_health_check_fails_where_nothing_serves(server_image: Image) -> None:
    check = server_image.config["Healthcheck"]["Test"][1:]  # type: ignore[index]
    assert subprocess.run(server_image.command(*check), check=False).returncode == 1


def test_client_answers_from_a_read_only_root(client_image: Image) -> None:
    with container(client_image.command()) as streamlit:
        assert eventually(lambda: get("http://127.0.0.1:8501/_stcore/health"), 60) == b"ok"
        assert streamlit.uids().real == int(client_image.user) != 0
        assert b"<title>" in (get("http://127.0.0.1:8501/") or b"")
        streamlit.send_signal(signal.SIGTERM)
        streamlit.wait(20)


def test_bulk_analyses_a_folder_from_a_read_only_root(bulk_image: Image) -> None:
    """One photo and one that is none, with the model that the image brings and Ray's own processes."""
    script = """
        mkdir /tmp/photos && base64 --decode > /tmp/photos/smiling.jpg && echo none > /tmp/photos/broken.jpg
        python -m bulk /tmp/photos --out /tmp/results --report /tmp/results/summary.html; echo status $?
        ls /tmp/results"""
    done = subprocess.run(
        bulk_image.command("sh", "-c", script),
        input=base64.b64encode(photo_bytes("smiling")).decode(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "2 photos, 1 faces" in done.stdout, done.stdout + done.stderr
    assert f"status {SOME_FAILED}" in done.stdout
    assert ".parquet" in done.stdout and "summary.html" in done.stdout


@pytest.mark.parametrize(
    "shell", [(), ("bash", "-c", "python -m bulk --help"), ("bash", "-lc", "python -m bulk --help")]
)
def test_bulk_is_found_as_it_is_and_by_the_shells_of_kuberay(bulk_image: Image, shell: tuple[str, ...]) -> None:
    """Operators before 1.4 start Ray in a login shell, which takes its PATH from /etc/profile."""
    done = subprocess.run(bulk_image.command(*shell), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "RESULTS holds Parquet files" in done.stdout
    if shell:
        subprocess.run(bulk_image.command(*shell[:2], "ray --version"), capture_output=True, check=True)
