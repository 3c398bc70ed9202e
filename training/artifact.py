"""A trained network in PyTorch: weights, shape, labels, calibration, version, in one file."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emotion.classifier import Classifier, OnnxClassifier
from emotion.labels import LABELS
from training.network import EmotionNetwork, NetworkConfig

FORMAT = 2
"""Raised when the file's layout changes, so that old code refuses new files with a clear message."""


@dataclass(frozen=True)
class Artifact:
    """A trained network; it is a `Classifier`.

    `temperature` divides the logits before the softmax (Guo et al. 2017, "On Calibration of Modern Neural
    Networks"); it never changes which class wins.
    `training`: how the weights came to be (recipe, data counts, and the same for the networks it began with), for
    people to read.
    """

    network: EmotionNetwork
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


def save_artifact(artifact: Artifact, path: Path) -> None:
    """Write `artifact` to `path`, whole or not at all."""
    content = {
        "format": FORMAT,
        "name": artifact.name,
        "version": artifact.version,
        "labels": list(LABELS),
        "temperature": artifact.temperature,
        "network": asdict(artifact.network.config),
        "weights": {name: tensor.cpu() for name, tensor in artifact.network.state_dict().items()},
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
    try:
        config = NetworkConfig(**content["network"])
    except TypeError as error:
        raise ValueError(f"{path.name}: describes a network of another version ({error}); train again") from error
    network = EmotionNetwork(config)
    network.load_state_dict(content["weights"])
    network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Artifact(
        network=network,
        temperature=content["temperature"],
        version=content["version"],
        name=content["name"],
        training=content["training"],
    )


def load_classifier(path: Path) -> Classifier:
    """The network in `path`: `.onnx` runs in ONNX Runtime, `.pt` in PyTorch.

    Raises `FileNotFoundError` when there is no such file and `ValueError` when it is not one of ours.
    """
    return OnnxClassifier(path) if path.suffix == ".onnx" else load_artifact(path)
