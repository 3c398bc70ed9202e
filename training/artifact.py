"""A trained network in PyTorch: weights, shape, labels, calibration, version, in one file.

    python -m training.artifact runs/lite0/emotion.pt model_store/weights/lite0.pt

copies an artifact with its weights in fp16, for keeping: half the size, and nearly the same answers.
"""

import argparse
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emotion.classifier import Classifier, OnnxClassifier
from emotion.labels import LABELS
from training.backbone import Backbone, BackboneConfig
from training.network import EmotionNetwork, FaceNetwork, NetworkConfig

FORMAT = 2
"""Raised when the file's layout changes, so that old code refuses new files with a clear message."""

VGG, LITE = "vgg", "efficientnet-lite0"
"""Kinds of networks; a file that names none holds the first."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Copy an artifact with its weights in fp16.")
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    try:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        save_artifact(load_artifact(arguments.source), arguments.out, torch.float16)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")


class DivergedError(ValueError):
    """A weight is not a finite number."""


@dataclass(frozen=True)
class Artifact:
    """A trained network; it is a `Classifier`.

    `temperature` divides the logits before the softmax (Guo et al. 2017, "On Calibration of Modern Neural
    Networks"); it never changes which class wins.
    `training`: how the weights came to be (recipe, data counts, and the same for the networks it began with), for
    people to read.
    """

    network: FaceNetwork
    temperature: float
    version: str
    name: str = "emotion"
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def runtime(self) -> str:
        """See `Classifier.runtime`."""
        return "torch fp32"

    @torch.inference_mode()
    def logits(self, faces: np.ndarray) -> np.ndarray:
        """See `Classifier.logits`."""
        logits: np.ndarray = self.network(torch.from_numpy(faces).unsqueeze(1)).numpy()
        return logits


def save_artifact(artifact: Artifact, path: Path, precision: torch.dtype = torch.float32) -> None:
    """Write `artifact` to `path`, whole or not at all, its weights in `precision`.

    Raises `DivergedError` where a weight is too large for that, or not a number.
    """
    weights = {
        name: tensor.cpu().to(precision) if tensor.is_floating_point() else tensor.cpu()
        for name, tensor in artifact.network.state_dict().items()
    }
    if bad := [name for name, tensor in weights.items() if not tensor.isfinite().all()]:
        diverged = not all(artifact.network.state_dict()[name].isfinite().all() for name in bad)
        why = "; the run diverged" if diverged else f" in {precision}; keep this network in fp32"
        raise DivergedError(f"{', '.join(bad)}: not finite{why}")
    content = {
        "format": FORMAT,
        "name": artifact.name,
        "version": artifact.version,
        "labels": list(LABELS),
        "temperature": artifact.temperature,
        "kind": LITE if isinstance(artifact.network, Backbone) else VGG,
        "network": asdict(artifact.network.config),
        "weights": weights,
        "training": artifact.training,
    }
    partial = path.with_suffix(path.suffix + ".partial")
    torch.save(content, partial)
    partial.replace(path)


def load_artifact(path: Path) -> Artifact:
    """Read an artifact; the network comes back in evaluation mode on the CPU.

    Raises `FileNotFoundError` when there is no such file and `ValueError` when it is not one of ours.
    """
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path.name}: artifact format is {found!r}; this version reads {FORMAT}; train again")
    if tuple(content["labels"]) != LABELS:
        raise ValueError(f"{path.name}: labels are {content['labels']}; this version knows {list(LABELS)}")
    network = _rebuilt(content, path.name)
    network.load_state_dict(content["weights"])
    network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Artifact(
        network=network,
        temperature=content["temperature"],
        version=content["version"],
        name=content["name"],
        training=content["training"],
    )


def _rebuilt(content: dict[str, Any], name: str) -> FaceNetwork:
    """A network of the shape that the file `name` describes, with random weights."""
    kind = content.get("kind", VGG)
    try:
        if kind == LITE:
            return Backbone(BackboneConfig(**content["network"]))
        if kind == VGG:
            return EmotionNetwork(NetworkConfig(**content["network"]))
        raise ValueError(f"{name}: holds a network of the kind {kind!r}; this version knows {VGG} and {LITE}")
    except TypeError as error:
        raise ValueError(f"{name}: describes a network of another version ({error}); train again") from error


def load_classifier(path: Path) -> Classifier:
    """The network in `path`: `.onnx` runs in ONNX Runtime, `.pt` in PyTorch.

    Raises `FileNotFoundError` when there is no such file and `ValueError` when it is not one of ours.
    """
    return OnnxClassifier(path) if path.suffix == ".onnx" else load_artifact(path)


if __name__ == "__main__":
    main()
