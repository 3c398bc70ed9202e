"""The pipeline without a server, in processes like the service's workers: the limit of what a server can reach."""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from bench.common import ROOT
from bench.load import LEAD
from emotion.classifier import OnnxClassifier
from emotion.contract import STANDARD, Detail
from serving.torchserve import ONE_THREAD
from training import third_party


class InProcess:
    """Processes that wait, and cost nothing, until their pipelines are asked to be busy."""

    def __init__(self, workers: list[subprocess.Popen[str]]) -> None:
        self.workers = workers
        for worker in workers:
            assert worker.stdout and worker.stdout.readline() == "ready\n"

    def rate(self, seconds: float, processes: int, batch: int) -> float:
        """Photos a second of so many of the processes, all of them busy at once, `batch` photos in each call."""
        begin = time.time() + LEAD
        busy = self.workers[:processes]
        for worker in busy:  # all of them before any is waited for, or they would run one after the other
            assert worker.stdin
            worker.stdin.write(json.dumps([begin, begin + seconds, batch]) + "\n")
            worker.stdin.flush()
        counts = [int(worker.stdout.readline()) for worker in busy if worker.stdout]
        assert len(counts) == processes and all(counts), f"a process analysed nothing: {counts}"
        return sum(counts) / seconds


@contextlib.contextmanager
def in_process(photo: bytes, processes: int, detail: Detail = STANDARD) -> Iterator[InProcess]:
    """`processes` processes of one thread each, their pipelines loaded."""
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file, contextlib.ExitStack() as workers:
        file.write(photo)
        file.flush()
        command = [sys.executable, "-m", "bench.in_process", file.name, detail]
        pipe = subprocess.PIPE
        yield InProcess(
            [
                workers.enter_context(
                    subprocess.Popen(command, cwd=ROOT, env=os.environ | ONE_THREAD, stdin=pipe, stdout=pipe, text=True)
                )
                for _ in range(processes)
            ]
        )  # leaving closes a process's stdin, which ends it, and waits for it


def main() -> None:
    """One of the processes: a line of begin, end (seconds since 1970) and batch in, the number of photos out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("detail", choices=get_args(Detail))
    arguments = parser.parse_args()
    photo = arguments.photo.read_bytes()
    pipeline = third_party.load_pipeline(OnnxClassifier(ROOT / "model_store" / "emotion.onnx"))
    pipeline.warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        begin, end, batch = json.loads(line)
        count = 0
        while time.time() < end:
            pipeline([photo] * batch, arguments.detail)
            count += batch * (begin <= time.time() <= end)
        print(count, flush=True)


if __name__ == "__main__":
    main()
