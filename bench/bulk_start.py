"""How soon the first of a million photos is done, and in how much memory, while the manifest is still being read.

    python -m bench.bulk_start

Two manifests: one names the same two thousand photographs again and again, of which each is analysed once; the other
names a million different ones (links to the folder make them so). Each run is stopped when its whole manifest is read.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bench.bulk import make_photos, memory_mib, unpack_models
from bench.common import ROOT
from bulk.plan import Plan

PHOTOS = 2000

MOST_SECONDS, MOST_MIB = 60, 1536
"""What a million URIs may take until the work begins, and all processes together."""


def start(manifest: Path, out: Path, models: Path, seconds: float) -> tuple[float, float]:
    """Seconds from the command until the first results are there; the most memory, in MiB, in `seconds` of it."""
    command = [sys.executable, "-m", "bulk", str(manifest), "--out", str(out), "--models", str(models)]
    most, first = 0.0, None
    began = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            while time.monotonic() - began < seconds and process.poll() is None:
                most = max(most, memory_mib(process.pid))
                if first is None and next(out.glob("*.parquet"), None):
                    first = time.monotonic() - began
                time.sleep(0.2)
        finally:
            process.kill()
    assert first is not None, f"no results in {seconds:.0f} s"
    return first, most


def survey(manifest: Path, out: Path) -> None:
    """How long it takes to read a manifest through, which a run does while others of its processes work already."""
    began = time.monotonic()
    found = Plan(str(manifest), str(out), 1000).survey()
    print(f"  read through in {time.monotonic() - began:.1f} s: {found.photos:,} photos")


def repeated(photos: list[Path]) -> Iterator[str]:
    while True:
        yield from (path.as_uri() for path in photos)


def different(photos: list[Path], links: Path) -> Iterator[str]:
    number = 0
    while True:
        link = links / f"{number:04}"
        link.symlink_to(photos[0].parent)
        yield from ((link / path.name).as_uri() for path in photos)
        number += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--uris", type=int, default=10**6)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emotion-bulk-") as scratch:
        (folder := Path(scratch, "photos")).mkdir()
        (links := Path(scratch, "links")).mkdir()
        make_photos(folder, PHOTOS)
        models = unpack_models(Path(scratch, "models"))
        photos = sorted(folder.iterdir())
        for name, uris in (("repeated", repeated(photos)), ("different", different(photos, links))):
            manifest, out = Path(scratch, f"{name}.csv"), Path(scratch, name)
            manifest.write_text("photo\n" + "\n".join(islice(uris, arguments.uris)) + "\n", encoding="utf-8")
            print(f"{arguments.uris:,} {name} URIs, {manifest.stat().st_size / 2**20:.0f} MiB of CSV")
            first, most = start(manifest, out, models, arguments.seconds)
            print(f"  first results after {first:.1f} s; all processes together {most:.0f} MiB at most")
            survey(manifest, Path(scratch, "nothing"))
            assert first < MOST_SECONDS and most < MOST_MIB


if __name__ == "__main__":
    main()
