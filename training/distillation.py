"""What a student learns from trained networks while it trains: their answers to the undamaged view of each face."""

import copy
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import kl_div, log_softmax
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.artifact import Artifact


class Teachers:
    """Trained networks that answer as one, by the mean of their softened answers.

    `shares`: how much each one's answer counts; if there are none, all count alike.
    """

    def __init__(
        self, artifacts: list[Artifact], temperature: float, device: torch.device, shares: Sequence[float] = ()
    ) -> None:
        self.temperature = temperature
        weights = torch.tensor(shares or [1.0] * len(artifacts), device=device)
        self.shares = weights / weights.sum()
        self.networks = [_folded(each.network).to(device) for each in artifacts]

    def compile(self) -> None:
        """Fuse the networks' operations (`torch.compile`), for batches of one or two sizes."""
        for network in self.networks:
            network.compile(dynamic=False)

    @torch.no_grad()
    def answers(self, faces: torch.Tensor) -> torch.Tensor:
        """Probabilities float32 `[N, 7]` at the temperature, for grey faces `[N, 1, S, S]` of 0–255."""
        faces = faces.contiguous(memory_format=torch.channels_last)
        softened = [torch.softmax(network(faces).float() / self.temperature, dim=1) for network in self.networks]
        # Not a matrix product: autocast would round that one's result to bf16.
        return (self.shares[:, None, None] * torch.stack(softened)).sum(dim=0)


def distillation_loss(logits: torch.Tensor, answers: torch.Tensor, temperature: float) -> torch.Tensor:
    """Divergence of the student's softened answers from the teachers', `[N, 7]` each (Hinton et al. 2015).

    The student is softened as the teachers are, and T² keeps the gradients' size whatever the temperature.
    """
    softened = log_softmax(logits.float() / temperature, dim=1)
    return temperature**2 * kl_div(softened, answers, reduction="batchmean")


def _folded(network: nn.Module) -> nn.Module:
    """A copy whose batch normalization is part of the convolutions: the same answers in three quarters of the time."""
    folded = copy.deepcopy(network).eval()
    for block in folded.modules():
        names = list(block._modules)
        for name, following in pairwise(names):
            convolution, normalization = block._modules[name], block._modules[following]
            if isinstance(convolution, nn.Conv2d) and isinstance(normalization, nn.BatchNorm2d):
                block._modules[name] = fuse_conv_bn_eval(convolution, normalization)
                block._modules[following] = nn.Identity()
    return folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
