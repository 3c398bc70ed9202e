"""The commands that people type, as processes of their own, their output in a file."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from serving.addresses import Addresses
from tests.conftest import ROOT
from tests.integration.watching import eventually


@dataclass(frozen=True)
class Command:
    """A running `python -m serving.…`."""

    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        """All that it and its children have written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def says(self, text: str) -> bool:
        """Whether it has written `text`; fails when it has ended."""
        assert self.process.poll() is None, self.output()
        return text in self.output()

    def child(self, name: str) -> psutil.Process:
        """Its child of that name."""
        (found,) = [each for each in psutil.Process(self.process.pid).children() if each.name() == name]
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 120) -> int:
        """Its exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


def port_options(addresses: Addresses) -> list[str]:
    return [f"--{name.replace('_', '-')}-port={port}" for name, port in vars(addresses).items()]


@contextlib.contextmanager
def running(
    folder: Path, addresses: Addresses, module: str = "serving.server", *options: str, **settings: str
) -> Iterator[Command]:
    """The command, ready; stopped at the end if it still runs. What it writes besides its log is under `folder`/tmp."""
    scratch, log = folder / "tmp", folder / "log"
    scratch.mkdir()
    command = [sys.executable, "-u", "-m", module, *port_options(addresses), *options]
    environment = os.environ | {"TMPDIR": str(scratch)} | settings
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        started = Command(process, log)
        try:
            eventually(lambda: started.says("ready: "), 150)
            yield started
        finally:
            process.terminate()
