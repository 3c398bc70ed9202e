"""Ten minutes of the same work leave memory, threads and descriptors as they were."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.service import one_face
from tests.drill.rows import Row
from tests.integration.commands import Command, running
from tests.integration.conftest import free_addresses
from tests.integration.senders import senders

BOUND = 0.03
"""Most growth of each, from the first fifth of the time to the end."""


def soak(folder: Path, seconds: float) -> Iterator[Row]:
    addresses = free_addresses()
    with running(folder, addresses) as service, senders(addresses, one_face(640, 480), 2) as account:
        time.sleep(seconds / 5)
        before = used(service)
        time.sleep(seconds * 4 / 5)
        after = used(service)
        account.stop.set()
    growth = {name: after[name] / before[name] - 1 for name in before}
    lost = sum(count for outcome, count in account.ended.items() if outcome != "200")
    said = ", ".join(f"{name} {share:+.1%}" for name, share in growth.items())
    held = max(growth.values()) <= BOUND and not lost
    yield Row(f"{seconds / 60:.0f} minutes' soak", sum(account.ended.values()), lost, said, held)


def used(service: Command) -> dict[str, float]:
    """Of all the service's processes together."""
    processes = psutil.Process(service.process.pid).children(recursive=True)
    return {
        "memory": sum(each.memory_full_info().uss for each in processes),
        "threads": sum(each.num_threads() for each in processes),
        "descriptors": sum(each.num_fds() for each in processes),
    }
