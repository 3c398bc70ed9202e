"""Measure what one pod can do: `python -m bench.autoscaling.measure`, or `make bench-capacity`.

Starts the real TorchServe and writes `bench/autoscaling/measured.json`, from which the simulation and the capacity
table of k8s/README.md are made: how long a start takes, how long one photo takes alone, how many photos a second are
answered to 1 to 32 clients, and how much memory the process tree holds at rest, under load and under the worst load.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import requests
from prometheus_client.parser import text_string_to_metric_families

from bench.common import ADDRESSES
from bench.load import Request, latencies, saturate
from bench.service import one_face
from serving.server import serving

OUT = Path(__file__).with_name("measured.json")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what one pod can do.")
    parser.add_argument("--seconds", type=float, default=10.0, help="of load at each number of clients")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    starts = [start_up() for _ in range(3)]
    print(f"start to ready: {', '.join(f'{seconds:.1f}' for seconds in starts)} s")
    photo, large, largest = one_face(640, 480), one_face(4000, 3000), noisy(5000, 5000)
    with serving(ADDRESSES) as service:
        service.wait_until_ready()
        server = (service.torchserve, service.door)
        memory = {"at_rest": memory_of(*server)}
        (alone,) = latencies([Request(ADDRESSES.door, photo)], 300)
        load = [under_load(photo, clients, arguments.seconds) for clients in (1, 2, 4, 8, 16, 32)]
        memory["640×480, 32 clients"] = memory_of(*server)
        large_load = under_load(large, 8, arguments.seconds)
        memory["12 Mpx, 8 clients"] = memory_of(*server)
        with peak_memory(*server) as peak:
            flood(largest, clients=70, seconds=2 * arguments.seconds)
        memory[f"25 Mpx files of {len(largest) / 2**20:.0f} MiB, 70 clients"] = peak[0]
    measured = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "photo": "640×480, one face",
        "start_seconds": round(statistics.median(starts), 2),
        "alone_seconds": summary(alone),
        "load": load,
        "load_12_mpx": large_load,
        "memory_mib": memory,
    }
    arguments.out.write_text(json.dumps(measured, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(memory, indent=2, ensure_ascii=False))
    print(arguments.out)


def start_up() -> float:
    """Seconds from starting Java until all workers are ready."""
    started = time.perf_counter()
    with serving(ADDRESSES) as service:
        service.wait_until_ready()
        return time.perf_counter() - started


def summary(times: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100)
    return {
        "mean": round(statistics.mean(times), 5),
        "deviation": round(statistics.stdev(times), 5),
        "p50": round(cuts[49], 5),
        "p95": round(cuts[94], 5),
        "p99": round(cuts[98], 5),
    }


def under_load(photo: bytes, clients: int, seconds: float) -> dict[str, Any]:
    """Photos a second and the latency's summary with `clients` that each send the next photo at once.

    `batch` is what the handler counts of them, on which the autoscaler's busy share rests.
    """
    before = handled()
    throughput, times = saturate(Request(ADDRESSES.door, photo), clients, seconds)
    batches, busy, photos = (after - early for after, early in zip(handled(), before, strict=True))
    print(f"{clients:3} clients: {throughput:6.1f} photos/s, median {statistics.median(times) * 1000:.0f} ms")
    return {
        "clients": clients,
        "photos_per_second": round(throughput, 2),
        "seconds": summary(times),
        "batch": {"photos": round(photos / batches, 2), "seconds": round(busy / batches, 5)},
    }


def handled() -> list[float]:
    """So far: batches, the seconds that they took by the handler's clock, photos."""
    text = requests.get(f"http://127.0.0.1:{ADDRESSES.metrics}/metrics", timeout=10).text
    samples = {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}
    names = ("emotion_batch_seconds_count", "emotion_batch_seconds_sum", "emotion_request_seconds_count")
    return [samples.get(name, 0.0) for name in names]


def noisy(width: int, height: int) -> bytes:
    """A JPEG just under the service's limit in bytes; noise, because it compresses badly."""
    coarse = np.random.default_rng(0).integers(0, 256, size=(height // 2, width // 2, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    for quality in range(95, 5, -5):
        encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(encoded) < 15.5 * 2**20:
            return encoded
    raise AssertionError("no quality makes it small enough")


def flood(photo: bytes, clients: int, seconds: float) -> None:
    """Send the photo as often as possible and ignore the answers, refusals (503) included."""
    end = time.monotonic() + seconds

    def send() -> None:
        headers = {"Content-Type": "application/octet-stream"}
        while time.monotonic() < end:
            with contextlib.suppress(requests.RequestException):
                requests.post(ADDRESSES.predictions, data=photo, headers=headers, timeout=60)

    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def peak_memory(*server: subprocess.Popen[bytes]) -> Iterator[list[dict[str, float]]]:
    """A list of one element, the memory when the sum was largest so far; it is measured every half second."""
    peak = [memory_of(*server)]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            now = memory_of(*server)
            if now["sum"] > peak[0]["sum"]:
                peak[0] = now

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def memory_of(torchserve: subprocess.Popen[bytes], door: subprocess.Popen[bytes]) -> dict[str, float]:
    """MiB that the processes hold, shared pages counted once: Java's, the largest worker's, the door's, the sum."""
    java = psutil.Process(torchserve.pid)
    workers = [_held(child) for child in java.children(recursive=True)]
    held = {"java": _held(java), "largest_worker": max(workers), "door": _held(psutil.Process(door.pid))}
    held["sum"] = held["java"] + sum(workers) + held["door"]
    return {name: round(value) for name, value in held.items()}


def _held(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


if __name__ == "__main__":
    main()
