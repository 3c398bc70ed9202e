"""Become TorchServe inside a container: `python -m serving.container`.

This process replaces itself with Java, so that the container's signals reach the JVM directly.
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
    # Other machines may reach inference and metrics, but never management.
    os.execve(java[0], java, environment(Addresses(), SCRATCH, host="0.0.0.0"))  # noqa: S104, S606


if __name__ == "__main__":
    main()
