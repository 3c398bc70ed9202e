"""This checkout's pipeline against another's, in one run: `python -m bench.versus ../2.1.0`.

Both run in processes of their own, on one thread each, and take turns photo by photo, so that what else the machine
does falls on both. Time is processor time of the whole pipeline (decoding, detecting, aligning, classifying), the
median of the rounds. Milliseconds are this machine's on this day; the ratios are what counts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from bench.common import ROOT
from bench.scenes import small_faces
from bench.service import one_face
from training import photographs

WORKER = """
import json, sys, time
from pathlib import Path
from training import third_party
model = Path("model_store/emotion.onnx")
try:
    from emotion.classifier import OnnxClassifier
    loaded = third_party.load_pipeline(OnnxClassifier(model))
except AttributeError:  # before version 2.2, from the file
    loaded = third_party.load_pipeline(model)
for line in sys.stdin:
    path, options = json.loads(line)
    photo = Path(path).read_bytes()
    started = time.thread_time()
    (result,) = loaded([photo], **options)
    taken = (time.thread_time() - started) * 1000
    print(json.dumps([taken, len(result.faces)]), flush=True)
"""
"""Reads a photo's path and the pipeline's options, answers processor milliseconds and the number of faces, by line."""


@dataclass(frozen=True)
class Answer:
    """Milliseconds of processor time, and the number of faces found in one photo."""

    milliseconds: float
    faces: int


class Checkout:
    """A process that runs the pipeline of one checkout."""

    def __init__(self, root: Path) -> None:
        # Before version 2.2, the package lay in handler/.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(("handler", "."))}
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self, photo: Path, **options: Any) -> Answer:
        """What the pipeline makes of a photo; `options` are its keyword arguments."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([str(photo), options]) + "\n")
        self._process.stdin.flush()
        return Answer(*json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=30)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("against", type=Path, help="root of the other checkout, with its model files fetched")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    ours, theirs = Checkout(ROOT), Checkout(arguments.against)
    with tempfile.TemporaryDirectory(prefix="emotion-versus-") as scratch:
        photos = write_photos(Path(scratch))
        print("| photo | faces theirs / standard / fast | ms theirs | standard: ms, ratio | fast: ms, ratio |")
        print("|---|---|---|---|---|")
        for photo in photos:
            rows: list[list[Answer]] = [[], [], []]
            for _ in range(arguments.rounds):
                rows[0].append(theirs.answer(photo))
                rows[1].append(ours.answer(photo))
                rows[2].append(ours.answer(photo, detail="fast"))
            times = [statistics.median(answer.milliseconds for answer in row) for row in rows]
            faces = " / ".join(str(row[0].faces) for row in rows)
            cells = [f"{time:.1f}, {time / times[0]:.2f}" for time in times[1:]]
            print(f"| {photo.stem} | {faces} | {times[0]:.1f} | {' | '.join(cells)} |", flush=True)
    ours.close()
    theirs.close()


def write_photos(folder: Path) -> list[Path]:
    """JPEG files: one face at several sizes, the photographs as they are, and small faces in a large photo."""
    files = {
        f"one face {width}×{height}": one_face(width, height)
        for width, height in ((640, 480), (1280, 960), (4000, 3000))
    }
    images = {name: photographs.with_people()[name] for name in ("group", "grace_hopper", "obama3")}
    images["landscape, nobody"] = photographs.without_people()["china"]
    images["12 faces of 30 px"] = small_faces(30, False, 1).image
    images["12 faces of 30 px beside a large one"] = small_faces(30, True, 1).image
    for name, image in images.items():
        files[name] = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    paths = []
    for name, content in files.items():
        path = folder / f"{name}.jpg"
        path.write_bytes(content)
        paths.append(path)
    return paths


if __name__ == "__main__":
    main()
