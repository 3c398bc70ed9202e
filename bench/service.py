"""Latency and throughput of the service: `python -m bench.service`, or `make bench`.

One photo of 640×480 with one face. First the pipeline in this process, then over HTTP with one client against a real
TorchServe, then with sixteen clients at once. Machines are shared and noisy: read the ratios.
"""

import argparse
import http.client
import os
import statistics
import threading
import time
from pathlib import Path

import cv2
import skimage.data

from emotion.classifier import OnnxClassifier
from emotion.pipeline import Pipeline, Result
from serving.server import Addresses, torchserve, wait_until_ready
from training import third_party

WARM_UP = 20
"""Calls before any are counted."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=300, help="of one client")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the clients keep the server busy")
    arguments = parser.parse_args()
    photo = one_face(640, 480)
    print(f"one face, 640×480, JPEG of {len(photo) / 1000:.0f} kB; {os.cpu_count()} cores")
    pipeline = third_party.load_pipeline(OnnxClassifier(Path("model_store/emotion.onnx")))
    bench_pipeline(pipeline, "12 Mpx", one_face(4000, 3000), 20)
    in_process = bench_pipeline(pipeline, "640×480", photo, arguments.requests)
    addresses = Addresses(18080, 18081, 18082)
    with torchserve(addresses) as server:
        wait_until_ready(server, addresses)
        alone = latencies(photo, addresses, arguments.requests)
        throughput, under_load = saturate(photo, addresses, arguments.clients, arguments.seconds)
    print(f"\n{'':28}{'median':>9}{'p95':>9}{'p99':>9}")
    for name, times in (
        ("pipeline in-process", in_process),
        ("HTTP, 1 client", alone),
        (f"HTTP, {arguments.clients} clients", under_load),
    ):
        cuts = statistics.quantiles(times, n=100)
        print(f"{name:28}{cuts[49] * 1000:6.1f} ms{cuts[94] * 1000:6.1f} ms{cuts[98] * 1000:6.1f} ms")
    ratio = statistics.median(alone) / statistics.median(in_process)
    print(f"\nHTTP, 1 client, takes {ratio:.2f} times the pipeline in-process")
    gain = throughput * statistics.mean(in_process)
    print(f"{arguments.clients} clients: {throughput:.1f} photos a second, {gain:.2f} times one pipeline in-process")


def one_face(width: int, height: int) -> bytes:
    """Eileen Collins as JPEG, 4:3."""
    portrait = skimage.data.astronaut()[:384, :, ::-1]
    photo = cv2.resize(portrait, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def bench_pipeline(pipeline: Pipeline, name: str, photo: bytes, count: int) -> list[float]:
    """Seconds of each call of the pipeline in this process, on one thread; prints the stages' medians."""
    pipeline.warm_up()
    times = []
    stages: dict[str, list[float]] = {}
    for _ in range(count):
        started = time.perf_counter()
        (result,) = pipeline([photo])
        times.append(time.perf_counter() - started)
        assert isinstance(result, Result) and len(result.faces) == 1
        for stage, elapsed in result.timings_ms.items():
            stages.setdefault(stage, []).append(elapsed)
    medians = ", ".join(f"{stage} {statistics.median(milliseconds):.1f} ms" for stage, milliseconds in stages.items())
    print(f"{name} in-process, median: {medians}")
    return times


def latencies(photo: bytes, addresses: Addresses, count: int) -> list[float]:
    """Seconds of each of `count` requests, one after the other, over one connection."""
    client = Client(addresses)
    times = []
    for number in range(WARM_UP + count):
        started = time.perf_counter()
        client.post(photo)
        if number >= WARM_UP:
            times.append(time.perf_counter() - started)
    return times


def saturate(photo: bytes, addresses: Addresses, clients: int, seconds: float) -> tuple[float, list[float]]:
    """Photos a second, and seconds of each request, with `clients` that each send the next photo at once."""
    times: list[float] = []
    begin = time.perf_counter() + 2.0  # the clients' first two seconds are not counted
    end = begin + seconds

    def keep_sending() -> None:
        client = Client(addresses)
        while (started := time.perf_counter()) < end:
            client.post(photo)
            finished = time.perf_counter()
            if begin <= finished <= end:
                times.append(finished - started)

    threads = [threading.Thread(target=keep_sending) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(times) / seconds, times


class Client:
    """One connection that is kept alive; of the standard library, which costs the load generator the least time."""

    def __init__(self, addresses: Addresses) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", addresses.inference, timeout=30)

    def post(self, photo: bytes) -> None:
        """Send a photo; raises `RuntimeError` unless it is answered with 200."""
        headers = {"Content-Type": "application/octet-stream"}
        self._connection.request("POST", "/predictions/emotion", body=photo, headers=headers)
        response = self._connection.getresponse()
        response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"the service answered {response.status}")


if __name__ == "__main__":
    main()
