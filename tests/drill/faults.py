"""What breaks beside a request: workers, Java, disks, descriptors, models. Four clients send all the while."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from bench.service import one_face
from serving.addresses import Addresses
from serving.torchserve import ARCHIVE
from tests.conftest import ROOT
from tests.drill.rows import Row
from tests.integration.commands import Command, port_options, running
from tests.integration.conftest import free_addresses
from tests.integration.senders import Account, senders

CLIENTS = 4
SMALL = 24
"""MiB of a disk that is soon full."""

PAUSE = 10.0
"""Seconds for which a process stands still."""

LONGEST_START = 150.0
"""Seconds until a service that neither starts nor ends is given up."""

Fault = Callable[[Command, Addresses], object]

TOLD = {"200", "502", "503", "504"}
"""What the contract promises while something is broken; anything else is a loss."""


def faults(folder: Path) -> Iterator[Row]:
    yield under_load("one worker killed", folder / "one", lambda service, _: workers(service)[0].kill())
    yield under_load("both workers killed", folder / "both", kill_workers)
    yield under_load(
        "a worker stands still for 10 s", folder / "still", lambda service, _: stand_still(workers(service)[0])
    )
    yield under_load(
        "Java stands still for 10 s", folder / "java", lambda service, _: stand_still(service.child("java"))
    )
    yield java_killed(folder / "killed")
    yield under_load("1,000 idle connections", folder / "idle", lambda _, addresses: idle(addresses))
    with disk(folder / "disk") as small:
        yield under_load(
            "the temporary folder is full", folder / "temporary", lambda *_: fill(small), TMPDIR=str(small)
        )
    with disk(folder / "logs") as small:
        yield under_load("the disk of the log is full", small / "log", lambda *_: fill(small), TMPDIR=str(folder))
    with disk(folder / "start") as small:
        fill(small)
        yield at_start("the temporary folder is full at the start", {"TMPDIR": str(small)})
    yield at_start("64 file descriptors", {}, descriptors=64)
    broken = folder / "half.mar"
    broken.write_bytes(ARCHIVE.read_bytes()[: 2**20])
    yield at_start("half a model archive", {}, "no model archive at", broken)
    yield at_start("an unreadable model", {}, "no ready workers after", unreadable(folder / "unreadable"))


def under_load(name: str, folder: Path, fault: Fault, **settings: str) -> Row:
    """Clients send for two seconds, then `fault` happens, and they send until a hundred more have their answer."""
    folder.mkdir(parents=True)
    addresses = free_addresses()
    with running(folder, addresses, **settings) as service, timed(addresses) as account:
        time.sleep(2)
        fault(service, addresses)
        enough = account.ended["200"] + 100
        deadline = time.monotonic() + 60
        while account.ended["200"] < enough and service.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        recovered = account.ended["200"] >= enough
    lost = sum(count for outcome, count in account.ended.items() if outcome not in TOLD)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(account.ended.items()) if outcome != "200")
    worst = f"{account.slowest:.1f} s; {told or 'nothing else than answers'}"
    return Row(
        name, sum(account.ended.values()), lost, worst if recovered else f"not answered again; {worst}", recovered
    )


def java_killed(folder: Path) -> Row:
    """It ends the service, which whoever runs it starts again: what clients see, and how long nobody answers."""
    folder.mkdir(parents=True)
    addresses = free_addresses()
    with running(folder, addresses) as service, timed(addresses) as account:
        time.sleep(2)
        killed = time.monotonic()
        service.child("java").kill()
        status = service.process.wait(60)
        ended = time.monotonic() - killed
    again = folder / "again"
    again.mkdir()
    with running(again, addresses):
        ready = time.monotonic() - killed
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(account.ended.items()) if outcome != "200")
    lost = sum(count for outcome, count in account.ended.items() if outcome not in {*TOLD, "refused"})
    worst = f"status {status} after {ended:.1f} s, started again ready after {ready:.1f} s; {told}"
    return Row("Java killed", sum(account.ended.values()), lost, worst, status == 1)


@contextlib.contextmanager
def timed(addresses: Addresses) -> Iterator[Account]:
    with senders(addresses, one_face(640, 480), CLIENTS) as account:
        yield account
        account.stop.set()


def at_start(name: str, settings: dict[str, str], why: str = "", archive: Path = ARCHIVE, descriptors: int = 0) -> Row:
    """The service starts; or, where `why` says what must be said, it ends by itself with status 1 and says that."""
    command = [sys.executable, "-m", "serving.server", *port_options(free_addresses()), "--archive", str(archive)]
    if descriptors:
        command = ["prlimit", f"--nofile={descriptors}", *command]
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | settings, stdout=output, stderr=subprocess.STDOUT
        )
        said: list[str] = []
        while process.poll() is None and time.monotonic() - started < LONGEST_START:
            time.sleep(0.2)
            output.seek(0)
            said = output.read().strip().splitlines()
            if any(line.startswith("ready: ") for line in said):
                break
        ready = process.poll() is None and any(line.startswith("ready: ") for line in said)
        seconds = time.monotonic() - started
        process.terminate()
        status = process.wait(120)
        output.seek(0)
        said = output.read().strip().splitlines()
    if why:
        last = said[-1] if said else "nothing"
        held = not ready and status == 1 and why in last
        outcome = f"status {status}: {last[:110]}".replace("|", "/").replace(str(archive), "…")
    else:
        held, outcome = ready, "ready" if ready else "not ready"
    return Row(name, 1, int(not held), f"{outcome} after {seconds:.0f} s", held)


def unreadable(folder: Path) -> Path:
    """The archive, with half a network in it."""
    folder.mkdir()
    with zipfile.ZipFile(ARCHIVE) as whole, zipfile.ZipFile(folder / ARCHIVE.name, "w") as broken:
        for name in whole.namelist():
            content = whole.read(name)
            broken.writestr(name, content[: len(content) // 2] if name.endswith("emotion.onnx") else content)
    return folder / ARCHIVE.name


def workers(service: Command) -> list[psutil.Process]:
    java = service.child("java")
    return [each for each in java.children(recursive=True) if "model_service_worker" in " ".join(each.cmdline())]


def kill_workers(service: Command, _: Addresses) -> None:
    for each in workers(service):
        each.kill()


def stand_still(process: psutil.Process) -> None:
    process.send_signal(signal.SIGSTOP)
    time.sleep(PAUSE)
    process.send_signal(signal.SIGCONT)


def idle(addresses: Addresses) -> None:
    """They say nothing for a while; the service may close them."""
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(socket.create_connection(("127.0.0.1", addresses.door), timeout=10))
        time.sleep(3)


@contextlib.contextmanager
def disk(path: Path) -> Iterator[Path]:
    """A file system of `SMALL` MiB in memory, mounted at `path`; needs root."""
    path.mkdir(parents=True)
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={SMALL}m", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(path)], check=True)


def fill(path: Path) -> None:
    with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=path, delete=False, buffering=0) as file:
        while True:
            file.write(bytes(2**16))
