"""Serve `/metrics`, `/ready` and `/live`.

    python -m sidecar.server

Settings come from the environment: `SIDECAR_PORT` (8083), `SIDECAR_MANAGEMENT` (http://127.0.0.1:8081),
`SIDECAR_MODEL` (emotion), and `SIDECAR_DEAD_AFTER` (60), which `sidecar.health.DEAD_AFTER` describes.
"""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from sidecar.health import DEAD_AFTER, Answer, Health
from sidecar.torchserve import Unreachable, describe

LOOK_TIMEOUT = 2.0
"""Seconds that the management address gets to answer; less than probes wait for their answer."""


def main() -> None:
    try:
        port, health = from_environment(dict(os.environ))
    except ValueError as error:
        sys.exit(f"error: {error}")
    try:
        server = Server(port, health)
    except OSError as error:
        sys.exit(f"error: port {port} cannot be had ({error.strerror}); stop what listens there, or set SIDECAR_PORT")
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"sidecar on port {server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.1)


def from_environment(environment: dict[str, str]) -> tuple[int, Health]:
    """The port and the judge of the server's health. Raises `ValueError`, which names the variable and its bounds."""
    port = int(_number(environment, "SIDECAR_PORT", 8083, 65535))
    dead_after = _number(environment, "SIDECAR_DEAD_AFTER", DEAD_AFTER, 3600)
    management = environment.get("SIDECAR_MANAGEMENT", "http://127.0.0.1:8081").rstrip("/")
    model = environment.get("SIDECAR_MODEL", "emotion")
    return port, Health(partial(describe, management, model, LOOK_TIMEOUT), dead_after)


class QueueCollector(Collector):
    """Asks TorchServe at every scrape; where it does not answer, `emotion_torchserve_up 0` is all there is."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("emotion_torchserve_up", "1 if TorchServe described its model.")
        try:
            found = self._health.description()
        except Unreachable:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        numbers = {
            "emotion_queue_depth": ("Photos that wait for a worker.", found.queue_depth),
            "emotion_queue_size": ("Photos that may wait before more are refused.", found.queue_size),
            "emotion_workers_ready": ("Workers that can answer.", found.ready_workers),
            "emotion_workers_wanted": ("Workers that should be able to answer.", found.wanted_workers),
        }
        for name, (text, value) in numbers.items():
            yield GaugeMetricFamily(name, text, value)
        yield InfoMetricFamily("emotion_model", "The model that is served.", {"version": found.version})


class Server(ThreadingHTTPServer):
    """Answers probes and scrapes, each in a thread: while TorchServe hangs, no answer waits for another."""

    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def __init__(self, port: int, health: Health) -> None:
        """Listens on all addresses, of both families where there are two: a cluster may have only IPv6."""
        super().__init__(("", port), _Handler)
        self.health = health
        self.registry = CollectorRegistry()
        self.registry.register(QueueCollector(health))

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 5.0  # a connection on which nothing is asked holds a thread

    def do_GET(self) -> None:
        health = self.server.health
        if self.path == "/metrics":
            self._send(200, generate_latest(self.server.registry), CONTENT_TYPE_LATEST)
        elif self.path == "/ready":
            self._say(health.ready())
        elif self.path == "/live":
            self._say(health.live())
        else:
            self._say(Answer(False, "there are /metrics, /ready and /live"), refused=404)

    def _say(self, answer: Answer, refused: int = 503) -> None:
        body = json.dumps({"good": answer.good, "why": answer.why}).encode()
        self._send(200 if answer.good else refused, body, "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: a line for each probe would drown everything else."""


def _number(environment: dict[str, str], name: str, default: float, most: float) -> float:
    text = environment.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise ValueError(f"{name} is {text!r}; expected a number from 0 to {most:g}")
    return value


if __name__ == "__main__":
    main()
