"""The convolutional network that reads one 48×48 grey face."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from emotion.labels import LABELS


@dataclass(frozen=True)
class NetworkConfig:
    """What rebuilds the network's shape; it travels with the weights.

    `stages`: the output channels of each 3×3 convolution, stage by stage; the resolution halves between stages.
    `dropout`: on the pooled features, in training only.
    `pixel_mean`, `pixel_std`: of the training split, on the 0–255 scale.
    """

    stages: tuple[tuple[int, ...], ...]
    dropout: float
    pixel_mean: float
    pixel_std: float


class FaceNetwork(nn.Module):
    """Pooled features of a face, and one linear layer from these to the emotions.

    `config`: a dataclass that rebuilds the network's shape.
    """

    config: Any

    def add_head(self, features: int, dropout: float) -> None:
        """Dropout and the linear layer; last, as checkpoints of earlier versions have the parameters in this order."""
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, len(LABELS))

    def embed(self, faces: torch.Tensor) -> torch.Tensor:
        """Pooled features `[N, C]` for grey faces `[N, 1, H, W]` of 0–255, any dtype.

        H and W are 48 in serving; training may show less of a face. Pixels are normalized here, so callers need
        not do it.
        """
        raise NotImplementedError

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Logits `[N, 7]`, in the order of `LABELS`; `faces` as in `embed`."""
        logits: torch.Tensor = self.head(self.dropout(self.embed(faces)))
        return logits


class EmotionNetwork(FaceNetwork):
    """Stages of 3×3 convolutions with batch normalization; global average pooling; one linear layer.

    The stages are those of Simonyan & Zisserman 2015 (VGG); the pooling of Lin et al. 2014 replaces large hidden
    layers.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.features = _stages(config)
        self.add_head(config.stages[-1][-1], config.dropout)

    def embed(self, faces: torch.Tensor) -> torch.Tensor:
        """See `FaceNetwork.embed`."""
        normalized = (faces.float() - self.config.pixel_mean) / self.config.pixel_std
        features: torch.Tensor = self.features(normalized).mean(dim=(2, 3))
        return features


def _stages(config: NetworkConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 1
    for index, stage in enumerate(config.stages):
        if index:
            layers.append(nn.MaxPool2d(2))
        for width in stage:
            layers.append(_convolution(channels, width))
            channels = width
    return nn.Sequential(*layers)


def _convolution(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )
