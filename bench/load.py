"""Load for HTTP servers and for the pipeline itself: what the benchmarks measure with."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

WARM_UP = 20
"""Requests of one client before any are counted."""

LEAD = 2.0
"""Seconds of load before anything is counted."""

PIPELINE = """
import json, sys, time
from pathlib import Path
from training import third_party
model = Path("model_store/emotion.onnx")
try:
    from emotion.classifier import OnnxClassifier
    pipeline = third_party.load_pipeline(OnnxClassifier(model))
except AttributeError:  # before version 2.2, from the file
    pipeline = third_party.load_pipeline(model)
path, options = json.loads(sys.argv[1])
photo = Path(path).read_bytes()
pipeline.warm_up()
print("ready", flush=True)
begin, end = json.loads(sys.stdin.readline())
count = 0
while time.time() < end:
    pipeline([photo], **options)
    count += begin <= time.time() <= end
print(count)
"""
"""Analyses one photo again and again, alone in its process; answers how many times between two points in time."""


@dataclass(frozen=True)
class Request:
    """A photo as a server wants it; the defaults are this service's."""

    port: int
    body: bytes
    path: str = "/predictions/emotion"
    content_type: str = "application/octet-stream"


class Client:
    """One connection that is kept alive; of the standard library, which costs the load generator the least time."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._connection = http.client.HTTPConnection("127.0.0.1", request.port, timeout=60)

    def send(self) -> bytes:
        """The answer; raises `RuntimeError` unless its status is 200."""
        headers = {"Content-Type": self._request.content_type}
        self._connection.request("POST", self._request.path, body=self._request.body, headers=headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"the server answered {response.status}: {answer[:500]!r}")
        return answer


def latencies(requests: Sequence[Request], count: int) -> list[list[float]]:
    """Seconds of each of `count` sendings of each request, one after the other and by turns, over one connection
    each."""
    clients = [Client(request) for request in requests]
    times: list[list[float]] = [[] for _ in requests]
    for number in range(WARM_UP + count):
        for client, taken in zip(clients, times, strict=True):
            started = time.perf_counter()
            client.send()
            if number >= WARM_UP:
                taken.append(time.perf_counter() - started)
    return times


def saturate(request: Request, clients: int, seconds: float) -> tuple[float, list[float]]:
    """Photos a second and seconds of each request, with `clients` each sending the next photo at once."""
    times: list[float] = []
    begin = time.perf_counter() + LEAD
    end = begin + seconds

    def keep_sending() -> None:
        client = Client(request)
        while (started := time.perf_counter()) < end:
            client.send()
            finished = time.perf_counter()
            if begin <= finished <= end:
                times.append(finished - started)

    threads = [threading.Thread(target=keep_sending) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(times) / seconds, times


def in_process(photo: bytes, processes: int, seconds: float, root: Path = ROOT, **options: str) -> float:
    """Photos a second through the pipeline of the checkout at `root`, in `processes` processes of one thread each.

    `options`: the pipeline's keyword arguments.
    """
    # Before version 2.2, the package lay in handler/. One thread each, as TorchServe's workers have.
    variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = os.environ | variables | {"PYTHONPATH": os.pathsep.join(("handler", "."))}
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(photo)
        file.flush()
        command = [sys.executable, "-c", PIPELINE, json.dumps([file.name, options])]
        pipe = subprocess.PIPE
        workers = [
            subprocess.Popen(command, cwd=root, env=environment, stdin=pipe, stdout=pipe, text=True)
            for _ in range(processes)
        ]
        for worker in workers:
            assert worker.stdout and worker.stdout.readline() == "ready\n"
        begin = time.time() + LEAD
        for worker in workers:  # all of them before any is waited for, or they would run one after the other
            assert worker.stdin
            worker.stdin.write(f"[{begin}, {begin + seconds}]\n")
            worker.stdin.flush()
        counts = [int(worker.communicate()[0]) for worker in workers]
        assert all(counts), f"a process analysed nothing: {counts}"
        return sum(counts) / seconds
