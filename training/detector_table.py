"""The int8 detector beside the published fp32 one, photograph by photograph: boxes, confidences and time."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from emotion.detection import MAX_OVERLAP, MIN_CONFIDENCE, STRIDE, padded
from emotion.pyramid import Pyramid
from training import photographs, third_party
from training.detector import rearranged

LOOKS = (192, 256, 384, 640)
ROUNDS = 12


def print_table(int8: Path) -> None:
    """One line for each size of look: faces in both, largest differences, milliseconds of processor time."""
    published = third_party.fetch(third_party.CENTERFACE)
    opencv = cv2.dnn.readNetFromONNX(str(published))
    whole, small = _session(rearranged(published).SerializeToString()), _session(int8.read_bytes())
    with_people, without = photographs.with_people(), photographs.without_people()
    print("| look | faces fp32 / int8 / both | confidence: mean, largest difference | box: mean, worst overlap | "
          "photographs without people: fp32 / int8 | ms OpenCV fp32 / ONNX Runtime fp32 / int8 |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    for look in LOOKS:
        pairs, counts = [], [0, 0]
        for image in with_people.values():
            scaled = padded(Pyramid(image).scaled(look))
            expected, found = _faces(_run_fp32(whole, scaled)), _faces(_run_int8(small, scaled))
            counts = [counts[0] + len(expected), counts[1] + len(found)]
            pairs += _pairs(expected, found)
        false = [0, 0]
        for image in without.values():
            scaled = padded(Pyramid(image).scaled(look))
            false[0] += len(_faces(_run_fp32(whole, scaled)))
            false[1] += len(_faces(_run_int8(small, scaled)))
        differences = [abs(one[4] - other[4]) for one, other, _ in pairs]
        overlaps = [overlap for *_, overlap in pairs]
        times = _times(opencv, whole, small, look)
        print(
            f"| {look} | {counts[0]} / {counts[1]} / {len(pairs)} "
            f"| {statistics.mean(differences):.3f}, {max(differences):.3f} "
            f"| {statistics.mean(overlaps):.3f}, {min(overlaps):.3f} | {false[0]} / {false[1]} "
            f"| {' / '.join(f'{milliseconds:.1f}' for milliseconds in times)} |"
        )


def _times(
    opencv: cv2.dnn.Net, whole: onnxruntime.InferenceSession, small: onnxruntime.InferenceSession, look: int
) -> list[float]:
    """Median milliseconds of processor time of each network for a 4:3 photograph, in alternating rounds."""
    cv2.setNumThreads(1)
    image = padded(np.random.default_rng(0).integers(0, 256, (look * 3 // 4, look, 3), dtype=np.uint8))

    def run_opencv() -> None:
        opencv.setInput(cv2.dnn.blobFromImage(image, swapRB=True))
        opencv.forward(("537", "538", "539", "540"))

    runs: list[Callable[[], object]] = [run_opencv, partial(_run_fp32, whole, image), partial(_run_int8, small, image)]
    times: list[list[float]] = [[], [], []]
    for _ in range(ROUNDS):
        for run, taken in zip(runs, times, strict=True):
            started = time.thread_time()
            run()
            taken.append((time.thread_time() - started) * 1000)
    return [statistics.median(taken) for taken in times]


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _run_fp32(session: onnxruntime.InferenceSession, image: np.ndarray) -> np.ndarray:
    maps: np.ndarray = session.run(None, {"planes": image.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
    return maps


def _run_int8(session: onnxruntime.InferenceSession, image: np.ndarray) -> np.ndarray:
    maps: np.ndarray = session.run(None, {"image": image[None]})[0][0]
    return maps


def _faces(maps: np.ndarray) -> np.ndarray:
    """Boxes `[N, 5]` of a map's faces, by the published post-processing."""
    confidences = 1 / (1 + np.exp(-maps[0].astype(np.float64)))
    rows, columns = np.nonzero(confidences >= MIN_CONFIDENCE)
    heights, widths = np.exp(maps[1:3, rows, columns]) * STRIDE
    down, right = maps[3:5, rows, columns]
    left, top = (columns + right + 0.5) * STRIDE - widths / 2, (rows + down + 0.5) * STRIDE - heights / 2
    boxes = np.stack([left, top, widths, heights, confidences[rows, columns]], axis=1)
    kept = cv2.dnn.NMSBoxes(boxes[:, :4].tolist(), boxes[:, 4].tolist(), MIN_CONFIDENCE, MAX_OVERLAP)
    return boxes[np.asarray(kept, dtype=np.intp).reshape(-1)]


def _pairs(expected: np.ndarray, found: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Boxes of both that overlap by more than half, and by how much."""
    pairs = []
    for box in expected:
        overlaps = [_overlap(box, other) for other in found]
        if overlaps and max(overlaps) > 0.5:
            pairs.append((box, found[int(np.argmax(overlaps))], max(overlaps)))
    return pairs


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(a[:2] + a[2:4], b[:2] + b[2:4]) - np.maximum(a[:2], b[:2])
    shared = float(np.clip(sides, 0, None).prod())
    return shared / (float(a[2:4].prod()) + float(b[2:4].prod()) - shared)
