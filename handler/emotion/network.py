"""The convolutional network that reads one 48×48 grey face."""

from dataclasses import dataclass

import torch
from torch import nn

from emotion.labels import LABELS

INPUT_SIZE = 48
"""Side of the square input, in pixels: FER-2013's own size."""


@dataclass(frozen=True)
class NetworkConfig:
    """What rebuilds the network's shape; it travels with the weights.

    `widths`: channels of each stage; the resolution halves between stages.
    `depth`: 3×3 convolutions in each stage.
    `dropout`: on the pooled features, in training only.
    `pixel_mean`, `pixel_std`: of the training split, on the 0–255 scale.
    """

    widths: tuple[int, ...]
    depth: int
    dropout: float
    pixel_mean: float
    pixel_std: float


class EmotionNetwork(nn.Module):
    """VGG-style stages with batch normalization, global average pooling and a fully connected head.

    After Simonyan & Zisserman 2015, with the pooling of Lin et al. 2014 in place of the large hidden layers.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        stages: list[nn.Module] = []
        channels = 1
        for index, width in enumerate(config.widths):
            if index:
                stages.append(nn.MaxPool2d(2))
            for _ in range(config.depth):
                stages += [
                    nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                ]
                channels = width
        self.features = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(config.dropout), nn.Linear(channels, len(LABELS))
        )

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Logits `[N, 7]`, in the order of `LABELS`, for grey faces `[N, 1, 48, 48]` of 0–255, any dtype.

        Normalization happens here, so nobody outside has to know it.
        """
        if not faces.is_floating_point():
            faces = faces.float()
        normalized = (faces - self.config.pixel_mean) / self.config.pixel_std
        logits: torch.Tensor = self.head(self.features(normalized))
        return logits
