"""What the networks are trained to answer for each face: labels, teachers' answers, annotators' votes."""

import numpy as np
import torch
from scipy.optimize import minimize
from torch import nn
from torch.nn.functional import one_hot

from emotion.labels import LABELS
from training.artifact import Artifact
from training.data import Split
from training.scoring import predict_logits

PENALTY = 1e-4
"""Of the squared weights of the logistic regression: keeps it finite where votes decide a label alone."""


def label_targets(labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Smoothed one-hot targets float32 `[N, 7]` (Szegedy et al. 2016) for labels int64 `[N]`."""
    return one_hot(labels, len(LABELS)).float() * (1 - smoothing) + smoothing / len(LABELS)


def teacher_targets(
    teachers: list[Artifact], faces: Split, temperature: float, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """The ensemble's mean softened answer float32 `[N, 7]` to each face and its mirror image."""
    views = (faces.images, np.ascontiguousarray(faces.images[:, :, ::-1]))
    answers = [
        torch.softmax(predict_logits(teacher.network.to(device), view, device) / temperature, dim=1)
        for teacher in teachers
        for view in views
    ]
    return torch.stack(answers).mean(0)


def informed_by_votes(answers: torch.Tensor, votes: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """What teachers answer who also know how people voted: float32 `[N, 7]`.

    A teacher may see what its student never will (Lopez-Paz et al. 2016, "Unifying distillation and privileged
    information"). `answers` `[N, 7]` of the networks are multiplied with P(label | votes) / P(label), as if face and
    votes were independent given the label (naive Bayes). `votes`: shares `[N, 7]`; `labels`: int64 `[N]`.
    """
    shares = torch.cat([votes, votes.sqrt()], dim=1).double()
    likely = torch.log_softmax(_logistic_regression(shares, labels), dim=1).to(answers.dtype)
    frequency = torch.bincount(labels, minlength=len(LABELS)).clamp(min=1).log()
    return torch.softmax(answers.clamp(min=torch.finfo(answers.dtype).tiny).log() + likely - frequency, dim=1)


def soft_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of logits `[N, 7]` against targets `[N, 7]`; a row of zeros asks for nothing."""
    return -(targets * torch.log_softmax(logits.float(), dim=1)).sum(1).mean()


def _logistic_regression(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logits float64 `[N, 7]` of multinomial logistic regression of `labels` on `features` `[N, M]`, for themselves."""
    layer = nn.Linear(features.shape[1], len(LABELS), dtype=torch.float64, device=features.device)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        nn.utils.vector_to_parameters(torch.from_numpy(flat).to(features.device), layer.parameters())
        layer.zero_grad()
        value = nn.functional.cross_entropy(layer(features), labels) + PENALTY * layer.weight.square().sum()
        value.backward()
        gradients = torch.cat([each.grad.flatten() for each in layer.parameters()])  # type: ignore[union-attr]
        return value.item(), gradients.cpu().numpy()

    start = np.zeros(sum(each.numel() for each in layer.parameters()))
    loss(minimize(loss, start, jac=True, method="L-BFGS-B").x)  # leaves the layer with the best weights
    logits: torch.Tensor = layer(features)
    return logits.detach()
