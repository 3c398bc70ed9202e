"""Networks of other families that can stand in place of the stages of `emotion.network`."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

FACE_RESNET = "face-resnet"
FACE_RESNET_CHANNELS = (32, 64, 128, 256)
FACE_RESNET_BLOCKS = (3, 4, 3, 3)


def build_backbone(name: str, enlarge: int, inner: tuple[tuple[int, ...], ...]) -> tuple[nn.Sequential, int]:
    """Layers from normalized grey faces `[N, 1, H, W]` to feature maps, and how many channels those have.

    `name`: `face-resnet`, or torchvision's name of a classification network; `enlarge`: the factor by which a face is
    enlarged first, since these networks were made for larger pictures; `inner`: see `FaceResNet`.
    Raises `ValueError` for an unknown name, and `ImportError` where torchvision is asked for and not installed.
    """
    if name == FACE_RESNET:
        return nn.Sequential(Enlarge(enlarge), FaceResNet(inner)), FACE_RESNET_CHANNELS[-1]
    body = torchvision_body(name, weights=None)
    with torch.inference_mode():
        channels = body.eval()(torch.zeros(1, 3, 64, 64)).shape[1]
    return nn.Sequential(Enlarge(enlarge), ThreeChannels(), body), channels


def torchvision_body(name: str, weights: str | None) -> nn.Sequential:
    """The convolutional part of torchvision's network `name`: all that comes before its pooling.

    `weights`: the name of a set that torchvision downloads, or None. Raises `ValueError` for an unknown name of either,
    or a network that has no such part, and `OSError` where the download fails.
    """
    from torchvision.models import get_model  # noqa: PLC0415 - only these networks pay for it; serving has none

    try:
        network = get_model(name, weights=weights)
    except (KeyError, ValueError) as error:
        raise ValueError(f"torchvision has no network {name!r} with weights {weights!r}: {error}") from error
    names = [name for name, _ in network.named_children()]
    if "avgpool" not in names:
        raise ValueError(f"torchvision's {name} has no layer avgpool to cut at; its layers are {names}")
    return nn.Sequential(*list(network.children())[: names.index("avgpool")])


class Enlarge(nn.Module):
    """Bilinear enlargement by a whole factor."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        if self.factor == 1:
            return faces
        return functional.interpolate(faces, scale_factor=float(self.factor), mode="bilinear", align_corners=False)


class ThreeChannels(nn.Module):
    """Grey as red, green and blue."""

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        return faces.expand(-1, 3, -1, -1)


class FaceResNet(nn.Module):
    """The residual network of dlib's face recognition (King 2017) without its last block and its 128 outputs.

    Differences: one grey channel, batch normalization where dlib has only its scale and shift, and padding that keeps
    every side a multiple of the next. A shortcut that changes the shape is average pooling and channels of zeros, so
    it has no weights. `inner`: the channels between the two convolutions of each block, stage by stage; pruning makes
    them fewer, what goes from block to block stays.
    """

    def __init__(self, inner: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        width = FACE_RESNET_CHANNELS[0]
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, kernel_size=7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        blocks = []
        channels = width
        for stage, (width, widths) in enumerate(zip(FACE_RESNET_CHANNELS, inner, strict=True)):
            for place, between in enumerate(widths):
                blocks.append(_Block(channels, between, width, stride=2 if stage and not place else 1))
                channels = width
        self.blocks = nn.Sequential(*blocks)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.blocks(self.stem(faces))
        return features

    def normalized_convolutions(self) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """Every convolution with its normalization, from input to output."""
        for layers in (self.stem, *(part for block in self._blocks() for part in (block.first, block.second))):
            yield layers[0], layers[1]  # type: ignore[misc]

    def tied_convolutions(self) -> list[nn.Module]:
        """The convolutions whose output channels the shortcuts tie together."""
        return [self.stem[0], *(block.second[0] for block in self._blocks())]

    def _blocks(self) -> list["_Block"]:
        return [block for block in self.blocks if isinstance(block, _Block)]


class _Block(nn.Module):
    def __init__(self, channels: int, between: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(channels, between, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(between),
            nn.ReLU(inplace=True),
        )
        self.second = nn.Sequential(
            nn.Conv2d(between, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width)
        )
        self.shortcut: nn.Module = Shrink(channels, width) if stride == 2 else nn.Identity()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(self.first(features)) + self.shortcut(features))


class Shrink(nn.Module):
    """Half the resolution by averaging, and more channels by adding some that are zero."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.channels, self.width = channels, width

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        smaller = functional.avg_pool2d(features, 2, ceil_mode=True)
        return functional.pad(smaller, (0, 0, 0, 0, 0, self.width - self.channels))

    def as_convolution(self) -> nn.Conv2d:
        """The same for even sides as a convolution of fixed weights: more work on paper, less in a runtime."""
        convolution = nn.Conv2d(self.channels, self.width, kernel_size=2, stride=2, bias=False)
        with torch.no_grad():
            convolution.weight.zero_()
            for channel in range(self.channels):
                convolution.weight[channel, channel] = 0.25
        return convolution
