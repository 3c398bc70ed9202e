"""Load for HTTP servers: what the benchmarks measure with."""

import http.client
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

WARM_UP = 20
"""Requests of one client before any are counted."""

LEAD = 2.0
"""Seconds of load before anything is counted."""


@dataclass(frozen=True)
class Request:
    """A photo as a server wants it; the defaults are this service's."""

    port: int
    body: bytes
    path: str = "/predictions/emotion"
    content_type: str = "application/octet-stream"


class Client:
    """One connection that is kept alive; of the standard library, which costs the load generator the least time."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._connection = http.client.HTTPConnection("127.0.0.1", request.port, timeout=60)

    def send(self) -> bytes:
        """The answer; raises `RuntimeError` unless its status is 200."""
        headers = {"Content-Type": self._request.content_type}
        self._connection.request("POST", self._request.path, body=self._request.body, headers=headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"the server answered {response.status}: {answer[:500]!r}")
        return answer


def latencies(requests: Sequence[Request], count: int, warm_up: int = WARM_UP) -> list[list[float]]:
    """Seconds of each of `count` sendings of each request, one after the other and by turns, over one connection
    each, after `warm_up` that are not counted."""
    clients = [Client(request) for request in requests]
    times: list[list[float]] = [[] for _ in requests]
    for number in range(warm_up + count):
        for client, taken in zip(clients, times, strict=True):
            started = time.perf_counter()
            client.send()
            if number >= warm_up:
                taken.append(time.perf_counter() - started)
    return times


def saturate(request: Request, clients: int, seconds: float) -> tuple[float, list[float]]:
    """Photos a second and seconds of each request, with `clients` each sending the next photo at once."""
    times: list[float] = []
    begin = time.perf_counter() + LEAD
    end = begin + seconds

    def keep_sending() -> None:
        client = Client(request)
        while (started := time.perf_counter()) < end:
            client.send()
            finished = time.perf_counter()
            if begin <= finished <= end:
                times.append(finished - started)

    threads = [threading.Thread(target=keep_sending) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(times) / seconds, times
