"""The pipeline in a process of its own, so that a photo that ends it or never ends becomes a row like any other.

Without that, Ray would start the worker again and give it the same photo, for ever.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from bulk.rows import Row, failure, rows
from emotion.contract import Detail
from emotion.pipeline import Pipeline

CRASHED, TIMED_OUT = "worker_crashed", "timed_out"
"""The outcomes of a photo that ended its process (a fault in a decoder, memory), and of one that took too long."""

LIMIT = 120.0
"""Seconds for one call of the pipeline; on a busy core its photos take one or two."""

Photos = Sequence[tuple[str, bytes]]
Analyse = Callable[[Photos], list[list[Row]]]


def load(detail: Detail, models: str | None) -> tuple[str, Analyse]:
    """The model's version, and what gives the rows of each photo (URI, file)."""
    pipeline = Pipeline.load(Path(models)) if models else Pipeline.load()
    pipeline.warm_up()
    classifier = pipeline.classifier

    def analyse(photos: Photos) -> list[list[Row]]:
        results = pipeline([data for _, data in photos], detail)
        return [rows(uri, result, classifier) for (uri, _), result in zip(photos, results, strict=True)]

    return classifier.version, analyse


class Guard:
    """Analyses photos in another process, which is replaced when it dies or is too slow.

    `make` runs in that process and returns what `load` does; it must be picklable.
    """

    def __init__(self, make: Callable[[], tuple[str, Analyse]], limit: float = LIMIT) -> None:
        self._make, self._limit = make, limit
        self.version = ""
        self._start()

    def __call__(self, photos: Photos) -> list[list[Row]]:
        """The rows of each photo. Those of a call that failed are analysed once more, one by one, to find which it is.

        Raises `RuntimeError` when the process cannot even be started: that is no photo's fault.
        """
        try:
            return self._ask(photos)
        except (EOFError, OSError, TimeoutError) as error:
            self._restart()
            if len(photos) > 1:
                return [found for each in photos for found in self([each])]
            late = isinstance(error, TimeoutError)
            code, message = (TIMED_OUT, f"no answer in {self._limit:g} s") if late else (CRASHED, "its process died")
            return [failure(photos[0][0], self.version, code, message)]

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _ask(self, photos: Photos) -> list[list[Row]]:
        self._connection.send(photos)
        if not self._connection.poll(self._limit):
            raise TimeoutError
        found: list[list[Row]] = self._connection.recv()
        return found

    def _start(self) -> None:
        # Spawned, not forked: the child holds no end of the pipe but its own, so it ends when this process does.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._make), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self.version = self._connection.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"the pipeline cannot be loaded (status {self._process.exitcode})") from None

    def _restart(self) -> None:
        self.close()
        self._start()


def _serve(connection: "Connection[object, object]", make: Callable[[], tuple[str, Analyse]]) -> None:
    version, analyse = make()
    connection.send(version)
    while True:
        try:
            photos: Photos = connection.recv()  # type: ignore[assignment]
        except EOFError:
            return
        connection.send(analyse(photos))
