"""A real local HTTP server that answers by the contract, or badly, as a test wishes."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from emotion.labels import LABELS


def face(emotion: str = "happy", confidence: float = 0.9, **box: float) -> dict[str, object]:
    rest = (1 - confidence) / 6
    return {
        "box": {"x": 180.0, "y": 55.8, "width": 92.3, "height": 122.1} | box,
        "detection_confidence": 0.9,
        "landmarks": {"left_eye": [204.0, 102.0], "right_eye": [246.6, 104.7], "nose": [224.5, 135.1]},
        "emotion": emotion,
        "confidence": confidence,
        "probabilities": {label: confidence if label == emotion else rest for label in LABELS},
    }


def analysis(*faces: dict[str, object]) -> dict[str, object]:
    return {
        "model": {"name": "emotion", "version": "1.0.0"},
        "image": {"width": 512, "height": 512},
        "faces": list(faces),
        "timings_ms": {"decode": 2.0, "detect": 12.0, "align": 1.0, "classify": 4.0},
    }


class Service(ThreadingHTTPServer):
    """Answers every POST with `status` and `body` after `delay` seconds, and keeps what it was sent.

    The first `busy` requests get 503. With `ends`, connections end without an answer. With `held`, answers wait until
    it is set.
    """

    status, body, delay = 200, json.dumps(analysis(face())).encode(), 0.0
    received: bytes = b""
    headers: Message = Message()
    requests = 0
    busy = 0
    location = ""
    ends = False
    held: threading.Event | None = None
    healthy = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, status: int, body: object) -> None:
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


class Answering(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        """`/ping`, as TorchServe answers it."""
        self.send_response(200 if self.server.healthy else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.server.headers = self.headers
        self.server.received = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests += 1
        time.sleep(self.server.delay)
        if self.server.held:
            self.server.held.wait(60)
        if self.server.ends:
            return
        if self.server.busy:
            self.server.busy -= 1
            self.send_error(503)
            return
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_PUT = do_POST  # what `curl -T` sends

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def local_service() -> Iterator[Service]:
    """A service that answers while the block runs."""
    with Service(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
