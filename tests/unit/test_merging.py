"""Runs that begin with several networks, averaged or side by side."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.artifact import Artifact, load_artifact
from tests.unit.tiny_run import CPU, tiny_recipe
from training.data import Split
from training.evaluate import evaluate
from training.pruning import count
from training.recipe import NetworkRecipe, RecipeError, StartRecipe
from training.train import train

NARROW, WIDE = (NetworkRecipe(widths=(16, width), depth=2, dropout=0.0) for width in (32, 64))


def train_parts(handful: Split, runs: Path, **shapes: NetworkRecipe) -> dict[str, Artifact]:
    """Networks of one epoch by their names, each begun from random weights of its own."""
    for seed, (name, shape) in enumerate(shapes.items()):
        recipe = tiny_recipe(epochs=1).model_copy(update={"seed": seed, "network": shape})
        train(recipe, handful, handful, runs / name, CPU)
    return {name: load_artifact(runs / name / "emotion.pt") for name in shapes}


def merged(handful: Split, runs: Path, start: StartRecipe, **optimization: object) -> Artifact:
    """What a run makes of the trained networks in `start`."""
    settings = tiny_recipe().optimization.model_copy(update={"epochs": 0} | optimization)
    recipe = tiny_recipe().model_copy(update={"network": None, "start": start, "optimization": settings})
    return load_artifact(train(recipe, handful, handful, runs / "merged", CPU))


def test_a_run_begins_with_the_average_of_networks(handful: Split, tmp_path: Path) -> None:
    parts = train_parts(handful, tmp_path, first=NARROW, second=NARROW, wide=WIDE)
    first, second = parts["first"].network.head.weight, parts["second"].network.head.weight
    blend = StartRecipe(network="first/emotion.pt", blend={"second/emotion.pt": 0.25})
    torch.testing.assert_close(merged(handful, tmp_path, blend).network.head.weight, 0.75 * first + 0.25 * second)
    assert not torch.equal(first, second)
    both = blend.model_copy(update={"beside": ("first/emotion.pt",)})
    branches = merged(handful, tmp_path, both, settle=False).network
    torch.testing.assert_close(branches.beside[0].state_dict(), parts["first"].network.features.state_dict())
    with (tmp_path / "merged" / "metrics.csv").open(encoding="utf-8") as file:
        assert not list(csv.DictReader(file)), "there was no epoch"
    with pytest.raises(RecipeError, match="different shapes"):
        merged(handful, tmp_path, StartRecipe(network="first/emotion.pt", blend={"wide/emotion.pt": 0.5}))
    with pytest.raises(ValueError, match="together they are below 1"):
        StartRecipe(network="first/emotion.pt", blend={"second/emotion.pt": 1.0})


def test_networks_side_by_side_answer_with_their_mean(handful: Split, tmp_path: Path) -> None:
    parts = train_parts(handful, tmp_path, first=NARROW, wide=WIDE)
    both = merged(handful, tmp_path, StartRecipe(network="first/emotion.pt", beside=("wide/emotion.pt",)), settle=False)
    answers = [part.logits(handful.images) / part.temperature for part in parts.values()]
    np.testing.assert_allclose(both.logits(handful.images), np.mean(answers, axis=0), atol=1e-4)

    (tmp_path / "merged").rename(tmp_path / "both")
    start = StartRecipe(network="both/emotion.pt", beside=("first/emotion.pt",))
    three = merged(handful, tmp_path, start, settle=False)
    answers = [part.logits(handful.images) / part.temperature for part in (both, parts["first"])]
    np.testing.assert_allclose(three.logits(handful.images), np.mean(answers, axis=0), atol=1e-4)


def test_networks_side_by_side_are_pruned_and_learn_again(handful: Split, tmp_path: Path) -> None:
    parts = train_parts(handful, tmp_path, first=NARROW, wide=WIDE)
    start = StartRecipe(network="first/emotion.pt", beside=("wide/emotion.pt",), prune=0.3, round_to=4)
    pruned = merged(handful, tmp_path, start, epochs=60)
    assert count(pruned.network)[0] < sum(count(part.network)[0] for part in parts.values())
    assert evaluate(pruned, handful, trained_on=None)["accuracy"] == 1.0


def test_only_networks_of_one_kind_stand_side_by_side(handful: Split, tmp_path: Path) -> None:
    train_parts(handful, tmp_path, first=NARROW, residual=NARROW.model_copy(update={"residual": True}))
    with pytest.raises(RecipeError, match="stages and dropout only"):
        merged(handful, tmp_path, StartRecipe(network="first/emotion.pt", beside=("residual/emotion.pt",)))
