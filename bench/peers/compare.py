"""This service beside its peers, in one run on one machine: `python -m bench.peers.compare`, or `make bench-peers`.

Each server gets the same photo (640×480, one face) from one client and from sixteen, alone on the machine: this service
through its door, in `standard` and in `fast`; the same pipeline behind LitServe, with as many workers and the same
batches; deepface's REST API with its default detector, started as its own image starts it (one worker), and with as
many workers as this service. The limit is the pipeline without a server, in as many processes. Writes `results.json`
and `RESULTS.md`; compare the ratios.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.load import ROOT, Client, Request, in_process, latencies, saturate
from bench.service import one_face
from serving.addresses import Addresses
from serving.processes import running
from serving.server import serving

FOLDER = Path(__file__).parent
ENVIRONMENTS = ROOT / ".venv-peers"
SETTINGS = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text(encoding="utf-8"))
WORKERS: int = SETTINGS["minWorkers"]

ADDRESSES = Addresses(18080, 18081, 18082, 18084, 18085)
LITSERVE_PORT, DEEPFACE_PORT = 18090, 18091
BOUNDARY = "bench-peers"
STARTING = 180.0
"""Seconds that a peer may take until it answers."""


@dataclass(frozen=True)
class Row:
    """What was measured of one server: its median latency to one client, and photos a second to one and to many."""

    name: str
    milliseconds: float | None
    one: float
    many: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0, help="of load at a time")
    parser.add_argument("--requests", type=int, default=50, help="of one client")
    arguments = parser.parse_args()
    photo = one_face(640, 480)
    rows: list[Row] = []

    def measure(name: str, request: Request) -> None:
        alone = latencies([request], arguments.requests)[0]
        many, _ = saturate(request, arguments.clients, arguments.seconds)
        rows.append(Row(name, statistics.median(alone) * 1000, 1 / statistics.mean(alone), many))
        print(rows[-1], flush=True)

    for detail in ("standard", "fast"):
        one, many = (in_process(photo, number, arguments.seconds, detail=detail) for number in (1, WORKERS))
        rows.append(Row(f"the pipeline in-process, {detail}: 1 and {WORKERS} processes", None, one, many))
        print(rows[-1], flush=True)
    with serving(ADDRESSES) as service:
        service.wait_until_ready()
        for detail in ("standard", "fast"):
            path = f"/predictions/emotion?detail={detail}"
            measure(f"this service, {detail}", Request(ADDRESSES.door, photo, path))
    with litserve(photo) as request:
        measure(f"the pipeline behind LitServe, {WORKERS} workers", request)
    for workers in (1, WORKERS):
        with deepface(photo, workers) as (request, weights):
            measure(f"deepface's REST API, {workers} worker{'s' * (workers > 1)}, {weights}", request)
    write(rows, arguments.clients)


@contextlib.contextmanager
def litserve(photo: bytes) -> Iterator[Request]:
    """The pipeline behind LitServe, ready; what to send it."""
    options = {"port": LITSERVE_PORT, "workers": WORKERS, "batch": SETTINGS["batchSize"]}
    options["delay"] = SETTINGS["maxBatchDelay"] / 1000
    command = [str(ENVIRONMENTS / "litserve/bin/python"), "-m", "bench.peers.litserve_server"]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with running(command, os.environ | threads, ROOT):
        request = Request(LITSERVE_PORT, *form("/predict", "data", photo))
        wait_until_answered(request)
        yield request


@contextlib.contextmanager
def deepface(photo: bytes, workers: int) -> Iterator[tuple[Request, str]]:
    """deepface's REST API, ready; what to send it, and which weights it has."""
    with tempfile.TemporaryDirectory(prefix="emotion-deepface-") as scratch:
        weights = Path(scratch) / "weights"
        environment = os.environ | {"DEEPFACE_HOME": scratch, "WEIGHTS": str(weights), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [str(ENVIRONMENTS / "deepface/bin/gunicorn"), f"--workers={workers}", "--timeout=7200"]
        command += [f"--bind=127.0.0.1:{DEEPFACE_PORT}", "bench.peers.deepface_server:create_app()"]
        with running(command, environment, ROOT):
            request = Request(DEEPFACE_PORT, *form("/analyze", "img", photo, actions='["emotion"]'))
            answer = json.loads(wait_until_answered(request))
            assert len(answer["results"]) == 1, answer
            yield request, weights.read_text(encoding="utf-8")


def form(path: str, field: str, photo: bytes, **texts: str) -> tuple[bytes, str, str]:
    """The body of a form with the photo in `field`, the path, and the content type."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in texts.items()
    ]
    parts.append(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="photo.jpg"\r\n'
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


def write(rows: list[Row], clients: int) -> None:
    """`results.json` and `RESULTS.md`, ratios included."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    measured: dict[str, Any] = {
        "machine": machine,
        "photo": "640×480, one face",
        "clients": clients,
        "rows": [
            {
                "name": row.name,
                "median_ms": row.milliseconds and round(row.milliseconds, 2),
                "photos_per_second_one": round(row.one, 2),
                "photos_per_second_many": round(row.many, 2),
            }
            for row in rows
        ],
    }
    (FOLDER / "results.json").write_text(json.dumps(measured, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    ours = {row.name.rpartition(" ")[2]: row for row in rows if row.name.startswith("this service")}
    lines = [
        "# Beside its peers",
        "",
        f"`make bench-peers`, one run on {machine}: a photo of 640×480 with one face. Random weights, where",
        "a row names them, are as fast as deepface's own, which could not be had; they say nothing of its answers. The",
        "last two columns: photos a second of this service to many clients over those of the row.",
        "",
        f"| what | median, 1 client | photos a second, 1 client | {clients} clients | standard over it "
        "| fast over it |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        latency = f"{row.milliseconds:.1f} ms" if row.milliseconds else "–"
        ratios = " | ".join(f"{ours[detail].many / row.many:.2f}" for detail in ("standard", "fast"))
        lines.append(f"| {row.name} | {latency} | {row.one:.1f} | {row.many:.1f} | {ratios} |")
    (FOLDER / "RESULTS.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
