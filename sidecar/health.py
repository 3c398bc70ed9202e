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


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds.

    `dead_after`: a server without a ready worker counts as dead then; longer than a worker takes to restart.
    `propagation`: every proxy in the cluster knows by then that this pod takes no more photos.
    `quiet`: draining ends when the queue has been empty this long; longer than one batch takes.
    `drain_at_most`: draining ends then in any case.
    """

    dead_after: float = 60.0
    propagation: float = 8.0
    quiet: float = 2.0
    drain_at_most: float = 45.0


class Health:
    """Judges one TorchServe; several threads may ask at once."""

    def __init__(
        self,
        look: Callable[[], Description],
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`look` describes the server now, or raises `Unreachable`."""
        self._look, self._patience, self._clock, self._sleep = look, patience, clock, sleep
        self._lock = threading.Lock()
        self._last_ready: float | None = None
        self._draining = False

    def description(self) -> Description:
        """The server now. Raises `Unreachable`."""
        found = self._look()
        if found.ready_workers:
            with self._lock:
                self._last_ready = self._clock()
        return found

    def ready(self) -> Answer:
        """Whether photos should be sent here: all wanted workers can answer, and the pod is not on its way out."""
        if self._draining:
            return Answer(False, "draining")
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
        return Answer(silent <= self._patience.dead_after, f"{why}; the last ready one {silent:.0f} s ago")

    def drain(self) -> Answer:
        """Answer `ready` with no from now on, wait until proxies know, and then until the queue has stayed empty.

        What a worker holds is in no queue; `quiet` gives it time. A server that is gone has nothing to drain.
        """
        self._draining = True
        started = self._clock()
        end = started + self._patience.drain_at_most
        self._sleep(self._patience.propagation)
        empty_since: float | None = None
        while (now := self._clock()) < end:
            try:
                waiting = self.description().queue_depth
            except Unreachable:
                return Answer(True, "the server is gone")
            empty_since = None if waiting else (now if empty_since is None else empty_since)
            if empty_since is not None and now - empty_since >= self._patience.quiet:
                return Answer(True, f"drained in {now - started:.0f} s")
            self._sleep(0.2)
        return Answer(False, f"photos still waited after {self._patience.drain_at_most:.0f} s")
