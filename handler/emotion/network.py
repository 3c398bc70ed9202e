"""The convolutional network that reads one 48×48 grey face."""

from dataclasses import dataclass

import torch
from torch import nn

from emotion.backbones import build_backbone
from emotion.labels import LABELS


@dataclass(frozen=True)
class NetworkConfig:
    """What rebuilds the network's shape; it travels with the weights.

    `stages`: the output channels of each 3×3 convolution, stage by stage; the resolution halves between stages.
    `residual`: every two convolutions of a stage get a shortcut around them.
    `dropout`: on the pooled features, in training only.
    `pixel_mean`, `pixel_std`: of the training split, on the 0–255 scale.
    `backbone`, `enlarge`: see `emotion.backbones.build_backbone`, which then takes `stages` as the `inner` channels.
    """

    stages: tuple[tuple[int, ...], ...]
    residual: bool
    dropout: float
    pixel_mean: float
    pixel_std: float
    backbone: str = ""
    enlarge: int = 1


class EmotionNetwork(nn.Module):
    """Stages of 3×3 convolutions with batch normalization, or a backbone; global average pooling; one linear layer.

    Plain stages are those of Simonyan & Zisserman 2015 (VGG), residual ones those of He et al. 2016 (ResNet), and the
    pooling of Lin et al. 2014 stands in place of large hidden layers.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        if config.backbone:
            self.features, channels = build_backbone(config.backbone, config.enlarge, config.stages)
        else:
            self.features, channels = _stages(config)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(channels, len(LABELS))

    def embed(self, faces: torch.Tensor) -> torch.Tensor:
        """Pooled features `[N, config.features]` for grey faces `[N, 1, H, W]` of 0–255, any dtype.

        H and W are 48 in serving; training may show less of a face. Normalization happens here, so nobody outside has
        to know it.
        """
        normalized = (faces.float() - self.config.pixel_mean) / self.config.pixel_std
        features: torch.Tensor = self.features(normalized).mean(dim=(2, 3))
        return features

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Logits `[N, 7]`, in the order of `LABELS`; `faces` as in `embed`."""
        logits: torch.Tensor = self.head(self.dropout(self.embed(faces)))
        return logits


def _stages(config: NetworkConfig) -> tuple[nn.Sequential, int]:
    layers: list[nn.Module] = []
    channels = 1
    for index, stage in enumerate(config.stages):
        if index:
            layers.append(nn.MaxPool2d(2))
        if config.residual:
            if index == 0:
                layers.append(_convolution(channels, stage[0]))
                channels = stage[0]
            for inner, outer in zip(stage[::2], stage[1::2], strict=True):
                layers.append(_Residual(channels, inner, outer))
                channels = outer
        else:
            for width in stage:
                layers.append(_convolution(channels, width))
                channels = width
    return nn.Sequential(*layers), channels


def _convolution(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )


class _Residual(nn.Module):
    """Two convolutions with a shortcut, which is a 1×1 convolution where the number of channels changes."""

    def __init__(self, channels: int, inner: int, outer: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(channels, inner),
            nn.Conv2d(inner, outer, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outer),
        )
        self.shortcut = (
            nn.Identity()
            if channels == outer
            else nn.Sequential(nn.Conv2d(channels, outer, kernel_size=1, bias=False), nn.BatchNorm2d(outer))
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(features) + self.shortcut(features))
