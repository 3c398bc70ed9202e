"""The service as a container's only process tree: `python -m serving.container`.

This process is the container's first: the engine's SIGTERM reaches it, and it stops the door and then TorchServe. How
long a start may take is for probes to say: the door answers from the beginning, and tells them.
"""

import sys

from serving.addresses import Addresses, ServerFailed
from serving.processes import stopping_on_signals
from serving.server import serving, stay


def main() -> None:
    try:
        # The door and the metrics are there for the network.
        with stopping_on_signals(), serving(Addresses(), host="0.0.0.0") as service:  # noqa: S104
            stay(service)
    except ServerFailed as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
