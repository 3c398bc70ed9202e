"""Become TorchServe inside a container: `python -m serving.container`.

This process replaces itself by Java, so that the container's signals reach the JVM and nothing stands between.
"""

import os
import sys
from pathlib import Path

from serving.server import ARCHIVE, Addresses, ServerFailed, command, environment

SCRATCH = Path("/tmp")  # noqa: S108, the one writable path that the image declares


def main() -> None:
    if not ARCHIVE.is_file():
        sys.exit(f"error: no model archive at {ARCHIVE}")
    try:
        java = command(ARCHIVE, SCRATCH)
    except ServerFailed as error:
        sys.exit(f"error: {error}")
    os.execve(java[0], java, container_environment())  # noqa: S606, no shell is wanted


def container_environment() -> dict[str, str]:
    """As on one machine, but reachable from the network: inference and metrics, never management."""
    everywhere = {"TS_INFERENCE_ADDRESS": "http://0.0.0.0:8080", "TS_METRICS_ADDRESS": "http://0.0.0.0:8082"}
    return environment(Addresses(), SCRATCH) | everywhere


if __name__ == "__main__":
    main()
