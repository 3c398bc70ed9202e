"""What the networks are trained to answer: labels, and shares of annotators' votes."""

import torch
from torch.nn.functional import one_hot

from emotion.labels import LABELS


def label_targets(labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Smoothed one-hot targets float32 `[N, 7]` (Szegedy et al. 2016) for labels int64 `[N]`."""
    return one_hot(labels, len(LABELS)).float() * (1 - smoothing) + smoothing / len(LABELS)


def soft_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of logits `[N, 7]` against targets `[N, 7]`; a row of zeros adds nothing."""
    return -(targets * torch.log_softmax(logits.float(), dim=1)).sum(1).mean()
