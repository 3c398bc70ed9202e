"""The programs that a cluster in containers needs, and commands to them."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Missing(RuntimeError):
    """Something without which no cluster can be had here."""


class Failed(RuntimeError):
    """A command, or the cluster, did not do what it should."""


def docker() -> str:
    """The container engine that kind uses; podman's images have other names in it. Raises `Missing`."""
    found = program("docker", "kind runs a cluster's nodes as containers")
    done = subprocess.run([found, "info"], capture_output=True, text=True, check=False)
    if done.returncode:
        (*_, why) = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
        raise Missing(f"no container engine runs here: {why}")
    return found


def program(name: str, hint: str) -> str:
    """The path of a program. Raises `Missing`."""
    if found := shutil.which(name):
        return found
    raise Missing(f"{name} is not installed: {hint}")


@dataclass(frozen=True)
class Program:
    """A command line that is completed by `run`."""

    command: tuple[str | Path, ...]

    def run(self, *arguments: str | Path, timeout: float = 600.0, stdin: str | None = None) -> str:
        """What it prints. Raises `Failed` with its messages."""
        line = [*self.command, *arguments]
        said = " ".join([Path(line[0]).name, *map(str, arguments)])
        try:
            done = subprocess.run(line, capture_output=True, text=True, timeout=timeout, input=stdin, check=False)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"`{said}` took more than {timeout:.0f} s") from error
        if done.returncode:
            raise Failed(f"`{said}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def objects(self, *arguments: str) -> dict[str, Any]:
        """The JSON that it prints."""
        loaded: dict[str, Any] = json.loads(self.run(*arguments, "--output", "json"))
        return loaded

    @contextlib.contextmanager
    def running(self, *arguments: str | Path, stdin: Path) -> "Iterator[subprocess.Popen[str]]":
        """The command meanwhile, which reads a file and whose output is kept; it is ended if it has not by itself."""
        line = [*self.command, *arguments]
        with (
            stdin.open("rb") as read,
            subprocess.Popen(line, stdin=read, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        ):
            try:
                yield process
            finally:
                process.kill()


def without_errors(sender: "subprocess.Popen[str]", timeout: float) -> int:
    """How many photos were answered. Raises `Failed` when one was not."""
    out, err = sender.communicate(timeout=timeout)
    if sender.returncode:
        raise Failed(f"the sender ended with {sender.returncode}: {err.strip()}")
    found = json.loads(out)
    if found["errors"] or not found["answered"]:
        raise Failed(f"photos were lost: {found}")
    return int(found["answered"])


def names(found: dict[str, Any]) -> Sequence[str]:
    """Of the objects in a list."""
    return [item["metadata"]["name"] for item in found["items"]]
