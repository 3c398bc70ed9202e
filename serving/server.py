"""Run the service in the foreground, TorchServe and the door in front of it: `python -m serving.server`."""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emotion import policy
from serving.access import token_from
from serving.addresses import LOOPBACK, PORTS, Addresses, ServerFailed, check_port
from serving.door import door, is_open
from serving.processes import ask_to_stop, stopping_on_signals
from serving.torchserve import ARCHIVE, torchserve, workers_are_ready

LAST_WORDS = 1.0
"""Seconds that the door gets when TorchServe has died: requests in flight hear of it at once."""


@dataclass(frozen=True)
class Service:
    """The processes of a running service."""

    addresses: Addresses
    torchserve: subprocess.Popen[bytes]
    door: subprocess.Popen[bytes]

    def wait_until_ready(self, timeout: float = 120.0) -> None:
        """Return once all wanted workers can answer, and the door says so.

        Raises `ServerFailed` when a process ends or `timeout` seconds pass.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.check("while starting; see its log above")
            if workers_are_ready(self.addresses) and is_open(self.addresses):
                return
            time.sleep(0.2)
        raise ServerFailed(f"TorchServe has no ready workers after {timeout:.0f} s; see its log above")

    def check(self, when: str = "by itself; see its log above") -> None:
        """Raise `ServerFailed` if a part has ended."""
        for name, process in (("TorchServe", self.torchserve), ("the door", self.door)):
            if process.poll() is not None:
                raise ServerFailed(f"{name} ended with status {process.returncode} {when}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the service in the foreground.")
    add_port_arguments(parser)
    parser.add_argument("--archive", type=Path, default=ARCHIVE, help="the model archive (default: %(default)s)")
    arguments = vars(parser.parse_args())
    archive = arguments.pop("archive")
    addresses = Addresses(**arguments)
    try:
        with stopping_on_signals(), serving(addresses, archive) as service:
            service.wait_until_ready()
            print(f"ready: POST a photo to {addresses.predictions}", flush=True)
            stay(service)
    except ServerFailed as error:
        sys.exit(f"error: {error}")


def add_port_arguments(parser: argparse.ArgumentParser) -> None:
    """An option for each port, named as in `Addresses`."""
    for name, default in vars(Addresses()).items():
        said = f"{PORTS[name]} (default: {default})"
        parser.add_argument(f"--{name.replace('_', '-')}-port", dest=name, type=int, default=default, help=said)


@contextlib.contextmanager
def serving(addresses: Addresses, archive: Path = ARCHIVE, host: str = LOOPBACK) -> Iterator[Service]:
    """The service with `archive` loading; the door is there at once and says that it is not ready.

    On leaving the door goes first, when everything that came in has its answer; then TorchServe stops.

    `host`: where the door and the metrics listen. Whether photos need a token, `serving.access` says. Raises
    `ServerFailed`.
    """
    token = token_from(os.environ, host)
    for name, port in vars(addresses).items():
        check_port(name, port)
    try:
        policy.from_environment()  # the workers read it again; but what they say when they end, nobody sees
    except policy.PolicyError as error:
        raise ServerFailed(str(error)) from error
    with torchserve(addresses, archive, host) as behind, door(addresses, host, token) as front:
        try:
            yield Service(addresses, behind, front)
        finally:
            if behind.poll() is not None:
                # Nothing can be answered any more. The door says so to whoever asks, but nobody need wait for its end.
                ask_to_stop(front, LAST_WORDS)
                front.kill()  # while it leaves it hears no other signal


def stay(service: Service) -> None:
    """Return never: a signal ends it (`Stopped`), or the end of a part (`ServerFailed`)."""
    while True:
        service.check()
        time.sleep(0.2)


if __name__ == "__main__":
    main()
