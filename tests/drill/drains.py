"""Stops under clients that never stop sending: nothing that the door has taken is lost."""

import time
from collections.abc import Iterator
from pathlib import Path

from bench.service import one_face
from tests.drill.rows import Row
from tests.integration.commands import running
from tests.integration.conftest import free_addresses
from tests.integration.senders import senders


def drains(folder: Path, runs: int) -> Iterator[Row]:
    for clients, photo, what in (
        (1, one_face(640, 480), ""),
        (20, one_face(640, 480), ""),
        (50, one_face(4000, 3000), ", 12 Mpx"),
    ):
        tried = lost = failed = 0
        slowest, why = 0.0, set[str]()
        for run in range(runs):
            place = folder / f"{clients}-{run}"
            place.mkdir(parents=True)
            addresses = free_addresses()
            with running(place, addresses) as service, senders(addresses, photo, clients) as account:
                while account.ended["200"] < clients:
                    time.sleep(0.1)
                failed += service.stop() != 0
            tried += sum(count for outcome, count in account.ended.items() if outcome != "refused")
            lost += sum(count for outcome, count in account.ended.items() if outcome not in {"200", "refused"})
            slowest = max(slowest, account.slowest)
            why |= set(account.losses)
        name = f"{runs} stops under {clients} client{'s' if clients > 1 else ''}{what}"
        yield Row(
            name,
            tried,
            lost,
            "; ".join((f"{slowest:.1f} s", f"{failed} stops with an error", *sorted(why))),
            not lost and not failed,
        )
