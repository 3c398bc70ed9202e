"""The servers that `bench.peers.compare` measures, each still except in its turn."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.common import ADDRESSES, BATCH, ROOT, SETTINGS, WORKERS
from bench.load import Client, Request
from emotion.contract import Detail
from serving.processes import running
from serving.server import serving
from serving.torchserve import ONE_THREAD

ENVIRONMENTS = ROOT / ".venv-peers"
DETAILS: tuple[Detail, ...] = ("standard", "fast")

LITSERVE_PORT, DEEPFACE_PORT = 18090, 18091
BOUNDARY = "bench-peers"
WEIGHTS = "weights"
"""The file in which deepface's server says which it has."""
STARTING = 180.0
"""Seconds that a peer may take until it answers."""


@dataclass(frozen=True)
class Server:
    """A server that stands still except in its turn: LitServe polls, and takes a tenth of a core while it waits."""

    request: Request
    processes: tuple[subprocess.Popen[bytes], ...]

    @contextlib.contextmanager
    def turn(self) -> Iterator[Request]:
        """What to send to it while it runs."""
        self.signal(signal.SIGCONT)
        try:
            yield self.request
        finally:
            self.signal(signal.SIGSTOP)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all its processes; each of `processes` leads a group."""
        for process in self.processes:
            os.killpg(process.pid, number)


@contextlib.contextmanager
def starting(photo: bytes, scratch: Path) -> Iterator[dict[str, Server]]:
    """All servers by name, on their way to their first answer; `scratch` is a folder to write to."""
    servers = {}
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(serving(ADDRESSES))
        for detail in DETAILS:
            request = Request(ADDRESSES.door, photo, f"/predictions/emotion?detail={detail}")
            servers[f"this service, {detail}"] = Server(request, (service.torchserve, service.door))
        process = stack.enter_context(running(litserve(), os.environ | ONE_THREAD, ROOT))
        name = f"the pipeline behind LitServe, {WORKERS} workers"
        servers[name] = Server(Request(LITSERVE_PORT, photo, "/predict"), (process,))
        environment = os.environ | {"DEEPFACE_HOME": str(scratch), "WEIGHTS": str(scratch / WEIGHTS)}
        for workers in (1, WORKERS):
            process = stack.enter_context(running(deepface(workers), environment, ROOT))
            request = Request(DEEPFACE_PORT + workers, *form("/analyze", "img", photo, actions='["emotion"]'))
            servers[f"deepface's REST API, {workers} worker{'s' * (workers > 1)}"] = Server(request, (process,))
        try:
            yield servers
        finally:
            for server in servers.values():
                server.signal(signal.SIGCONT)  # a process that stands still hears no SIGTERM


def litserve() -> list[str]:
    """The command line that serves the pipeline with LitServe as this service does."""
    options = {"port": LITSERVE_PORT, "workers": WORKERS, "batch": BATCH, "delay": SETTINGS["maxBatchDelay"] / 1000}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [str(ENVIRONMENTS / "litserve/bin/python"), "-m", "bench.peers.litserve_server", *words]


def deepface(workers: int) -> list[str]:
    """The command line that serves deepface's REST API as its own image does, but for the number of workers."""
    options = [f"--workers={workers}", "--timeout=7200", f"--bind=127.0.0.1:{DEEPFACE_PORT + workers}"]
    return [str(ENVIRONMENTS / "deepface/bin/gunicorn"), *options, "bench.peers.deepface_server:create_app()"]


def form(path: str, name: str, photo: bytes, **texts: str) -> tuple[bytes, str, str]:
    """The body of a form with the photo in the field `name`, the path, and the content type."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in texts.items()
    ]
    parts.append(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = "".join(parts).encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, path, f"multipart/form-data; boundary={BOUNDARY}"


def wait_until_answered(request: Request) -> bytes:
    """The first answer; raises what stood in its way if there is none in `STARTING` seconds."""
    deadline = time.monotonic() + STARTING
    while True:
        try:
            return Client(request).send()
        except (OSError, RuntimeError):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
