"""The pipeline in a process of its own, so that a photo that ends it or never ends becomes a row like any other.

Without that, Ray would start the worker again and give it the same photo, for ever.
"""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from multiprocessing.connection import Connection, Pipe
from typing import Any

from bulk.rows import Row, failure

CRASHED, TIMED_OUT = "worker_crashed", "timed_out"
"""The outcomes of a photo that ended its process (a fault in a decoder, memory), and of one that took too long."""

LIMIT = 120.0
"""Seconds for one call of the pipeline; on a busy core its photos take one or two."""

Photos = Sequence[tuple[str, bytes]]
Analyse = Callable[[Photos], list[list[Row]]]


class Guard:
    """Analyses photos in another process, which is replaced when it dies or is too slow.

    `make` runs in that process and returns the model's version, and what gives the rows of each photo; it must be
    picklable.
    """

    def __init__(self, make: Callable[[], tuple[str, Analyse]], limit: float = LIMIT) -> None:
        self._make, self._limit = make, limit
        # Sending waits until the other process has taken what came before, and must not wait for one that hangs.
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="send")
        self._sent: Future[None] = Future()
        self._sent.set_result(None)
        self.version = ""
        self._start()

    def answers(self, calls: Iterable[Photos]) -> Iterator[list[list[Row]]]:
        """The rows of each photo of each call, in order. The next call is taken and sent while one is at work.

        The photos of a call that failed are analysed once more, one by one, to find which it is. Raises `RuntimeError`
        when the process cannot even be started: that is no photo's fault.
        """
        sent: deque[Photos] = deque()
        try:
            for photos in calls:
                self._send(photos)
                sent.append(photos)
                if len(sent) == 2:
                    yield self._next_answer(sent)
            while sent:
                yield self._next_answer(sent)
        finally:
            if sent:  # nobody waits for these answers any more, and nobody shall take them for others
                self._restart()

    def _next_answer(self, sent: deque[Photos]) -> list[list[Row]]:
        """The answer to the first of the calls that were sent, which is taken off them."""
        photos = sent.popleft()
        try:
            return self._receive()
        except (EOFError, OSError, TimeoutError) as error:
            self._restart()
            found = [self._alone(each) for each in photos] if len(photos) != 1 else [self._failure(photos[0], error)]
            for lost in sent:
                self._send(lost)
            return found

    def _alone(self, photo: tuple[str, bytes]) -> list[Row]:
        self._send([photo])
        try:
            return self._receive()[0]
        except (EOFError, OSError, TimeoutError) as error:
            self._restart()
            return self._failure(photo, error)

    def _failure(self, photo: tuple[str, bytes], error: Exception) -> list[Row]:
        late = isinstance(error, TimeoutError)
        code, message = (TIMED_OUT, f"no answer in {self._limit:g} s") if late else (CRASHED, "its process died")
        return failure(photo[0], self.version, code, message)

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        wait([self._sent])  # it has failed by now
        self._connection.close()

    def __del__(self) -> None:
        if hasattr(self, "_process"):
            self.close()

    def _send(self, photos: Photos) -> None:
        # Whether it arrives is seen by its answer.
        self._sent = self._sender.submit(self._connection.send, photos)

    def _receive(self) -> list[list[Row]]:
        if not self._connection.poll(self._limit):
            raise TimeoutError
        found: list[list[Row]] = self._connection.recv()
        return found

    def _start(self) -> None:
        # Not `multiprocessing.Process`: that would import Ray in the child too, which costs memory and seconds. The
        # child has the only other end of the connection, so it ends when this process does.
        self._connection, theirs = Pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from bulk.guard import serve; serve({theirs.fileno()})"],
            pass_fds=[theirs.fileno()],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        theirs.close()
        try:
            self._connection.send(self._make)
            self.version = self._connection.recv()
        except (EOFError, OSError):
            status = self._process.wait()
            raise RuntimeError(f"the pipeline cannot be loaded (status {status})") from None

    def _restart(self) -> None:
        self.close()
        self._start()


def serve(descriptor: int) -> None:
    """What the other process does, until its connection is closed."""
    connection: Any = Connection(descriptor)
    version, analyse = connection.recv()()
    connection.send(version)
    while True:
        try:
            photos: Photos = connection.recv()
        except EOFError:
            return
        connection.send(analyse(photos))
