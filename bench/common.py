"""What several benchmarks must know of the service."""

from pathlib import Path

import yaml

from serving.addresses import Addresses

ROOT = Path(__file__).resolve().parent.parent

SETTINGS = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text(encoding="utf-8"))
WORKERS, BATCH = SETTINGS["minWorkers"], SETTINGS["batchSize"]

FIRST_PORT = 18080
"""A service that is measured has ports of its own, so that another one may run meanwhile."""


def addresses_from(port: int) -> Addresses:
    """Those of a service whose first port is `port`."""
    return Addresses(*(port + each for each in (0, 1, 2, 4, 5)))


ADDRESSES = addresses_from(FIRST_PORT)
