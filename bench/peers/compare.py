"""This service beside its peers, in one run on one machine: `python -m bench.peers.compare`, or `make bench-peers`.

Each gets the same photo (640×480, one face), first from one client, then from sixteen: this service through its door,
in `standard` and in `fast`; the same pipeline behind LitServe, with as many workers and the same batches; deepface's
REST API with its default detector, started as its own image starts it (one worker), and with as many workers as this
service. The limit is the pipeline without a server, in as many processes. They are loaded by turns, so that what else
the machine does falls on all, and those whose turn it is not stand still. Writes `results.json` and `RESULTS.md`;
compare the ratios.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import skimage.data

from bench.common import BATCH, WORKERS
from bench.in_process import in_process
from bench.load import LEAD, Request, latencies, saturate
from bench.peers.servers import DETAILS, WEIGHTS, starting, wait_until_answered
from bench.processor import family, processor_seconds
from emotion.contract import Detail

FOLDER = Path(__file__).parent


@dataclass
class Row:
    """What was measured of one server, or of the pipeline itself: photos a second of one client (of one process), and
    in each round of many (of all processes), with the processor milliseconds that a photo took; `milliseconds` is one
    client's median."""

    name: str
    milliseconds: float | None = None
    one: float = 0.0
    many: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def measure(self, processes: Sequence[subprocess.Popen[Any]], seconds: float, load: Callable[[], float]) -> None:
        """A round: `load` keeps the processes busy and returns photos a second."""
        with ThreadPoolExecutor(1) as watching:
            used = watching.submit(spent_under_load, processes, seconds)
            self.many.append(load())
        self.processor.append(used.result() / (self.many[-1] * seconds) * 1000)


def spent_under_load(processes: Sequence[subprocess.Popen[Any]], seconds: float) -> float:
    """Processor time of the processes and all their children in the seconds in which a load is counted."""

    def used() -> float:
        return processor_seconds(*(member for process in processes for member in family(process.pid)))

    time.sleep(LEAD)
    before = used()
    time.sleep(seconds)
    return used() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=8.0, help="of load at a time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=50, help="of one client")
    arguments = parser.parse_args()
    photo = one_face_for_all()
    with (
        contextlib.ExitStack() as stack,
        tempfile.TemporaryDirectory(prefix="emotion-deepface-") as scratch,
        starting(photo, Path(scratch)) as servers,
    ):
        limits = {
            f"the pipeline in-process, {detail}, {WORKERS} processes": stack.enter_context(
                in_process(photo, WORKERS, detail)
            )
            for detail in DETAILS
        }
        for name, server in servers.items():
            check_one_face(name, wait_until_answered(server.request))
        weights = (Path(scratch) / WEIGHTS).read_text(encoding="utf-8")
        for server in servers.values():
            server.signal(signal.SIGSTOP)
        rows = {name: Row(name) for name in (*limits, *servers)}
        for name, limit in limits.items():
            rows[name].one = limit.rate(arguments.seconds, 1, 1)
        for name, server in servers.items():
            with server.turn() as request:
                (times,) = latencies([request], arguments.requests, warm_up=2)
            rows[name].milliseconds, rows[name].one = statistics.median(times) * 1000, 1 / statistics.mean(times)
        for number in range(arguments.rounds):
            for name, limit in limits.items():
                rows[name].measure(
                    limit.workers, arguments.seconds, partial(limit.rate, arguments.seconds, WORKERS, BATCH)
                )
            for name, server in servers.items():
                with server.turn() as request:
                    load = partial(throughput, request, arguments.clients, arguments.seconds)
                    rows[name].measure(server.processes, arguments.seconds, load)
            print(f"round {number + 1}:", *(f"{row.many[-1]:.1f}" for row in rows.values()), flush=True)
            write(list(rows.values()), arguments.clients, weights)  # each time: a run cut short is not lost


def throughput(request: Request, clients: int, seconds: float) -> float:
    """Photos a second."""
    return saturate(request, clients, seconds)[0]


def one_face_for_all() -> bytes:
    """Eileen Collins as JPEG, 640×480, cut so that deepface's detector takes nothing else for a face."""
    portrait = skimage.data.astronaut()[:360, :480, ::-1]
    photo = cv2.resize(portrait, (640, 480), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def check_one_face(name: str, text: bytes) -> None:
    """Raise `ValueError` unless the answer, this project's or deepface's, has one face: all must do the same work."""
    answer = json.loads(text)
    faces = answer["faces"] if "faces" in answer else answer["results"]
    if len(faces) != 1:
        raise ValueError(f"{name} found {len(faces)} faces: {text[:500]!r}")


def write(rows: list[Row], clients: int, weights: str) -> None:
    """`results.json` and `RESULTS.md`; a ratio is the median of the rounds' ratios."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    ours = {detail: next(row for row in rows if row.name == f"this service, {detail}") for detail in DETAILS}

    def ratio(row: Row, detail: Detail) -> float:
        return statistics.median(own / other for own, other in zip(ours[detail].many, row.many, strict=True))

    measured = {
        "machine": machine,
        "photo": "640×480, one face",
        "clients": clients,
        "deepface": weights,
        "rows": [
            {
                "name": row.name,
                "median_ms": row.milliseconds and round(row.milliseconds, 2),
                "photos_per_second_one": round(row.one, 2),
                "processor_ms": [round(taken, 2) for taken in row.processor],
                "photos_per_second_many": [round(rate, 2) for rate in row.many],
                "this_service_over_it": {detail: round(ratio(row, detail), 2) for detail in DETAILS},
            }
            for row in rows
        ],
    }
    (FOLDER / "results.json").write_text(json.dumps(measured, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = [
        "# Beside its peers",
        "",
        f"`make bench-peers`, one run on {machine}: a photo of 640×480 with one face, which each of them finds. Photos",
        f"a second: of one client (of one process), and of {clients} clients (of all processes), the median of",
        f"{len(rows[0].many)} rounds and their range. The last columns: this service's photos a second to {clients}",
        f"clients over those of the row, the median of the rounds' ratios. deepface had {weights}; random ones are as",
        "fast as its own, but say nothing of its answers.",
        "",
        f"| what | median, 1 client | photos a second: 1 client | {clients} clients | processor time a photo "
        "| standard over it | fast over it |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        latency = f"{row.milliseconds:.1f} ms" if row.milliseconds else "–"
        many = f"{statistics.median(row.many):.1f} ({min(row.many):.1f}–{max(row.many):.1f})"
        taken = f"{statistics.median(row.processor):.1f} ms"
        ratios = " | ".join(f"{ratio(row, detail):.2f}" for detail in DETAILS)
        lines.append(f"| {row.name} | {latency} | {row.one:.1f} | {many} | {taken} | {ratios} |")
    (FOLDER / "RESULTS.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
