"""HTTP with many clients: through the door and without it, and against the pipeline itself, in one run.

    python -m bench.throughput [../2.1.0]

They are loaded by turns, so that what else the machine does falls on all; with the service run as many processes as it
has workers, which run the pipeline on as many photos a call, without any server; and another checkout's service, if one
is named. The photo is 640×480, one face. Of the service's own loads the processor time of each part is printed.
"""

import argparse
import contextlib
import statistics
import sys
import time
from pathlib import Path

from bench.common import ADDRESSES, BATCH, WORKERS
from bench.in_process import in_process
from bench.load import Request, saturate
from bench.processor import Split
from bench.service import one_face
from serving.addresses import Addresses
from serving.processes import running
from serving.server import serving
from serving.torchserve import workers_are_ready

THEIRS = {"inference": 18180, "management": 18181, "metrics": 18182}
"""Ports; before version 2.2 there was no door."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "against", type=Path, nargs="?", help="root of a checkout before 2.2, with its model archive built"
    )
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=8.0, help="of load at a time")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    photo = one_face(640, 480)
    ports = [word for name, port in THEIRS.items() for word in (f"--{name}-port", str(port))]
    command = [sys.executable, "-m", "serving.server", *ports]
    with serving(ADDRESSES) as service, in_process(photo, WORKERS) as limit, contextlib.ExitStack() as stack:
        requests = {"HTTP": Request(ADDRESSES.door, photo), "HTTP, no door": Request(ADDRESSES.inference, photo)}
        service.wait_until_ready()
        if arguments.against:
            stack.enter_context(running(command, folder=arguments.against.resolve()))
            wait_until_ready(Addresses(management=THEIRS["management"]))
            requests["theirs, HTTP"] = Request(THEIRS["inference"], photo)
        for request in requests.values():
            saturate(request, arguments.clients, 2)
        splits = {name: Split(service) for name in requests}
        rates: dict[str, list[float]] = {name: [] for name in (*requests, "in-process")}
        for _ in range(arguments.rounds):
            for name, request in requests.items():
                rates[name].append(splits[name].load(request, arguments.clients, arguments.seconds))
            rates["in-process"].append(limit.rate(arguments.seconds, WORKERS, BATCH))
    for name, measured in rates.items():
        rounds = ", ".join(f"{rate:.1f}" for rate in measured)
        print(f"{name:14} {statistics.median(measured):7.1f} photos a second (rounds: {rounds})")
    for name in ("HTTP", "HTTP, no door"):
        print(f"{name:14} milliseconds of a core a photo: {splits[name]}")
    middle = {name: statistics.median(measured) for name, measured in rates.items()}
    for name in sorted(requests.keys() - {"HTTP"}):
        print(f"HTTP, {arguments.clients} clients: {middle['HTTP'] / middle[name]:.3f} times {name}")
    print(f"HTTP keeps {middle['HTTP'] / middle['in-process']:.0%} of {WORKERS} processes in-process")


def wait_until_ready(addresses: Addresses, timeout: float = 120.0) -> None:
    """Return once TorchServe's workers are ready; raises `TimeoutError`."""
    deadline = time.monotonic() + timeout
    while not workers_are_ready(addresses):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no ready workers on port {addresses.management}")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
