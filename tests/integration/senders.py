"""Clients that never stop sending, each on a kept-alive connection of its own, and keep account of every request."""

import contextlib
import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from emotion.contract import TIMEOUT_HEADER
from serving.addresses import Addresses


@dataclass
class Account:
    """How many requests ended how: by status, `refused` (there was no connection to send it on), or `lost`."""

    ended: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)
    closed: int = 0
    """Answers that ended their connection."""
    slowest: float = 0.0
    """Seconds of the slowest answer."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Ends all senders after their answers, when it is set."""


PATIENCE = 120
"""Seconds. The service is told of it: after its usual patience it would not look at a photo any more."""


class Sender(threading.Thread):
    """Sends `photo` again and again until nobody takes its connection any more, or it is told to stop."""

    def __init__(self, host: str, port: int, photo: bytes, account: Account) -> None:
        super().__init__()
        self._host, self._port, self._photo, self._account = host, port, photo, account
        self._sent = 0

    def run(self) -> None:
        while not self._account.stop.is_set():
            connection = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE)
            try:
                connection.connect()
            except ConnectionRefusedError:
                self._account.ended["refused"] += 1
                return
            except OSError as error:
                self._account.ended["lost"] += 1
                self._account.losses.append(f"{error!r} at connecting")
                return
            with contextlib.closing(connection):
                self._use(connection)

    def _use(self, connection: http.client.HTTPConnection) -> None:
        """Send on this connection until an answer says that it was the last."""
        headers = {"Content-Type": "application/octet-stream", TIMEOUT_HEADER: str(PATIENCE)}
        self._sent = 0
        while not self._account.stop.is_set():
            started = time.monotonic()
            try:
                connection.request("POST", "/predictions/emotion", body=self._photo, headers=headers)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                self._account.ended["lost"] += 1
                self._account.losses.append(f"{error!r} after {self._sent} answers on this connection")
                return
            self._sent += 1
            self._account.slowest = max(self._account.slowest, time.monotonic() - started)
            self._account.ended[str(response.status)] += 1
            if response.will_close:
                self._account.closed += 1
                return


@contextlib.contextmanager
def senders(addresses: Addresses, photo: bytes, count: int, host: str = "127.0.0.1") -> Iterator[Account]:
    """So many clients at work; on leaving, each has ended its last request."""
    account = Account()
    threads = [Sender(host, addresses.door, photo, account) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield account
        for thread in threads:
            thread.join(120)
    finally:
        account.stop.set()
        for thread in threads:
            thread.join(120)
