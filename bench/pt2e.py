"""torchao's int8 (PT2E) next to ONNX Runtime's, for the same network: what `training.compress` would choose from.

    uv pip install --python .venv/bin/python --no-deps torchao==0.18.0    # only this benchmark uses it
    python -m bench.pt2e --data fer2013.csv.gz

Prints, for one thread: milliseconds for 1, 8 and 32 faces in alternating rounds, seconds until the first answer, and
accuracy on PublicTest. Inductor compiles C++ when it starts, so g++ must be there.
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from emotion.artifact import Artifact, load_artifact
from emotion.classifier import Classifier, load_classifier
from training.compress import BATCHES, latencies
from training.data import load_splits
from training.export import CALIBRATION_FACES, export_fp32, export_int8, for_runtime


@dataclass(frozen=True)
class Compiled:
    """A network compiled by Inductor; it is a `Classifier`."""

    network: Callable[[torch.Tensor], torch.Tensor]
    runtime: str
    name: str = "emotion"
    version: str = "pt2e"
    temperature: float = 1.0

    @torch.inference_mode()
    def logits(self, faces: np.ndarray) -> np.ndarray:
        """See `Classifier.logits`."""
        answer: np.ndarray = self.network(torch.from_numpy(faces).unsqueeze(1).float()).numpy()
        return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--network", type=Path, default=Path("runs/vgg-funnel-blend/emotion.pt"))
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    splits = load_splits(arguments.data, ("train", "validation"))
    artifact = load_artifact(arguments.network)
    order = np.random.default_rng(0).permutation(len(splits["train"]))
    calibration = np.ascontiguousarray(splits["train"].images[order[:CALIBRATION_FACES]])
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="emotion-pt2e-") as scratch:
        classifiers: dict[str, Classifier] = {
            "ONNX Runtime fp32": load_classifier(export_fp32(artifact, Path(scratch) / "fp32.onnx")),
            "ONNX Runtime int8": load_classifier(export_int8(artifact, calibration, Path(scratch) / "int8.onnx")),
            "Inductor fp32": inductor(artifact, None),
            "torchao PT2E int8": inductor(artifact, calibration),
        }
    first = {}
    for title, classifier in classifiers.items():
        started = time.perf_counter()
        for size in BATCHES:
            classifier.logits(splits["validation"].images[:size])
        first[title] = time.perf_counter() - started
    times = latencies(classifiers, splits["validation"].images, arguments.rounds)
    print(f"{'':20}{''.join(f'{size:>8} faces' for size in BATCHES)}{'first, s':>10}{'accuracy':>10}")
    for title, classifier in classifiers.items():
        faces, labels = splits["validation"].images, splits["validation"].labels
        usable = len(faces) // max(BATCHES) * max(BATCHES)  # another batch size would be compiled anew
        answers = [classifier.logits(batch).argmax(1) for batch in np.split(faces[:usable], usable // max(BATCHES))]
        accuracy = (np.concatenate(answers) == labels[:usable]).mean()
        cells = "".join(f"{times[title][size]:14.2f}" for size in BATCHES)
        print(f"{title:20}{cells}{first[title]:10.1f}{accuracy:10.2%}")


def inductor(artifact: Artifact, calibration: np.ndarray | None) -> Compiled:
    """`artifact` compiled by Inductor; in int8 where there are `calibration` faces, uint8 `[N, 48, 48]`."""
    import torch._inductor.config as settings  # noqa: PLC0415

    settings.freezing = True  # constant weights are packed once
    network = for_runtime(artifact.network).eval()
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    example = torch.zeros(8, 1, 48, 48)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        if calibration is None:
            return Compiled(torch.compile(network), "Inductor fp32")
        try:
            from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e  # noqa: PLC0415
            from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86  # noqa: PLC0415
        except ImportError as error:
            sys.exit(f"error: {error}; see the first lines of {__file__} for the command that installs it")
        exported = torch.export.export(
            network, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=1024)},)
        ).module()
        quantizer = x86.X86InductorQuantizer()
        quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
        # A quantized convolution of one channel comes back in an order that torch 2.13's Inductor does not expect.
        first = next(name for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
        quantizer.set_module_name_qconfig(first, None)
        prepared = prepare_pt2e(exported, quantizer)
        for batch in np.split(calibration, len(calibration) // 64):
            prepared(torch.from_numpy(batch).unsqueeze(1).float())
        return Compiled(torch.compile(convert_pt2e(prepared)), "torchao int8")


if __name__ == "__main__":
    main()
