"""An archive through `python -m bulk`, against as many bare pipelines as the machine has cores, in the same run.

    python -m bench.bulk

The photographs are cut from the freely licensed ones of client/samples, by chance but the same each time, and lie in a
temporary folder. Both read them from there; only `bulk` writes down what it finds. Both take turns, so that what else
the machine does falls on both. Photos a second are counted from when the first photo is in work, for the pipelines once
they are loaded, to the end of the last. What Ray takes to begin and to end, once for an archive of any size, is printed
beside it and not counted.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from pathlib import Path

import psutil
from PIL import Image
from pyarrow import parquet as pq

from bench.common import ROOT
from bulk.work import AT_ONCE
from emotion.pipeline import Pipeline
from serving.torchserve import ONE_THREAD

SAMPLES = sorted((ROOT / "client" / "samples").glob("*.jpg"))

SETTLED = 500
"""Photos after which memory must not grow any more."""

LOOK = 3.0
"""Seconds between two looks at the memory."""


def make_photos(folder: Path, count: int, seed: int = 20) -> None:
    """`count` photographs that differ by crop, mirroring and JPEG quality."""
    chance = random.Random(seed)  # noqa: S311
    wholes = [Image.open(path).convert("RGB") for path in SAMPLES]
    for number in range(count):
        photo = wholes[number % len(wholes)]
        share = chance.uniform(0.75, 1.0)
        width, height = round(photo.width * share), round(photo.height * share)
        left, top = chance.randint(0, photo.width - width), chance.randint(0, photo.height - height)
        crop = photo.crop((left, top, left + width, top + height))
        if chance.random() < 0.5:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        crop.save(folder / f"{number:07}.jpg", quality=chance.randint(50, 95))


def bare(folder: Path, models: Path, processes: int) -> float:
    """Photos a second of the pipeline alone, in so many processes that share the photos of `folder`."""
    context = multiprocessing.get_context("spawn")
    paths = sorted(folder.iterdir())
    next_one, ready = context.Value("q", 0), context.Barrier(processes + 1, timeout=120)
    workers = [context.Process(target=_bare, args=(paths, models, next_one, ready)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    ready.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    return len(paths) / (time.perf_counter() - started)


def _bare(paths: list[Path], models: Path, next_one: "Synchronized[int]", ready: Barrier) -> None:
    pipeline = Pipeline.load(models)
    pipeline.warm_up()
    ready.wait()
    while True:
        with next_one:
            begin = next_one.value
            next_one.value += AT_ONCE
        if begin >= len(paths):
            return
        pipeline([path.read_bytes() for path in paths[begin : begin + AT_ONCE]])


def bulk(folder: Path, out: Path, models: Path) -> tuple[float, float, list[tuple[int, float]]]:
    """Of `python -m bulk` the photos a second, the seconds before the first and after the last, and the memory in MiB
    by photos that were done."""
    command = [sys.executable, "-m", "bulk", str(folder), "--out", str(out), "--models", str(models)]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        seen: list[tuple[float, float]] = []
        looking = threading.Thread(target=_look, args=(process.pid, seen))
        looking.start()
        printed, _ = process.communicate()
        looking.join()
    whole = time.perf_counter() - began
    found = re.search(r" photos in ([\d,.]+) s", printed)
    assert process.returncode == 0 and found, printed
    working = float(found[1].replace(",", ""))
    # Photos are counted afterwards: to open files meanwhile would take the cores that are measured.
    written = [(path.stat().st_mtime, _photos(path)) for path in out.glob("*.parquet")]
    memory = [(sum(photos for when, photos in written if when <= then), mib) for then, mib in seen]
    return len(list(folder.iterdir())) / working, whole - working, memory


def _look(pid: int, seen: list[tuple[float, float]]) -> None:
    """Adds the time and MiB to `seen` until the process ends."""
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        seen.append((time.time(), memory_mib(pid)))
        time.sleep(LOOK)


def _photos(file: Path) -> int:
    return len(set(pq.read_table(file, columns=["photo"])["photo"].to_pylist()))


def memory_mib(pid: int) -> float:
    """What a process and all that it started have each for itself, and once the most that one of them shares."""
    own, shared = 0, 0
    for each in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            info = each.memory_info()
            own, shared = own + info.rss - info.shared, max(shared, info.shared)
    return (own + shared) / 2**20


def unpack_models(folder: Path) -> Path:
    """The folder, with the model files in it."""
    with zipfile.ZipFile(ROOT / "model_store" / "emotion.mar") as archive:
        archive.extractall(folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    cores = len(os.sched_getaffinity(0))
    ratios = []
    with tempfile.TemporaryDirectory(prefix="emotion-bulk-") as scratch:
        (photos := Path(scratch, "photos")).mkdir()
        make_photos(photos, arguments.photos)
        models = unpack_models(Path(scratch, "models"))
        for number in range(arguments.rounds):
            limit = bare(photos, models, cores)
            rate, around, memory = bulk(photos, Path(scratch, f"results-{number}"), models)
            ratios.append(rate / limit)
            print(f"{cores} bare pipelines: {limit:.1f} photos a second")
            print(f"python -m bulk: {rate:.1f}, {rate / limit:.1%} of that; Ray began and ended in {around:.1f} s")
            print("  memory of all its processes, MiB by photo: " + " ".join(f"{n}:{mib:.0f}" for n, mib in memory))
            settled = [mib for photo, mib in memory if photo >= SETTLED]
            if len(settled) > 1:
                print(f"  from photo {SETTLED} on: {settled[0]:.0f} MiB at first, {max(settled):.0f} MiB at most")
    print(
        f"{arguments.photos} photographs, {arguments.rounds} rounds: {statistics.median(ratios):.1%} of bare pipelines"
    )


if __name__ == "__main__":
    main()
