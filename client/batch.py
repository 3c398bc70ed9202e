"""Analyse a folder of photos of any size.

    python -m client.batch photos/ --out results.csv

Writes one line a face, and one line for a photo without faces or with an error, as soon as it is known. Started again
with the same `--out`, it goes on where it was stopped. Broken photos are reported and skipped.
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from client import settings
from client.api import EMOTIONS, EmotionClient, Face, ImageRefused, ServerAway, ServerBusy, ServiceError

SUFFIXES = {".jpg", ".jpeg", ".png"}
COLUMNS = (
    "file",
    "status",
    "face",
    "emotion",
    "confidence",
    "x",
    "y",
    "width",
    "height",
    *EMOTIONS,
    "message",
)
"""`status` is `ok`, `no_face`, or the code of the error that `message` explains; `face` counts from 1."""

Row = dict[str, object]

PATIENCE = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries while the service is away or busy. Asking again is safe: the service keeps nothing."""


class ServiceLost(RuntimeError):
    """The service stayed away; what was done so far is kept."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results.csv"))
    parser.add_argument("--concurrency", type=int, default=8, help="photos under way at once")
    arguments = parser.parse_args()
    try:
        configuration = settings.from_environment()
        client = EmotionClient(configuration.server, configuration.timeout)
        failed = analyse_folder(client, arguments.folder, arguments.out, arguments.concurrency)
    except (ValueError, NotADirectoryError, ServiceLost) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"stopped; the same command goes on from {arguments.out}")
    if failed:
        sys.exit(f"{failed} photos could not be analysed; {arguments.out} says why")


def analyse_folder(client: EmotionClient, folder: Path, out: Path, concurrency: int) -> int:
    """Analyse every photo below `folder` that `out` does not hold yet; returns how many were refused.

    Raises `NotADirectoryError`, `ValueError` when `out` is another kind of file, and `ServiceLost`.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder")
    if concurrency < 1:
        raise ValueError(f"concurrency is {concurrency}; expected 1 or more")
    done = _read_done(out)
    photos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    names = [str(path.relative_to(folder)) for path in photos]
    left = [(path, name) for path, name in zip(photos, names, strict=True) if name not in done]
    failed = 0
    with out.open("a", encoding="utf-8", newline="") as file, ThreadPoolExecutor(concurrency) as pool:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if not file.tell():
            writer.writeheader()
        finished = _bounded(pool, client, left, concurrency)
        progress = tqdm(finished, total=len(photos), initial=len(photos) - len(left), unit="photo", disable=None)
        for rows in progress:
            failed += rows[0]["status"] not in {"ok", "no_face"}
            writer.writerows(rows)
            file.flush()
    return failed


def _bounded(
    pool: ThreadPoolExecutor, client: EmotionClient, photos: list[tuple[Path, str]], bound: int
) -> Iterator[list[Row]]:
    """Rows of each photo, in the order in which they are finished; at most `bound` photos are in memory."""
    queue: Iterable[tuple[Path, str]] = iter(photos)
    running: set[Future[list[Row]]] = set()
    while True:
        running |= {pool.submit(_analyse, client, path, name) for path, name in islice(queue, bound - len(running))}
        if not running:
            return
        finished, running = wait(running, return_when=FIRST_COMPLETED)
        for each in finished:
            yield each.result()


def _analyse(client: EmotionClient, path: Path, name: str) -> list[Row]:
    try:
        faces = _ask_patiently(client, path.read_bytes())
    except (ServerAway, ServerBusy) as error:
        raise ServiceLost(f"{error}, also after {len(PATIENCE)} more tries") from error
    except ImageRefused as error:
        return [{"file": name, "status": error.code, "message": str(error)}]
    except (ServiceError, OSError) as error:
        return [{"file": name, "status": "error", "message": str(error)}]
    if not faces:
        return [{"file": name, "status": "no_face"}]
    return [_row(name, number, face) for number, face in enumerate(faces, start=1)]


def _ask_patiently(client: EmotionClient, image: bytes) -> tuple[Face, ...]:
    for pause in PATIENCE:
        try:
            return client.analyse(image).analysis.faces
        except (ServerAway, ServerBusy):
            time.sleep(pause)
    return client.analyse(image).analysis.faces


def _row(name: str, number: int, face: Face) -> Row:
    return {
        "file": name,
        "status": "ok",
        "face": number,
        "emotion": face.emotion,
        "confidence": face.confidence,
        **face.box.model_dump(),
        **face.probabilities,
    }


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
