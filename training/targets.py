"""What the networks are trained to answer for each face: labels, teachers' answers, annotators' votes."""

import numpy as np
import torch
from torch.nn.functional import one_hot

from emotion.artifact import Artifact
from emotion.labels import LABELS
from training.data import Split
from training.scoring import predict_logits


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


def soft_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of logits `[N, 7]` against targets `[N, 7]`; a row of zeros asks for nothing."""
    return -(targets * torch.log_softmax(logits.float(), dim=1)).sum(1).mean()
