"""Everything that the service must bear, one table row each: `python -m tests.drill`, or `make drill`.

    python -m tests.drill --only overload faults
    python -m tests.drill --quick     # the same in a tenth of the time

Ends with 1 where a bound was not kept. Some faults need root, to mount a small disk.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import requests

from emotion.contract import IMAGE_ERRORS
from tests.drill.costs import costs
from tests.drill.drains import drains
from tests.drill.faults import faults
from tests.drill.fuzz import mutated, seeds
from tests.drill.overload import overload
from tests.drill.privacy import privacy
from tests.drill.rows import HEAD, Row
from tests.drill.soak import soak
from tests.integration.commands import running
from tests.integration.conftest import free_addresses

Drill = Callable[[Path, bool], Iterator[Row]]


def fuzz(folder: Path, quick: bool) -> Iterator[Row]:
    """In a process of its own, since a crash must not end the drill, and over HTTP."""
    files = 2_400 if quick else 24_000
    command = [sys.executable, "-m", "tests.drill.fuzz", "--files", str(files)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (ended.stdout.strip().splitlines() or [f"ended with status {ended.returncode}"])[-1]
    yield Row("files broken at random, in-process", files, int(ended.returncode != 0), said, ended.returncode == 0)
    addresses = free_addresses()
    with running(folder / "http", addresses):
        yield over_http(addresses.predictions, 240 if quick else 2_400)


def over_http(url: str, files: int) -> Row:
    """Each must be read or refused by the handler; 502 would mean that a worker ended."""
    good, codes = seeds(), {kind.code for kind in IMAGE_ERRORS}
    outcomes: Counter[str] = Counter()
    with requests.Session() as session:
        for number in range(files):
            answer = session.post(url, data=mutated(good, number, seed=1), timeout=60)
            outcomes["read" if answer.status_code == requests.codes.ok else answer.json()["error"]["code"]] += 1
    lost = sum(count for outcome, count in outcomes.items() if outcome not in {"read", *codes})
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    return Row("files broken at random, over HTTP", files, lost, said, not lost)


DRILLS: dict[str, Drill] = {
    "costs": lambda *_: costs(),
    "fuzz": fuzz,
    "overload": lambda folder, quick: overload(folder, 6 if quick else 60),
    "faults": lambda folder, _: faults(folder),
    "drains": lambda folder, quick: drains(folder, 1 if quick else 10),
    "privacy": lambda folder, quick: privacy(folder, 40 if quick else 200),
    "soak": lambda folder, quick: soak(folder, 60 if quick else 600),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=DRILLS, default=list(DRILLS))
    parser.add_argument("--quick", action="store_true", help="a tenth of the time")
    arguments = parser.parse_args()
    print(HEAD, flush=True)
    held = True
    with tempfile.TemporaryDirectory(prefix="emotion-drill-", ignore_cleanup_errors=True) as folder:
        for name in arguments.only:
            place = Path(folder) / name
            (place / "http").mkdir(parents=True)
            for row in DRILLS[name](place, arguments.quick):
                print(row, flush=True)
                held = held and row.held
    sys.exit(not held)


if __name__ == "__main__":
    main()
