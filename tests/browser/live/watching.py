"""Starts the live camera, answers it in place of the page's server, and watches what is drawn."""

import json
from collections.abc import Callable, Sequence
from itertools import count, pairwise
from typing import Any

from playwright.sync_api import Page, WebSocketRoute

from bench.camera import READ_CLOCKS, frames_in
from emotion.labels import LABELS

SECONDS_EACH = 2.0
"""How long the clip shows a portrait."""


def start(tab: Page) -> None:
    """Live camera, on."""
    choose_live(tab)
    tab.get_by_role("button", name="Start the camera").click()
    wait_for_overlays(tab)


def choose_live(tab: Page) -> None:
    """Live camera, off; from then on overlays and frames are counted."""
    tab.get_by_role("radio", name="Live camera").click()
    tab.get_by_role("button", name="Start the camera").wait_for()
    tab.evaluate(READ_CLOCKS, frames_in(SECONDS_EACH))
    tab.evaluate(
        """() => {
            window.sent = 0;
            const { send } = WebSocket.prototype;
            WebSocket.prototype.send = function (message) {
                if (message instanceof Blob) {
                    window.sent += 1;
                    window.begun ??= performance.now();
                }
                send.call(this, message);
            };
        }"""
    )


def wait_for_overlays(tab: Page, more: int = 3) -> None:
    before = len(overlays(tab))
    tab.wait_for_function(f"window.overlays.length >= {before + more}")


Answers = Callable[[int], Sequence[dict[str, Any]] | str | None]
"""For the frame with this number from 0: the people in it, or what went wrong; None for no answer."""


def answer(tab: Page, answers: Answers) -> list[WebSocketRoute]:
    """Answer the tab's frames in place of the page's server; returns the connections, to which more are added."""
    connections: list[WebSocketRoute] = []
    numbers = count()

    def connected(socket: WebSocketRoute) -> None:
        connections.append(socket)
        socket.on_message(received)

    def received(message: str | bytes) -> None:
        if isinstance(message, bytes) and (said := answers(next(numbers))) is not None:
            connections[-1].send(json.dumps({"error": said} if isinstance(said, str) else {"people": said}))

    tab.route_web_socket("**/live", connected)
    return connections


def person(number: int = 1, shown: str = "happy") -> dict[str, Any]:
    """As the server sends one; six have room beside each other."""
    box = [20 + 205 * ((number - 1) % 3), 60 + 200 * ((number - 1) // 3 % 2), 120, 140]
    probabilities = {name: 0.9 if name == shown else 0.1 / 6 for name in LABELS}
    return {"person": number, "box": box, "shown": shown, "confidence": 0.9, "probabilities": probabilities, "why": ""}


def is_drawn_over(tab: Page) -> bool:
    drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    return bool(tab.locator("canvas.overlay").evaluate(drawn))


def overlays(tab: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tab.evaluate("window.overlays")
    return found


def stands_still(tab: Page, under_way: int = 0) -> bool:
    """Whether no frame is sent and nothing is drawn, for longer than the pause after a refused frame.

    `under_way`: frames that may have been taken before, and may yet be sent and answered.
    """
    first = before = sent_and_drawn(tab)
    while True:
        tab.wait_for_timeout(1_300)
        now = sent_and_drawn(tab)
        if now == before or any(after - at > under_way for after, at in zip(now, first, strict=True)):
            return now == before
        before = now


def sent_and_drawn(tab: Page) -> list[int]:
    counts: list[int] = tab.evaluate("[window.sent, window.overlays.length]")
    return counts


def longest_pause(tab: Page, since: int = 0) -> float:
    """Milliseconds before any of the overlays from that number on: before the first, since a frame was sent.

    In a long one the camera and the page rightly take back what they said of the frames before.
    """
    times: list[float] = tab.evaluate("[window.begun, ...window.overlays.map(({ at }) => at)]")
    return max(later - at for at, later in pairwise(times[since:]))
