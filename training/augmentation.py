"""Random views of the training faces, drawn on whichever device holds them; evaluation and serving use none of this."""

import math

import torch
from torch.nn.functional import affine_grid, grid_sample

from emotion.labels import INPUT_SIZE
from training.recipe import AugmentationRecipe, MixingRecipe

ERASED_AREA, ERASED_ASPECT, ERASED_VALUE = (0.02, 0.2), 3.3, 128.0
"""Random erasing (Zhong et al. 2020): share of the area, largest ratio of the sides, grey value."""


def augment(faces: torch.Tensor, recipe: AugmentationRecipe) -> torch.Tensor:
    """Grey faces uint8 `[N, 1, 48, 48]`, each moved, lit and erased in its own way: float32 `[N, 1, crop, crop]`.

    Rotation, zoom, shift, mirroring and cropping take one bilinear sampling; the border is repeated outwards, as
    serving does at a photo's edge. Values stay within 0–255.
    """
    return alter(move(faces.float(), recipe), recipe)


def move(faces: torch.Tensor, recipe: AugmentationRecipe) -> torch.Tensor:
    """Faces float32 `[N, C, 48, 48]`, each moved, mirrored and cropped in its own way: `[N, C, crop, crop]`."""
    count = len(faces)
    angle = math.radians(recipe.rotation) * _either_way(faces, count)
    # Output coordinates run from −1 to 1 over the crop, input coordinates over the whole face.
    zoom = recipe.crop / INPUT_SIZE / (1 + recipe.scale * _either_way(faces, count))
    mirror = torch.where(torch.rand(count, device=faces.device) < 0.5, -1.0, 1.0)
    shift = 2 * recipe.shift * _either_way(faces, count, 2)
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    rows = torch.stack([mirror * cosine, -sine, shift[:, 0], mirror * sine, cosine, shift[:, 1]], dim=1)
    grid = affine_grid(rows.view(count, 2, 3), [count, faces.shape[1], recipe.crop, recipe.crop], align_corners=False)
    return grid_sample(faces, grid, mode="bilinear", padding_mode="border", align_corners=False)


def alter(faces: torch.Tensor, recipe: AugmentationRecipe) -> torch.Tensor:
    """Moved faces float32 `[N, 1, S, S]` of 0–255, lit and erased."""
    return _erase(_light(faces, recipe), recipe.erasing)


def mix(
    faces: torch.Tensor, targets: tuple[torch.Tensor, ...], recipe: MixingRecipe
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Blend each face with another of the batch, or paste a rectangle of it; targets `[N, …]` are blended alike.

    Mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019), by `recipe`'s probabilities, one draw a batch.
    """
    choice = float(torch.rand(()))
    if choice >= recipe.mixup + recipe.cutmix:
        return faces, targets
    share = float(torch.distributions.Beta(recipe.alpha, recipe.alpha).sample())
    other = torch.randperm(len(faces), device=faces.device)
    if choice < recipe.mixup:
        mixed = share * faces + (1 - share) * faces[other]
    else:
        side = faces.shape[-1]
        half = side * math.sqrt(1 - share) / 2
        middle = (torch.rand(2) * side).tolist()
        (top, bottom), (left, right) = ((max(0, round(at - half)), min(side, round(at + half))) for at in middle)
        mixed = faces.clone()
        mixed[:, :, top:bottom, left:right] = faces[other, :, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / side**2
    return mixed, tuple(share * each + (1 - share) * each[other] for each in targets)


def _light(faces: torch.Tensor, recipe: AugmentationRecipe) -> torch.Tensor:
    brightness, contrast = (
        1 + spread * _either_way(faces, len(faces), 1, 1, 1) for spread in (recipe.brightness, recipe.contrast)
    )
    mean = faces.mean(dim=(2, 3), keepdim=True)
    return (((faces - mean) * contrast + mean) * brightness).clamp(0, 255)


def _erase(faces: torch.Tensor, probability: float) -> torch.Tensor:
    count, device = len(faces), faces.device
    area = torch.empty(count, device=device).uniform_(*ERASED_AREA)
    ratio = torch.exp(math.log(ERASED_ASPECT) * _either_way(faces, count))
    sides = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], dim=1)
    corner = torch.rand(count, 2, device=device) * (1 - sides)
    centres = (torch.arange(faces.shape[-1], device=device) + 0.5) / faces.shape[-1]
    inside = (centres >= corner.unsqueeze(2)) & (centres < (corner + sides).unsqueeze(2))
    chosen = torch.rand(count, device=device) < probability
    erased = inside[:, 0, :, None] & inside[:, 1, None, :] & chosen[:, None, None]
    return faces.masked_fill(erased.unsqueeze(1), ERASED_VALUE)


def _either_way(like: torch.Tensor, *shape: int) -> torch.Tensor:
    """Uniform draws from −1 to 1 on `like`'s device."""
    return torch.rand(shape, device=like.device) * 2 - 1
