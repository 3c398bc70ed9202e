"""Runs that begin with several networks."""

import csv
from pathlib import Path

import pytest
import torch

from emotion.artifact import Artifact, load_artifact
from tests.unit.tiny_run import CPU, tiny_recipe
from training.data import Split
from training.recipe import NetworkRecipe, RecipeError, StartRecipe
from training.train import train

NARROW, WIDE = (NetworkRecipe(widths=(16, width), depth=2, dropout=0.0) for width in (32, 64))


def train_parts(handful: Split, runs: Path, **shapes: NetworkRecipe) -> dict[str, Artifact]:
    """Networks of one epoch by their names, each begun from random weights of its own."""
    for seed, (name, shape) in enumerate(shapes.items()):
        recipe = tiny_recipe(epochs=1).model_copy(update={"seed": seed, "network": shape})
        train(recipe, handful, handful, runs / name, CPU)
    return {name: load_artifact(runs / name / "emotion.pt") for name in shapes}


def merged(handful: Split, runs: Path, start: StartRecipe) -> Artifact:
    """What a run makes of the trained networks in `start`."""
    optimization = tiny_recipe().optimization.model_copy(update={"epochs": 0})
    recipe = tiny_recipe().model_copy(update={"network": None, "start": start, "optimization": optimization})
    return load_artifact(train(recipe, handful, handful, runs / "merged", CPU))


def test_a_run_begins_with_the_average_of_networks(handful: Split, tmp_path: Path) -> None:
    parts = train_parts(handful, tmp_path, first=NARROW, second=NARROW, wide=WIDE)
    first, second = parts["first"].network.head.weight, parts["second"].network.head.weight
    blend = StartRecipe(network="first/emotion.pt", blend={"second/emotion.pt": 0.25})
    torch.testing.assert_close(merged(handful, tmp_path, blend).network.head.weight, 0.75 * first + 0.25 * second)
    assert not torch.equal(first, second)
    with (tmp_path / "merged" / "metrics.csv").open(encoding="utf-8") as file:
        assert not list(csv.DictReader(file)), "there was no epoch"
    with pytest.raises(RecipeError, match="different shapes"):
        merged(handful, tmp_path, StartRecipe(network="first/emotion.pt", blend={"wide/emotion.pt": 0.5}))
    with pytest.raises(ValueError, match="together they are below 1"):
        StartRecipe(network="first/emotion.pt", blend={"second/emotion.pt": 1.0})
