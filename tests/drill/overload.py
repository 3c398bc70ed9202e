"""Four times more photos than the service can read, whether it answers or not (an open loop), for a minute.

And many at once whose clients hang up before their turn.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import Request, saturate
from bench.service import one_face
from serving.addresses import Addresses
from tests.drill.rows import Row
from tests.integration.commands import running
from tests.integration.conftest import free_addresses
from tests.integration.test_service import grown, metrics

TIMES = 4
"""Photos that are sent, for each that can be read."""

ACCEPTED, REFUSED, RECOVERY = 1.0, 0.05, 5.0
"""Seconds: the 99th percentile of accepted photos, that of refused ones, and until a lone photo is fast again."""


IMPATIENT, PATIENCE = 45, 0.3
"""Clients that hang up, and after how many seconds."""

IN_WORK = 8
"""Photos that two workers may have begun with when their clients hang up: a batch of four each."""


@dataclass
class Outcome:
    """Seconds of each answer by its status, and how many requests got none."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    lost: int = 0


def request(photo: bytes) -> bytes:
    head = f"POST /predictions/emotion HTTP/1.1\r\nHost: x\r\nContent-Length: {len(photo)}\r\n\r\n"
    return head.encode() + photo


class Sender:
    """Sends one photo again and again over connections that are kept, and opened where all are in use."""

    def __init__(self, port: int, photo: bytes) -> None:
        self._request, self._port = request(photo), port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.outcome = Outcome()

    async def send(self) -> None:
        started = time.perf_counter()
        try:
            reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(self._request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        except (OSError, asyncio.IncompleteReadError):
            self.outcome.lost += 1
            return
        self.outcome.seconds.setdefault(int(head[9:12]), []).append(time.perf_counter() - started)
        if "connection: close" in head:
            writer.close()
        else:
            self._free.append((reader, writer))


async def flood(port: int, photo: bytes, rate: float, seconds: float) -> Outcome:
    """`rate` photos a second for `seconds`, each at its time."""
    sender, begin = Sender(port, photo), time.perf_counter()
    tasks = []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(begin + number / rate - time.perf_counter(), 0))
        tasks.append(asyncio.create_task(sender.send()))
    await asyncio.gather(*tasks)
    return sender.outcome


def overload(folder: Path, seconds: float) -> Iterator[Row]:
    addresses = free_addresses()
    photo = one_face(640, 480)
    with running(folder, addresses):
        capacity, _ = saturate(Request(addresses.door, photo), 16, min(seconds, 10))
        usual = lone(addresses, photo)
        outcome = asyncio.run(flood(addresses.door, photo, TIMES * capacity, seconds))
        ended = time.perf_counter()
        while lone(addresses, photo) > 2 * usual and time.perf_counter() - ended < 60:
            pass
        recovery = time.perf_counter() - ended
        impatient = hung_up(addresses)
    accepted, refused = (percentile(outcome.seconds.get(status, [0.0])) for status in (200, 503))
    other = sum(len(times) for status, times in outcome.seconds.items() if status not in {200, 503})
    yield Row(
        f"overload: {TIMES * capacity:.0f} photos a second, {TIMES} times what it can, for {seconds:.0f} s",
        sum(map(len, outcome.seconds.values())) + outcome.lost,
        outcome.lost + other,
        f"accepted p99 {accepted:.2f} s; refused p99 {1000 * refused:.0f} ms; recovery {recovery:.1f} s",
        accepted < ACCEPTED and refused < REFUSED and recovery < RECOVERY and not outcome.lost + other,
    )
    yield impatient


def hung_up(addresses: Addresses) -> Row:
    """Large photos at once, fewer than may wait; each client hangs up after a time in which some have their answer."""
    photo, before = one_face(4000, 3000), metrics(addresses)

    async def ask() -> bool:
        """Whether there was an answer in time."""
        reader, writer = await asyncio.open_connection("127.0.0.1", addresses.door)
        writer.write(request(photo))
        try:
            async with asyncio.timeout(PATIENCE):
                return bool(await reader.read(1))
        except TimeoutError:
            return False
        finally:
            writer.close()

    async def ask_all() -> int:
        return sum(await asyncio.gather(*(ask() for _ in range(IMPATIENT))))

    answered, deadline = asyncio.run(ask_all()), time.monotonic() + 20
    looked_at = refused = 0.0
    while looked_at + refused < IMPATIENT and time.monotonic() < deadline:
        time.sleep(0.2)
        looked_at, refused = (grown(addresses, before, f"emotion_images_{what}") for what in ("analysed", "rejected"))
    in_vain = round(looked_at) - answered
    return Row(
        f"{IMPATIENT} photos of 12 megapixels, whose clients hang up after {PATIENCE:g} s",
        IMPATIENT,
        0,
        f"{answered} answered before, {in_vain} looked at in vain, {refused:.0f} not looked at",
        in_vain <= IN_WORK and looked_at + refused == IMPATIENT,
    )


def lone(addresses: Addresses, photo: bytes) -> float:
    """Seconds of one photo sent alone, the median of five."""
    sender = Sender(addresses.door, photo)

    async def send() -> None:
        for _ in range(5):
            await sender.send()

    asyncio.run(send())
    return statistics.median(sender.outcome.seconds.get(200, [60.0]))


def percentile(times: list[float]) -> float:
    """The 99th."""
    return sorted(times)[int(0.99 * (len(times) - 1))]
