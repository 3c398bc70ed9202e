"""Random views of the training faces; evaluation and serving use none of this."""

from collections.abc import Callable

import torch
from torchvision.transforms import InterpolationMode, v2

from emotion.network import INPUT_SIZE
from training.recipe import AugmentationRecipe

GROUP = 8
"""Faces that share one draw of the transform. torchvision draws once a call; calls for eight faces at a time take
2.7 s of an epoch on two cores, calls for single faces would take several times that."""


def augmentation(recipe: AugmentationRecipe) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function from grey faces uint8 `[N, 1, 48, 48]` to augmented ones, uint8 `[N, 1, crop, crop]`.

    The border is repeated outwards before the face is moved, as serving does at a photo's edge.
    """
    margin = INPUT_SIZE // 4
    transform = v2.Compose(
        [
            v2.Pad(margin, padding_mode="edge"),
            v2.RandomAffine(
                degrees=recipe.rotation,
                # RandomAffine counts in sides of the padded image.
                translate=(recipe.shift * INPUT_SIZE / (INPUT_SIZE + 2 * margin),) * 2,
                scale=(1 - recipe.scale, 1 + recipe.scale),
                interpolation=InterpolationMode.BILINEAR,
            ),
            v2.CenterCrop(recipe.crop),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(brightness=recipe.brightness, contrast=recipe.contrast),
            v2.RandomErasing(p=recipe.erasing, scale=(0.02, 0.2), value=128),
        ]
    )

    def augment(faces: torch.Tensor) -> torch.Tensor:
        return torch.cat([transform(group) for group in faces.split(GROUP)])

    return augment
