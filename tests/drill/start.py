"""`serving.server` with another archive, which ends as soon as it is ready: what a start in bad circumstances says."""

import argparse
import sys
from pathlib import Path

from serving.addresses import Addresses, ServerFailed
from serving.processes import stopping_on_signals
from serving.server import add_port_arguments, serving
from serving.torchserve import ARCHIVE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_port_arguments(parser)
    parser.add_argument("--archive", type=Path, default=ARCHIVE)
    arguments = vars(parser.parse_args())
    archive = arguments.pop("archive")
    try:
        with stopping_on_signals(), serving(Addresses(**arguments), archive) as service:
            service.wait_until_ready()
            print("ready", file=sys.stderr)
    except (ServerFailed, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
