"""Networks that begin with weights that others trained."""

import math
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
from torch import nn

from emotion.backbones import FACE_RESNET, FACE_RESNET_BLOCKS, FACE_RESNET_CHANNELS, FaceResNet, torchvision_body
from emotion.network import EmotionNetwork, NetworkConfig
from training.recipe import BackboneRecipe, RecipeError
from training.third_party import FACE_RECOGNITION, fetch

NO_WEIGHTS, DLIB_WEIGHTS = "none", "dlib"

DLIB_MEAN, DLIB_SCALE = (122.782, 117.001, 104.298), 256.0
"""What dlib takes off red, green and blue, and divides by, before the first convolution."""

WEIGHT_RMS = 0.06
"""Root mean square to which a convolution's weights are scaled. Batch normalization undoes the scale, so it changes
nothing but the size of the optimizer's steps relative to the weights: dlib's are so small that AdamW would lose them
in an epoch."""

CALIBRATION_FACES = 512
"""Training faces whose activations become the first statistics of batch normalization."""


def pretrained_network(
    recipe: BackboneRecipe, pixel_mean: float, pixel_std: float, images: np.ndarray
) -> EmotionNetwork:
    """A network by `recipe` with its first weights; the last layer is new.

    `pixel_mean`, `pixel_std`: of the training split; `images`: its grey faces uint8 `[N, 48, 48]`.
    Raises `RecipeError` for an unknown network or set of weights, or where they cannot be had.
    """
    face = recipe.name == FACE_RESNET
    if face and recipe.weights not in (NO_WEIGHTS, DLIB_WEIGHTS):
        raise RecipeError(f"backbone.weights is {recipe.weights!r}; {FACE_RESNET} has {NO_WEIGHTS} and {DLIB_WEIGHTS}")
    channels = zip(FACE_RESNET_CHANNELS, FACE_RESNET_BLOCKS, strict=True)
    inner = tuple((width,) * blocks for width, blocks in channels) if face else ()
    try:
        network = EmotionNetwork(
            NetworkConfig(inner, False, recipe.dropout, pixel_mean, pixel_std, recipe.name, recipe.enlarge)
        )
        if recipe.weights == NO_WEIGHTS:
            return network
        body = network.features[-1]
        if isinstance(body, FaceResNet):
            load_dlib(body, fetch(FACE_RECOGNITION), pixel_mean, pixel_std)
            chosen = images[:: max(1, len(images) // CALIBRATION_FACES)]
            calibrate(network, body, torch.from_numpy(chosen).unsqueeze(1))
        else:
            body.load_state_dict(torchvision_body(recipe.name, recipe.weights).state_dict())
    except ImportError as error:
        raise RecipeError(f"backbone {recipe.name!r} needs torchvision: {error}; pip install torchvision") from error
    except URLError as error:
        raise RecipeError(
            f"the weights {recipe.weights!r} of {recipe.name} cannot be downloaded ({error.reason}); download them "
            f"where you can into {torch.hub.get_dir()}/checkpoints, or begin at random with --weights {NO_WEIGHTS}"
        ) from error
    except ValueError as error:
        raise RecipeError(str(error)) from error
    return network


def load_dlib(body: FaceResNet, path: Path, pixel_mean: float, pixel_std: float) -> None:
    """Fill `body` from dlib's file; until `calibrate`, its batch normalization only scales and shifts, as dlib does.

    `body` will read grey `(pixel − pixel_mean) / pixel_std` where dlib read colours, so its first convolution gets the
    sum of the colours' weights. dlib's padding differs at the borders, so the answers differ there.
    """
    arrays = dlib_arrays(path)
    with torch.no_grad():
        for place, (convolution, normalization) in enumerate(body.normalized_convolutions()):
            weights, gains = next(arrays), next(arrays)
            width = convolution.out_channels
            kernels = weights[:-width].view(width, -1, *convolution.kernel_size)
            offset = weights[-width:]
            if place == 0:
                mean = torch.tensor(DLIB_MEAN).view(1, 3, 1, 1)
                offset = offset + (kernels * (pixel_mean - mean)).sum((1, 2, 3)) / DLIB_SCALE
                kernels = kernels.sum(1, keepdim=True) * pixel_std / DLIB_SCALE
            convolution.weight.copy_(kernels)
            normalization.weight.copy_(gains[:width])
            normalization.bias.copy_(gains[width:] + gains[:width] * offset)
            normalization.reset_running_stats()
            normalization.running_var.sub_(normalization.eps)  # type: ignore[union-attr]


@torch.no_grad()
def calibrate(network: EmotionNetwork, body: FaceResNet, faces: torch.Tensor) -> None:
    """Give batch normalization the statistics of `faces`, uint8 `[N, 1, 48, 48]`, and keep what `network` answers.

    Every normalization gets as scale and shift what undoes its new statistics, and every convolution the same size of
    weights. Without this, the first training steps would normalize what was never normalized.
    """

    def keep(normalization: nn.BatchNorm2d, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), unbiased=False)
        normalization.running_mean.copy_(mean)  # type: ignore[union-attr]
        normalization.running_var.copy_(variance)  # type: ignore[union-attr]
        normalization.bias.add_(normalization.weight * mean)
        normalization.weight.mul_((variance + normalization.eps).sqrt())
        return output

    layers = list(body.normalized_convolutions())
    hooks = [normalization.register_forward_hook(keep) for _, normalization in layers]
    network.eval()
    network(faces)
    for hook in hooks:
        hook.remove()
    for convolution, normalization in layers:
        factor = WEIGHT_RMS / convolution.weight.square().mean().sqrt()
        convolution.weight.mul_(factor)
        normalization.running_mean.mul_(factor)  # type: ignore[union-attr]
        normalization.running_var.mul_(factor**2)  # type: ignore[union-attr]


def dlib_arrays(path: Path) -> Iterator[torch.Tensor]:
    """The weights in a file of dlib's networks, from input to output, flat float32: convolution, scale, convolution, …

    A convolution's array is its kernels and then its offsets, a scale's array its factors and then its shifts. dlib
    writes a layer's name, then its tensor: a version, four sides, and little-endian floats; integers as a byte that
    counts the bytes that follow (dlib/serialize.h, Boost licence).
    """
    content = path.read_bytes()
    place = 0
    while found := [(at, name) for name in (b"\x05con_4", b"\x07affine_") if (at := content.find(name, place)) >= 0]:
        at, name = min(found)
        (version, *sides), place = _integers(content, at + len(name), 5)
        if version != 2:
            raise ValueError(f"{path.name}: a tensor of version {version}; only 2 can be read")
        count = math.prod(sides)
        yield torch.from_numpy(np.frombuffer(content, "<f4", count, place).copy())
        place += 4 * count


def _integers(content: bytes, place: int, count: int) -> tuple[list[int], int]:
    """The next `count` integers, and the place behind them."""
    integers = []
    for _ in range(count):
        size = content[place]
        integers.append(int.from_bytes(content[place + 1 : place + 1 + size], "little"))
        place += 1 + size
    return integers, place
