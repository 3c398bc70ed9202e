"""Run the Streamlit page."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

from serving.addresses import LOOPBACK, Addresses, ServerFailed, check_port
from serving.processes import running
from serving.torchserve import ROOT


@contextlib.contextmanager
def page(port: int, addresses: Addresses) -> Iterator[subprocess.Popen[bytes]]:
    """A process that serves the page on loopback at `port`, as a client of the service at `addresses`.

    Raises `ServerFailed` when the port is taken or the page does not come up.
    """
    check_port("page", port)
    with running(_command(port), os.environ | {"EMOTION_SERVER": addresses.url}, ROOT) as process:
        wait_until_up(process, port)
        yield process


def _command(port: int) -> list[str]:
    options = {"address": LOOPBACK, "port": str(port), "headless": "true"}
    command = [sys.executable, "-m", "client"]
    return [*command, *(part for name, value in options.items() for part in (f"--server.{name}", value))]


def wait_until_up(process: subprocess.Popen[bytes], port: int, timeout: float = 60.0) -> None:
    """Return once the page of `process` answers at `port`; raises `ServerFailed`."""
    deadline = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise ServerFailed(f"the page did not come up on port {port} within {timeout:.0f} s; see its log above")
