"""Analyse a folder of photos of any size.

    python -m client.batch photos/ --out results.csv

Writes one line a face, and one line for a photo without faces or with an error, as soon as it is known. Started again
with the same `--out`, it goes on where it was stopped. Ctrl-C and SIGTERM let the photos that are under way finish, so
that none is analysed twice. Broken photos are reported and skipped.
"""

import argparse
import contextlib
import csv
import signal
import sys
import threading
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from tqdm import tqdm

from client import settings
from client.api import EmotionClient, ServiceError
from client.concurrency import bounded_map
from client.results import COLUMNS, Row, rows
from emotion.contract import DETAILS, STANDARD, SUFFIXES, Detail

RETRIES = 5
"""Times a photo is sent again while the service is away or busy; the pauses add up to about 15 seconds."""


CONCURRENCY = 8
"""Photos under way at once: enough to keep a server's workers and their batches full."""


class ServiceLost(RuntimeError):
    """The service stopped answering; what was written so far is kept."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results.csv"))
    parser.add_argument("--detail", choices=DETAILS, default=STANDARD, help="how closely to look for faces")
    parser.add_argument("--concurrency", type=int, default=CONCURRENCY, help="photos under way at once")
    arguments = parser.parse_args()
    try:
        configuration = settings.from_environment()
        client = EmotionClient(configuration.server, configuration.timeout, retries=RETRIES, token=configuration.token)
        with stop_requests() as stopping:
            failed = analyse_folder(
                client, arguments.folder, arguments.out, arguments.concurrency, stopping, arguments.detail
            )
    except (ValueError, NotADirectoryError, ServiceLost) as error:
        sys.exit(f"error: {error}")
    if stopping.is_set():
        sys.exit(f"stopped; the same command goes on from {arguments.out}")
    if failed:
        sys.exit(f"{failed} photos could not be analysed; {arguments.out} says why")


@contextlib.contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """An event that is set by the first SIGINT or SIGTERM; the second one has its usual effect."""
    stopping = threading.Event()

    def stop(number: int, _: object) -> None:
        stopping.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def analyse_folder(  # noqa: PLR0913, PLR0917
    client: EmotionClient,
    folder: Path,
    out: Path,
    concurrency: int,
    stopping: threading.Event | None = None,
    detail: Detail = STANDARD,
) -> int:
    """Analyse every photo below `folder` that `out` does not hold yet; returns how many failed.

    Once `stopping` is set, no further photo is begun. Raises `NotADirectoryError`, `ValueError` when `out` is another
    kind of file, and `ServiceLost`.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder")
    if concurrency < 1:
        raise ValueError(f"concurrency is {concurrency}; expected 1 or more")
    done = _read_done(out)
    photos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    left = [path for path in photos if str(path.relative_to(folder)) not in done]
    failed = 0
    with out.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if not file.tell():
            writer.writeheader()
        wanted = takewhile(lambda _: stopping is None or not stopping.is_set(), left)
        finished = bounded_map(
            lambda path: _analyse(client, path, str(path.relative_to(folder)), detail), wanted, concurrency
        )
        progress = tqdm(finished, total=len(photos), initial=len(photos) - len(left), unit="photo", disable=None)
        for _, found in progress:
            failed += found[0]["status"] not in {"ok", "no_face"}
            writer.writerows(found)
            file.flush()
    return failed


def _analyse(client: EmotionClient, path: Path, name: str, detail: Detail) -> list[Row]:
    try:
        return rows(name, client.analyse(path.read_bytes(), detail))
    except ServiceError as error:
        if error.every_photo:
            raise ServiceLost(f"{error}; the same command goes on from there") from error
        return rows(name, error)
    except OSError as error:
        return rows(name, ServiceError(str(error)))


def _read_done(out: Path) -> set[str]:
    """Names of the photos that `out` holds already; cuts off a last line that was not written whole."""
    if not out.exists():
        return set()
    text, header = out.read_text(encoding="utf-8"), ",".join(COLUMNS)
    if not (text.startswith(header) or header.startswith(text)):
        raise ValueError(f"{out} is not a result of this command; choose another --out")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        out.write_text(whole, encoding="utf-8")
    return {row["file"] for row in csv.DictReader(whole.splitlines())}


if __name__ == "__main__":
    main()
