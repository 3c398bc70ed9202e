"""Run one network or several over a split, and fit the temperature."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import nn

from emotion.classifier import Classifier, probabilities

BATCH = 512
LOWEST, HIGHEST = 0.05, 20.0
"""Bounds of the temperature: a network that is always right would otherwise drive it to zero."""


@torch.inference_mode()
def predict_logits(network: nn.Module, images: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """Logits float32 `[N, 7]` on the CPU for grey faces uint8 `[N, 48, 48]`: one view each, nothing averaged."""
    was_training = network.training
    network.eval()
    faces = torch.from_numpy(images).unsqueeze(1)
    logits = [network(batch.to(device)).float().cpu() for batch in faces.split(BATCH)]
    network.train(was_training)
    return torch.cat(logits)


def classify(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    """Logits float32 `[N, 7]` of any `Classifier` for grey faces uint8 `[N, 48, 48]`: one view each."""
    return np.concatenate([classifier.logits(images[start : start + BATCH]) for start in range(0, len(images), BATCH)])


class Ensemble:
    """Several networks that answer as one, by the mean of their calibrated probabilities; it is a `Classifier`."""

    version, temperature = "ensemble", 1.0

    def __init__(self, members: Sequence[Classifier]) -> None:
        self._members = members
        self.name = " + ".join(f"{member.name} {member.version}" for member in members)
        self.runtime = " + ".join(sorted({member.runtime for member in members}))

    def logits(self, faces: np.ndarray) -> np.ndarray:
        """See `Classifier.logits`; their softmax is the mean of the members' probabilities."""
        mean = np.mean([probabilities(member, faces) for member in self._members], axis=0)
        logits: np.ndarray = np.log(np.maximum(mean, np.finfo(np.float32).tiny))
        return logits


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature that minimizes the negative log-likelihood (Guo et al. 2017).

    `logits` `[N, 7]`, `labels` int64 `[N]`, indices of `LABELS`.
    """

    def loss(log_temperature: float) -> float:
        return float(nn.functional.cross_entropy(logits.double() / math.exp(log_temperature), labels))

    found = minimize_scalar(loss, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded")
    return math.exp(found.x)


def fit_offsets(logits: torch.Tensor, labels: torch.Tensor, strength: float) -> torch.Tensor:
    """What to add to the logits of each emotion, float32 `[7]`, so that rare and hard ones are named more often.

    A network names an emotion that it reads badly less often than the labels do, which costs it recall. With the
    offsets of `strength` 1 it names each as often as `labels` int64 `[N]` do, on `logits` `[N, 7]`; those of less
    strength are that part of them, and 0 changes nothing. The idea is logit adjustment (Menon et al. 2021), with the
    shares that the network names in the place of those that it was trained on.
    """
    classes = logits.shape[1]
    wanted = torch.bincount(labels, minlength=classes) + 1.0
    offsets = torch.zeros(classes)
    for step in torch.linspace(0.2, 0, 300):
        named = torch.bincount((logits + offsets).argmax(dim=1), minlength=classes) + 1.0
        offsets += step * torch.log(wanted / named)
    return strength * (offsets - offsets.mean())
