"""Faces found against time, by rules for how closely to look: `python -m bench.recall`.

Photographs of 1600×1200 with all known faces at one size, alone or beside a large face, before a wall or a landscape;
a group as it is; and photographs without people. Time is processor time of the detection alone, on one thread.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from bench.scenes import FACES, small_faces
from emotion.detection import MIN_CONFIDENCE, Detection, Detector, long_side_of_look
from emotion.pyramid import Pyramid
from training import photographs, third_party

SIZES = (40, 30, 24, 18)
SEEDS = range(4)

Rule = Callable[[Detector, Pyramid], np.ndarray]


def one_look(long_side: int) -> Rule:
    return lambda detector, photo: detector.look(photo, long_side, MIN_CONFIDENCE)


def two_looks(detector: Detector, photo: Pyramid) -> np.ndarray:
    """A small look and always one of twice the size: a pyramid."""
    first = long_side_of_look(photo.long_side)
    return np.vstack([detector.look(photo, side, MIN_CONFIDENCE) for side in (first, 2 * first)])


def detail(name: str) -> Rule:
    def find(detector: Detector, photo: Pyramid) -> np.ndarray:
        faces: list[Detection] = detector.detect(photo, name)  # type: ignore[arg-type]
        return np.array([(face.x, face.y, face.width, face.height) for face in faces]).reshape(-1, 4)

    return find


RULES: dict[str, Rule] = {
    "fast": detail("fast"),
    "standard": detail("standard"),
    "thorough": detail("thorough"),
    "one look at 384": one_look(384),
    "one look at 640": one_look(640),
    "one look at 960": one_look(960),
    "look, and one twice as large": two_looks,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rules", nargs="*", default=list(RULES), choices=list(RULES))
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    detector = Detector(third_party.INT8_DETECTOR)
    kinds = [(size, large) for size in SIZES for large in (False, True)]
    scenes = {kind: [small_faces(*kind, seed) for seed in SEEDS] for kind in kinds}
    groups = photographs.with_people()
    empty = photographs.without_people()
    print("| rule | " + " | ".join(f"{size} px{' beside large' * large}" for size, large in kinds), end=" ")
    print("| large | portraits and group | false, no people | ms 1600×1200 | ms portraits | ms no people |")
    print("|---" * (len(kinds) + 7) + "|")
    for name in arguments.rules:
        rule = RULES[name]
        cells, times, large_found, large_count = [], [], 0, 0
        for kind in kinds:
            found = count = 0
            for scene in scenes[kind]:
                boxes, taken = _timed(rule, detector, scene.image)
                times.append(taken)
                found, count = found + matched(scene.small, boxes), count + len(scene.small)
                large_found, large_count = large_found + matched(scene.large, boxes), large_count + len(scene.large)
            cells.append(f"{found / count:.0%}")
        seen, people = 0, []
        for photo, image in groups.items():
            boxes, taken = _timed(rule, detector, image)
            seen += matched(np.array(FACES[photo], dtype=np.float64), boxes)
            people.append(taken)
        false, nobody = 0, []
        for image in empty.values():
            boxes, taken = _timed(rule, detector, image)
            false += len(boxes)
            nobody.append(taken)
        cells += [f"{large_found / large_count:.0%}", f"{seen} of {sum(map(len, FACES.values()))}", f"{false}"]
        cells += [f"{statistics.median(taken):.1f}" for taken in (times, people, nobody)]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def matched(expected: np.ndarray, boxes: np.ndarray) -> int:
    """How many of the `expected` boxes `[N, 4]` have one of `boxes` `[M, ≥4]` around their middle, alike in size."""
    if not len(boxes):
        return 0
    centres = expected[:, :2] + expected[:, 2:4] / 2
    offsets = np.abs((boxes[:, :2] + boxes[:, 2:4] / 2)[None] - centres[:, None]).max(axis=2)
    ratios = boxes[None, :, 2] / expected[:, None, 2]
    alike = (offsets < expected[:, None, 2] / 2) & (ratios > 0.5) & (ratios < 2.0)
    return int(alike.any(axis=1).sum())


def _timed(rule: Rule, detector: Detector, image: np.ndarray) -> tuple[np.ndarray, float]:
    """Boxes, and milliseconds of processor time."""
    started = time.thread_time()
    boxes = rule(detector, Pyramid(image))
    return boxes, (time.thread_time() - started) * 1000


if __name__ == "__main__":
    main()
