"""Analyse a folder of photos, or a single one, with the running service.

    python -m client.batch photos/ --out results.csv

Writes one line a face, and one line for a photo without faces or with an error, as soon as it is known. Started again
with the same `--out`, it goes on where it was stopped and tries photos with errors again. Ctrl-C and SIGTERM let the
photos that are under way finish, so that none is analysed twice. Exit status: 0 when every photo was analysed, 1 when
some are left. A name that begins like a formula (= + - @) has a ' before it, or a spreadsheet would compute it. For
archives of millions: `python -m bulk`.
"""

import argparse
import contextlib
import csv
import os
import signal
import sys
import threading
from collections.abc import Iterator
from itertools import groupby, takewhile
from pathlib import Path

from tqdm import tqdm

from client import settings
from client.api import EmotionClient, ServerSlow, ServiceError
from client.concurrency import bounded_map
from client.photos import SUFFIXES, Photo, prepare
from client.results import COLUMNS, THRESHOLD, Outcome, Row, as_csv, in_table, rows
from emotion import contract
from emotion.contract import DETAILS, STANDARD, Detail

RETRIES = 5
"""Times a photo is sent again while the service is away or busy; the pauses add up to about 15 seconds."""


CONCURRENCY = 8
"""Photos under way at once: enough to keep a server's workers and their batches full."""


ANSWERED, SLOW = {"ok", "no_face"}, "slow"
"""The statuses of photos that are done, and that of one that got no answer in time; the latter is tried again."""


class ServiceLost(RuntimeError):
    """The service stopped answering; what was written so far is kept."""


def main() -> None:
    parser = command_line("client.batch", __doc__ or "", "photos")
    parser.add_argument("folder", type=Path, help=f"of photos, or one photo ({', '.join(SUFFIXES)})")
    arguments = parser.parse_args()
    try:
        with connected() as client, stop_requests() as stopping:
            failed = analyse_folder(
                client, arguments.folder, arguments.out, arguments.concurrency, stopping, arguments.detail
            )
    except (ValueError, NotADirectoryError, ServiceLost) as error:
        sys.exit(f"error: {error}")
    if stopping.is_set():
        sys.exit(f"stopped; the same command goes on from {arguments.out}")
    if failed:
        sys.exit(f"{failed} photos could not be analysed; {arguments.out} says why, and the same command tries again")
    print(f"every photo is analysed; {arguments.out} has the results")


def command_line(module: str, text: str, what: str, out: str = "CSV file") -> argparse.ArgumentParser:
    """The parser of a command that is described by `text`, with the options of every command.

    `what` it analyses, and what it writes `out`.
    """
    first, _, more = text.partition("\n\n")
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=first,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("results.csv"), help=f"{out} (default: %(default)s)")
    parser.add_argument("--detail", choices=DETAILS, default=STANDARD, help="how closely to look for faces")
    parser.add_argument("--concurrency", type=int, default=CONCURRENCY, help=f"{what} under way at once")
    return parser


def connected() -> EmotionClient:
    """A client of the service that the environment names. Raises `ValueError` for settings that cannot be used."""
    ours = settings.from_environment()
    return EmotionClient(ours.server, ours.timeout, retries=RETRIES, token=ours.token)


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
    """Analyse every photo below `folder`, or that one file, which `out` holds no answer for; returns how many failed.

    Once `stopping` is set, no further photo is begun. Raises `NotADirectoryError`, `ValueError` when `out` is another
    kind of file, and `ServiceLost`, also when `concurrency` photos in a row get no answer in time.
    """
    if not folder.exists() or (folder.is_file() and folder.suffix.lower() not in SUFFIXES):
        raise NotADirectoryError(f"{folder} is no folder")
    if concurrency < 1:
        raise ValueError(f"concurrency is {concurrency}; expected 1 or more")
    done = _keep_answered(out)
    base = folder.parent if folder.is_file() else folder
    total = sum(1 for _ in _photos(folder))
    failed = slow = 0
    with out.open("a", encoding="utf-8", newline="") as file:
        left = (path for path in _photos(folder) if in_table(str(path.relative_to(base))) not in done)
        wanted = takewhile(lambda _: stopping is None or not stopping.is_set(), left)
        finished = bounded_map(
            lambda path: _analyse(client, path, str(path.relative_to(base)), detail), wanted, concurrency
        )
        for _, found in tqdm(finished, total=total, initial=len(done), unit="photo", disable=None):
            failed += found[0]["status"] not in ANSWERED
            file.write(_lines(found))  # in one piece: a photo is there with all its faces or not at all
            file.flush()
            slow = slow + 1 if found[0]["status"] == SLOW else 0
            if slow > concurrency:
                raise ServiceLost("no photo is answered in time; the same command goes on from there")
    return failed


def _photos(folder: Path) -> Iterator[Path]:
    """One after the other, in the same order each time."""
    if folder.is_file():
        yield folder
    for place, folders, names in os.walk(folder):
        folders.sort()
        paths = (Path(place, name) for name in sorted(names))
        yield from (path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())


def _photo(path: Path) -> Photo:
    """As it is, if the service reads files of its kind; else as the page would send it."""
    data = path.read_bytes()
    whole = path.suffix.lower() in contract.SUFFIXES
    return Photo(path.name, data, 1.0, None) if whole else prepare(path.name, data)


def _analyse(client: EmotionClient, path: Path, name: str, detail: Detail) -> list[Row]:
    try:
        photo = _photo(path)
        return rows(name, Outcome(photo, client.analyse(photo.data, detail)).own(), THRESHOLD)
    except ServerSlow as error:  # it may be this photo alone
        return [{"file": name, "status": SLOW, "message": str(error)}]
    except ServiceError as error:
        if error.every_photo:
            raise ServiceLost(f"{error}; the same command goes on from there") from error
        return rows(name, error, THRESHOLD)
    except OSError as error:
        return rows(name, ServiceError(str(error)), THRESHOLD)


def _lines(found: list[Row], header: bool = False) -> str:
    return as_csv(COLUMNS, found, header)


def _keep_answered(out: Path) -> set[str]:
    """Names, `in_table`, of the photos that `out` has an answer for; everything else is taken out of it."""
    header, done = _lines([], header=True), set[str]()
    before = out.read_bytes()[: len(header)].decode(errors="replace") if out.exists() else ""
    if not header.startswith(before):
        raise ValueError(f"{out} is not a result of this command; choose another --out")
    kept = out.with_name(f".{out.name}.tmp")
    with kept.open("w", encoding="utf-8", newline="") as file:
        file.write(header)
        if len(before) == len(header):
            torn = _torn_line(out)
            with out.open(encoding="utf-8", newline="") as old:
                for name, group in groupby(csv.DictReader(old), key=lambda row: row["file"]):
                    found: list[Row] = [dict(row) for row in group]
                    whole = not torn or not (torn.startswith(f"{name},") or name.startswith(torn))
                    if found[0]["status"] in ANSWERED and whole:
                        file.write(_lines(found))
                        done.add(in_table(name))
    kept.replace(out)
    return done


def _torn_line(out: Path) -> str:
    """What stands after the last whole line, of a photo that was being written when the machine stopped."""
    with out.open("rb") as file:
        file.seek(max(out.stat().st_size - 2**16, 0))
        return file.read().rpartition(b"\n")[2].decode(errors="ignore")


if __name__ == "__main__":
    main()
