"""Decides from TorchServe's descriptions over time what probes are answered."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sidecar.torchserve import Description, Unreachable


@dataclass(frozen=True)
class Answer:
    """Yes or no, and why, in a few words."""

    good: bool
    why: str


DEAD_AFTER = 60.0
"""Seconds after which a server without a ready worker counts as dead; longer than a worker takes to restart."""


class Health:
    """Judges one TorchServe; several threads may ask at once."""

    def __init__(
        self,
        look: Callable[[], Description],
        dead_after: float = DEAD_AFTER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`look` describes the server now, or raises `Unreachable`."""
        self._look, self._dead_after, self._clock = look, dead_after, clock
        self._lock = threading.Lock()
        self._last_ready: float | None = None

    def description(self) -> Description:
        """The server now. Raises `Unreachable`."""
        found = self._look()
        if found.ready_workers:
            with self._lock:
                self._last_ready = self._clock()
        return found

    def ready(self) -> Answer:
        """Whether all wanted workers can answer."""
        try:
            found = self.description()
        except Unreachable as error:
            return Answer(False, str(error))
        return Answer(found.is_ready, f"{found.ready_workers} of {found.wanted_workers} workers ready")

    def live(self) -> Answer:
        """Whether the server should be left running: a worker is ready, or was a short while ago.

        The answer is no until the first worker is ready; a startup probe covers that time.
        """
        try:
            found = self.description()
            why = f"{found.ready_workers} of {found.wanted_workers} workers ready"
        except Unreachable as error:
            why = str(error)
        with self._lock:
            last = self._last_ready
        if last is None:
            return Answer(False, f"{why}; none was ready yet")
        silent = self._clock() - last
        return Answer(silent <= self._dead_after, f"{why}; the last ready one {silent:.0f} s ago")
