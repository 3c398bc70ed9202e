"""Damage must damage, leave pictures, and leave alone what it is told to."""

import numpy as np
import pytest
import torch

from training import corruption
from training.corruption import Change, damage, paired_views
from training.occlusion import cover
from training.recipe import AugmentationRecipe, CorruptionRecipe

STILL = AugmentationRecipe(rotation=0, shift=0, scale=0, brightness=0, contrast=0, crop=48, erasing=0)
MOVED = AugmentationRecipe(rotation=20, shift=0.2, scale=0.2, brightness=0, contrast=0, crop=40, erasing=0)

NONE = {"intact": 0.0, "cover": 0.0, "light": 0.0, "blur": 0.0, "shrink": 0.0, "noise": 0.0, "jpeg": 0.0}
KINDS = ("cover", "light", "blur", "shrink", "noise", "jpeg")


def only(**probabilities: float) -> CorruptionRecipe:
    return CorruptionRecipe.model_validate(NONE | probabilities)


@pytest.fixture
def faces(grey_faces: np.ndarray) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.from_numpy(grey_faces).unsqueeze(1)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_damage_leaves_a_picture_that_differs_from_face_to_face(faces: torch.Tensor, kind: str) -> None:
    same = faces[:1].expand(16, -1, -1, -1)
    clean, damaged = paired_views(same, STILL, only(**{kind: 1.0}))
    assert damaged.shape == clean.shape == (16, 1, 48, 48)
    assert damaged.isfinite().all() and damaged.min() >= 0 and damaged.max() <= 255
    assert len({face.numpy().tobytes() for face in damaged}) >= 8, "there are few sizes and qualities"
    changed = (damaged - clean).abs().amax(dim=(1, 2, 3)) > 1
    mirrored = (damaged - clean.flip(3)).abs().amax(dim=(1, 2, 3)) > 1
    assert (changed & mirrored).float().mean() > 0.8


def test_both_views_have_the_same_geometry(faces: torch.Tensor) -> None:
    clean, damaged = paired_views(faces, MOVED, only())
    torch.testing.assert_close(damaged, clean)
    clean, damaged = paired_views(faces, MOVED, only(light=1.0))
    # Light changes greys, not places: the rank of a pixel among its face's stays much the same.
    alike = [np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(clean.numpy(), damaged.numpy(), strict=True)]
    assert np.nanmedian(alike) > 0.7


def test_intact_faces_suffer_nothing(faces: torch.Tensor) -> None:
    everything = only(**dict.fromkeys(KINDS, 1.0)).model_copy(update={"intact": 1.0})
    clean, damaged = paired_views(faces, MOVED, everything)
    torch.testing.assert_close(damaged, clean)


def test_damage_is_as_frequent_as_the_recipe_says(faces: torch.Tensor) -> None:
    many = faces[:8].repeat(100, 1, 1, 1).float()
    damaged = damage(many, only(noise=0.3), torch.arange(800) < 400)
    suffered = (damaged != many).any(dim=3).any(dim=2)[:, 0]
    assert not suffered[:400].any()
    assert 0.2 < suffered[400:].float().mean() < 0.4


@pytest.mark.parametrize(
    "change", [corruption._gaussian_blur, corruption._defocus, corruption._motion, corruption._shrink]
)
def test_what_blurs_leaves_an_even_picture_even(change: Change) -> None:
    """Kernels sum to one, also at the border, and enlarging undoes the size; a third of the small faces have noise."""
    torch.manual_seed(1)
    even = torch.full((24, 1, 40, 40), 100.0)
    changed = change(even)
    assert changed.shape == even.shape
    left = ((changed - even).abs().amax(dim=(1, 2, 3)) < 1.5).float().mean()
    assert left == 1 or (change is corruption._shrink and left > 0.4)


def test_blur_keeps_less_detail_and_noise_brings_more(faces: torch.Tensor) -> None:
    def detail(pictures: torch.Tensor) -> torch.Tensor:
        return pictures.diff(dim=3).abs().mean(dim=(1, 2, 3))

    real = faces.float()
    for change in (corruption._gaussian_blur, corruption._defocus, corruption._motion):
        assert (detail(change(real)) < detail(real)).all()
    for change in (corruption._gaussian_noise, corruption._shot_noise, corruption._impulse_noise):
        assert (detail(change(real).clamp(0, 255)) > detail(real)).float().mean() > 0.9


def test_a_cover_hides_a_part_of_the_face_and_leaves_the_rest(faces: torch.Tensor) -> None:
    torch.manual_seed(2)
    even = torch.full((200, 1, 48, 48), 300.0)  # brighter than any cover, so that every covered pixel shows
    hidden = (cover(even) < 299).float().mean(dim=(1, 2, 3))
    assert hidden.min() > 0.005 and hidden.max() < 0.6
    assert 0.05 < hidden.mean() < 0.3


def test_every_second_face_is_damaged_and_equally_each_time(grey_faces: np.ndarray) -> None:
    before = torch.get_rng_state()
    damaged = corruption.half_damaged(grey_faces)
    assert damaged.shape == grey_faces.shape and damaged.dtype == np.uint8
    np.testing.assert_array_equal(damaged[::2], grey_faces[::2])
    assert (damaged[1::2] != grey_faces[1::2]).any(axis=(1, 2)).mean() > 0.6
    np.testing.assert_array_equal(corruption.half_damaged(grey_faces), damaged)
    assert torch.equal(torch.get_rng_state(), before)
