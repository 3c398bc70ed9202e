import numpy as np
import pytest
import torch

from training.augmentation import augment, mix
from training.recipe import AugmentationRecipe, MixingRecipe, load_recipe
from training.train import RECIPES


def test_each_face_is_augmented_in_its_own_way_and_stays_a_picture() -> None:
    recipe = load_recipe(RECIPES / "vgg-small.toml").augmentation
    torch.manual_seed(0)
    faces = torch.randint(0, 256, (1, 1, 48, 48), dtype=torch.uint8).expand(16, -1, -1, -1)
    augmented = augment(faces, recipe)
    assert augmented.shape == (16, 1, recipe.crop, recipe.crop)
    assert augmented.min() >= 0 and augmented.max() <= 255
    assert len({face.numpy().tobytes() for face in augmented}) == 16


def test_without_strength_augmentation_only_crops_and_mirrors(grey_faces: np.ndarray) -> None:
    recipe = AugmentationRecipe(rotation=0, shift=0, scale=0, brightness=0, contrast=0, crop=40, erasing=0)
    faces = torch.from_numpy(grey_faces).unsqueeze(1)
    middle = faces[:, :, 4:44, 4:44].float()
    torch.manual_seed(0)
    for augmented, face in zip(augment(faces, recipe), middle, strict=True):
        # The sampling grid is computed in float32, so pixel centres are met to about 1e-5 of a pixel.
        same = torch.allclose(augmented, face, atol=0.01)
        assert same or torch.allclose(augmented, face.flip(2), atol=0.01)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_blends_targets_by_what_is_left_of_each_face(kind: str) -> None:
    recipe = MixingRecipe.model_validate({"mixup": 0.0, "cutmix": 0.0, "alpha": 1.0} | {kind: 1.0})
    faces = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 40, 40)
    targets = torch.eye(4)
    for seed in range(20):
        torch.manual_seed(seed)
        mixed, (blended,) = mix(faces, (targets,), recipe)
        # Face i is a plain picture of value i, so its mean tells the shares.
        torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), blended @ torch.arange(4.0), atol=1e-4, rtol=0)
        torch.testing.assert_close(blended.sum(1), torch.ones(4))


def test_a_batch_that_is_not_mixed_is_left_alone() -> None:
    recipe = MixingRecipe(mixup=0, cutmix=0, alpha=1)
    faces, targets = torch.rand(4, 1, 40, 40), torch.eye(4)
    mixed, (blended,) = mix(faces, (targets,), recipe)
    assert mixed is faces and blended is targets
