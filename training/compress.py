"""Compress a trained network by pruning and by int8, measure every combination, and ship the best.

    python -m training.compress --data fer2013.csv.gz

Takes a network and, if there is one, its pruned descendant from the folder of runs, such as `served/emotion.pt` and
`served-pruned/emotion.pt`, prints one table, and writes `emotion.onnx`, `fingerprints.npy` and `compression.json` into
`model_store/`, and the fp32 weights of what ships into its `weights/`.
What ships is chosen by accuracy, the size of the file and the work for a face, which is counted, so that a busy machine
cannot change the choice. Latency is measured beside it, on one thread, in alternating rounds.

Activations' ranges and the temperature come from clean and damaged faces together: a network that is only calibrated on
clean faces is over-confident on all others.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emotion.classifier import Classifier, softmax
from training.artifact import Artifact, load_artifact, load_classifier, save_artifact
from training.corruption import half_damaged
from training.data import DataError, Split, load_splits
from training.evaluate import score
from training.export import CALIBRATION_FACES, describe, export_fp32, export_int8
from training.pruning import count
from training.scoring import classify, fit_temperature

BATCHES = (1, 8, 32)
"""Faces a call, for the latencies."""

WARM_UP, CALLS = 3, 5
"""Calls of one network in a row; the first ones, whose weights are not in the caches yet, are not counted."""

LARGEST_LOSS, MOST_WORK, LARGEST = 0.005, 60e6, 6e6
"""Bounds of what may ship: accuracy lost against the fp32 network, work for a face, bytes of the file.

60 M take about 1.2 ms on one thread of a Xeon with AVX-512 VNNI (`compression.json` of 2.1.0: 42 M in 0.8 ms).
"""

WORTH_TRAINING = 0.002
"""Accuracy lost from which on training with quantization in mind is worth trying; there is no command for it, as int8
has lost less of every network so far."""

WORK_OF_MAC = {"fp32": 1.0, "int8": 0.25}
"""Work of a multiply-accumulate: a vector register holds four int8 values where it holds one fp32 value."""

REFERENCE = "fp32"


def main() -> None:
    arguments = _parse_arguments()
    try:
        splits = load_splits(arguments.data, ("train", "validation"))
        networks = {"": load_artifact(arguments.runs / arguments.network / "emotion.pt")}
        pruned = arguments.runs / f"{arguments.network}-pruned" / "emotion.pt"
        if pruned.is_file():
            networks["pruned"] = load_artifact(pruned)
        else:
            print(f"without a pruned network, as there is no {pruned}")
    except (DataError, FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}; `make release` makes the networks")
    if arguments.version:
        networks = {name: replace(artifact, version=arguments.version) for name, artifact in networks.items()}
    with tempfile.TemporaryDirectory(prefix="emotion-compress-") as scratch:
        files = export_all(networks, splits["train"].images, splits["validation"], Path(scratch))
        points = measure(networks, files, splits["validation"], arguments.rounds)
        shipped = choose(points)
        arguments.out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files[shipped], arguments.out / "emotion.onnx")
    keep(networks["pruned" if shipped.startswith("pruned") else ""], arguments.out / "weights")
    fingerprints = arguments.runs / arguments.network / "fingerprints.npy"
    shutil.copyfile(fingerprints, arguments.out / fingerprints.name)
    report = {
        "data": {"name": splits["validation"].source, "count": len(splits["validation"])},
        "threads": 1,
        "points": points,
        "shipped": shipped,
    }
    (arguments.out / "compression.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print_table(report)
    print(f"\nwritten: {arguments.out / 'emotion.onnx'} ({shipped}), {arguments.out / 'compression.json'}")


def keep(artifact: Artifact, folder: Path) -> None:
    """Write the network's weights into `folder`, for networks to come; a file of the same version is replaced."""
    folder.mkdir(exist_ok=True)
    save_artifact(artifact, folder / f"{artifact.name}-{artifact.version}.pt")


def export_all(
    networks: dict[str, Artifact], training_faces: np.ndarray, validation: Split, folder: Path
) -> dict[str, Path]:
    """An ONNX file for each network in each precision, each with its own temperature."""
    order = np.random.default_rng(0).permutation(len(training_faces))  # the file's first faces may be no fair sample
    calibration = half_damaged(training_faces[order[:CALIBRATION_FACES]])
    scored = half_damaged(validation.images)
    files = {}
    for name, artifact in networks.items():
        for precision in WORK_OF_MAC:
            title = " + ".join(part for part in (name, precision) if part and part != "fp32") or REFERENCE
            path = folder / f"{title.replace(' ', '')}.onnx"
            if precision == "fp32":
                export_fp32(artifact, path)
            else:
                export_int8(artifact, calibration, path)
            logits = classify(load_classifier(path), scored)
            temperature = fit_temperature(torch.from_numpy(logits), torch.from_numpy(validation.labels))
            describe(path, replace(artifact, temperature=temperature), precision)
            files[title] = path
    return files


def measure(
    networks: dict[str, Artifact], files: dict[str, Path], validation: Split, rounds: int
) -> dict[str, dict[str, Any]]:
    """Size, work, latency and scores of each file, and of the uncompressed network in PyTorch."""
    classifiers: dict[str, Classifier] = {"fp32 in PyTorch": networks[""]}
    classifiers |= {title: load_classifier(path) for title, path in files.items()}
    milliseconds = latencies(classifiers, validation.images, rounds)
    points = {}
    for title, classifier in classifiers.items():
        operations, parameters = count(networks["pruned" if title.startswith("pruned") else ""].network)
        scores = score(softmax(classify(classifier, validation.images), classifier.temperature), validation.labels)
        points[title] = {
            "runtime": classifier.runtime,
            "parameters": parameters,
            "macs": operations,
            "work": operations * WORK_OF_MAC["int8" if "int8" in title else "fp32"],
            "bytes": files[title].stat().st_size if title in files else None,
            "milliseconds": {str(faces): round(milliseconds[title][faces], 3) for faces in BATCHES},
            "faster": round(milliseconds[REFERENCE][1] / milliseconds[title][1], 2),
            **{key: scores[key] for key in ("accuracy", "accuracy_interval", "macro_f1", "ece")},
        }
    return points


def latencies(classifiers: dict[str, Classifier], faces: np.ndarray, rounds: int) -> dict[str, dict[int, float]]:
    """Median milliseconds of a call with each of `BATCHES` faces, on one thread, in `rounds` alternating rounds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    times: dict[str, dict[int, list[float]]] = {title: {size: [] for size in BATCHES} for title in classifiers}
    for _ in range(rounds):
        for title, classifier in classifiers.items():
            for size in BATCHES:
                for call in range(WARM_UP + CALLS):
                    started = time.perf_counter()
                    classifier.logits(faces[:size])
                    if call >= WARM_UP:
                        times[title][size].append((time.perf_counter() - started) * 1000)
    torch.set_num_threads(threads)
    return {title: {size: statistics.median(each) for size, each in sizes.items()} for title, sizes in times.items()}


def choose(points: dict[str, dict[str, Any]]) -> str:
    """The most accurate point within the bounds; of equally accurate ones, the one with the least work.

    Raises `SystemExit` when none is within them.
    """
    least = points[REFERENCE]["accuracy"] - LARGEST_LOSS
    within = [
        title
        for title, point in points.items()
        if point["bytes"] is not None
        and point["bytes"] <= LARGEST
        and point["work"] <= MOST_WORK
        and point["accuracy"] >= least
    ]
    if not within:
        sys.exit(
            f"error: no point is within the bounds (at most {LARGEST_LOSS:.1%} lost, work of {MOST_WORK / 1e6:g} M, "
            f"{LARGEST / 1e6:g} MB): {points}"
        )
    return max(within, key=lambda title: (points[title]["accuracy"], -points[title]["work"]))


def print_table(report: dict[str, Any]) -> None:
    """The report as a table for people; `*` marks what ships."""
    sizes = "".join(f"{f'{size} faces' if size > 1 else '1 face':>10}" for size in BATCHES)
    print(f"one thread, ms a call; accuracy on {report['data']['name']}\n")
    print(f"  {'':18}{'params':>9}{'MACs':>9}{'file':>9}{sizes}{'faster':>8}{'accuracy':>10}{'macro-F1':>10}{'ECE':>8}")
    for title, point in report["points"].items():
        times = "".join(f"{point['milliseconds'][str(size)]:10.2f}" for size in BATCHES)
        file = f"{point['bytes'] / 1e6:.2f} MB" if point["bytes"] else "–"
        print(
            f"{'*' if title == report['shipped'] else ' '} {title:18}{point['parameters'] / 1e6:8.2f}M"
            f"{point['macs'] / 1e6:8.1f}M{file:>9}{times}{point['faster']:7.2f}×{point['accuracy']:10.2%}"
            f"{point['macro_f1']:10.4f}{point['ece']:8.4f}"
        )
    reference, shipped = report["points"][REFERENCE], report["points"][report["shipped"]]
    if (lost := reference["accuracy"] - shipped["accuracy"]) > WORTH_TRAINING:
        print(f"\nwhat ships loses {lost:.2%}, more than {WORTH_TRAINING:.1%}: quantization-aware training may save it")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, fer2013.csv.gz or icml_face_data.csv")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trained networks")
    parser.add_argument("--network", default="served", help="the run whose network is compressed")
    parser.add_argument("--version", help="of the served model (default: that of the recipe)")
    parser.add_argument("--rounds", type=int, default=60, help="of the latency measurement")
    parser.add_argument("--out", type=Path, default=Path("model_store"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
