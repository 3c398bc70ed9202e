"""TorchServe's description of its model, read from the management address."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Description:
    """Workers that are READY and that are wanted, photos that wait, places in the queue, and the model's version."""

    version: str
    ready_workers: int
    wanted_workers: int
    queue_depth: int
    queue_size: int

    @property
    def is_ready(self) -> bool:
        """Whether every wanted worker can answer, and there is one."""
        return self.ready_workers >= max(self.wanted_workers, 1)


class Unreachable(Exception):
    """TorchServe did not describe its model; the message says why."""


def describe(management: str, model: str, timeout: float) -> Description:
    """Ask the management address (a base URL) about `model`. Raises `Unreachable`."""
    try:
        with urllib.request.urlopen(f"{management}/models/{model}", timeout=timeout) as response:  # noqa: S310, ours
            (described,) = json.load(response)
        return parse(described)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unreachable(f"{management}/models/{model}: {type(error).__name__}: {error}") from error


def parse(described: dict[str, Any]) -> Description:
    """The description in one element of the answer to `GET /models/<model>`."""
    queue = described["jobQueueStatus"]
    waiting, free = int(queue["pendingRequests"]), int(queue["remainingCapacity"])
    return Description(
        version=str(described["modelVersion"]),
        ready_workers=sum(worker["status"] == "READY" for worker in described["workers"]),
        wanted_workers=int(described["minWorkers"]),
        queue_depth=waiting,
        queue_size=waiting + free,
    )
