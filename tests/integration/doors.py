"""What the tests of the door send, and how they look at what it answers and counts."""

import re
from collections import Counter

import requests

from serving.addresses import Addresses

TIMEOUT = 30

HTTP = requests.Session

HEAD = b"POST /predictions/emotion HTTP/1.1\r\nHost: x\r\n"
PART = HEAD + b"Content-Length: 300000\r\n\r\nabc"
"""Of an upload; the rest never comes."""

IN_FLIGHT = r'caddy_http_requests_in_flight\{[^}]*server="door"\} [1-9]'

MARK = b"Qz9vMarker"
"""What must not be found in an answer or a log."""


def assert_error(response: requests.Response, expected: int, code: str) -> None:
    """A contract error, and nothing in it or beside it that tells of what is behind."""
    assert response.status_code == expected, response.text
    assert response.headers["Content-Type"] == "application/json"
    assert set(response.json()) == {"error"}
    assert set(response.json()["error"]) == {"code", "message"}
    assert response.json()["error"]["code"] == code
    assert ("Retry-After" in response.headers) == (expected == 503)
    assert_discreet(response)


def assert_discreet(response: requests.Response) -> None:
    everything = f"{response.headers} {response.text}".lower()
    for name in ("torchserve", "java", "netty", "caddy", "pytorch", "exception"):
        assert name not in everything, everything
    assert response.headers["X-Request-Id"]


def scraped(server: Addresses) -> str:
    return requests.get(f"http://127.0.0.1:{server.door_metrics}/metrics", timeout=TIMEOUT).text


def counted(server: Addresses) -> Counter[tuple[str, int]]:
    """Requests that the door has ended, by method and status."""
    labels = r'code="(\d+)",handler="subroute",method="(\w+)",server="door"'
    found = re.findall(rf"caddy_http_request_duration_seconds_count\{{{labels}\}} (\d+)", scraped(server))
    return Counter({(method, int(code)): int(count) for code, method, count in found})
