"""Latency and throughput of the service: `python -m bench.service`, or `make bench`.

Photos of several sizes and numbers of faces: first the pipeline in this process, then over HTTP with one client against
the real service. One of 640×480 with one face then comes from sixteen clients at once; and what of that the door costs,
against TorchServe itself, by turns. Machines are shared and noisy: read the ratios.
"""

import argparse
import itertools
import math
import os
import statistics
import time
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from bench.common import ADDRESSES
from bench.load import Request, latencies, saturate
from emotion.classifier import OnnxClassifier
from emotion.pipeline import Pipeline, Result
from serving.server import serving
from training import third_party

PHOTOS = {
    "640×480, 1 face": (640, 480, 1),
    "1 Mpx, 1 face": (1152, 864, 1),
    "1 Mpx, 3 faces": (1152, 864, 3),
    "1 Mpx, 20 faces": (1152, 864, 20),
    "12 Mpx, 1 face": (4000, 3000, 1),
}
"""Width, height, and number of faces; the first is the one that many clients send."""

ROUNDS = 6
"""Comparisons of throughput with and without the door."""

OTHERS = 20
"""Requests for each photo but the usual one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=300, help="of one client")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the clients keep the server busy")
    arguments = parser.parse_args()
    photos = {name: faces(*shape) for name, shape in PHOTOS.items()}
    usual, photo = next(iter(photos.items()))
    print(f"{usual}: JPEG of {len(photo) / 1000:.0f} kB; {os.cpu_count()} cores")
    pipeline = third_party.load_pipeline(OnnxClassifier(Path("model_store/emotion.onnx")))
    within = {
        name: bench_pipeline(pipeline, name, content, PHOTOS[name][2], arguments.requests if name == usual else OTHERS)
        for name, content in photos.items()
    }
    in_process = within[usual]
    with serving(ADDRESSES) as service:
        service.wait_until_ready()
        alone, behind = latencies(
            [Request(port, photo) for port in (ADDRESSES.door, ADDRESSES.inference)], arguments.requests
        )
        others = latencies([Request(ADDRESSES.door, photos[name]) for name in photos if name != usual], OTHERS)
        throughput, under_load = saturate(Request(ADDRESSES.door, photo), arguments.clients, arguments.seconds)
        shares = throughput_kept(photo, arguments.clients, arguments.seconds / 2)
    print(f"\n{'':32}{'median':>9}{'p95':>9}{'p99':>9}")
    over_http = dict(zip(photos, [alone, *others], strict=True))
    rows = [
        row for name in photos for row in ((f"{name}, in-process", within[name]), ("… HTTP, 1 client", over_http[name]))
    ]
    for name, times in (
        *rows,
        (f"{usual}, without the door", behind),
        (f"… HTTP, {arguments.clients} clients", under_load),
    ):
        cuts = statistics.quantiles(times, n=100)
        print(f"{name:32}{cuts[49] * 1000:6.1f} ms{cuts[94] * 1000:6.1f} ms{cuts[98] * 1000:6.1f} ms")
    ratio = statistics.median(alone) / statistics.median(in_process)
    print(f"\nHTTP, 1 client, takes {ratio:.2f} times the pipeline in-process")
    gain = throughput * statistics.mean(in_process)
    print(f"{arguments.clients} clients: {throughput:.1f} photos a second, {gain:.2f} times one pipeline in-process")
    added = (statistics.median(alone) - statistics.median(behind)) * 1000
    kept = statistics.median(shares)
    print(
        f"the door: {added:+.2f} ms at the median; {arguments.clients} clients get {kept - 1:+.1%} photos a second"
        f" ({min(shares) - 1:+.1%} to {max(shares) - 1:+.1%} in {len(shares)} rounds)"
    )


def one_face(width: int, height: int) -> bytes:
    """Eileen Collins as JPEG, 4:3."""
    return faces(width, height, 1)


def faces(width: int, height: int, count: int) -> bytes:
    """Eileen Collins so many times on a grid, as JPEG, 4:3."""
    side = math.ceil(math.sqrt(count))
    portrait = skimage.data.astronaut()[:384, :, ::-1]
    cell = cv2.resize(portrait, (width // side, height // side), interpolation=cv2.INTER_CUBIC)
    photo = np.full((height, width, 3), 128, dtype=np.uint8)
    for row, column in itertools.islice(itertools.product(range(side), repeat=2), count):
        top, left = row * cell.shape[0], column * cell.shape[1]
        photo[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def bench_pipeline(pipeline: Pipeline, name: str, photo: bytes, expected: int, count: int) -> list[float]:
    """Seconds of each of `count` calls of the pipeline in this process, on one thread, for a photo of `expected` faces;
    prints the stages' medians."""
    pipeline.warm_up()
    times = []
    stages: dict[str, list[float]] = {}
    for _ in range(count):
        started = time.perf_counter()
        (result,) = pipeline([photo])
        times.append(time.perf_counter() - started)
        assert isinstance(result, Result) and len(result.faces) == expected
        for stage, elapsed in result.timings_ms.items():
            stages.setdefault(stage, []).append(elapsed)
    medians = ", ".join(f"{stage} {statistics.median(milliseconds):.1f} ms" for stage, milliseconds in stages.items())
    print(f"{name} in-process, median: {medians}")
    return times


def throughput_kept(photo: bytes, clients: int, seconds: float) -> list[float]:
    """Photos a second through the door over those of TorchServe itself, in each of some rounds.

    Who is first changes from round to round, so that a machine that grows busier favours neither.
    """
    shares = []
    for number in range(ROUNDS):
        ports = [ADDRESSES.door, ADDRESSES.inference]
        if number % 2:
            ports.reverse()
        rates = {port: saturate(Request(port, photo), clients, seconds)[0] for port in ports}
        shares.append(rates[ADDRESSES.door] / rates[ADDRESSES.inference])
    return shares


if __name__ == "__main__":
    main()
