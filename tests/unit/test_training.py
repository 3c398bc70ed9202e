"""The training code is tested by training: on a handful of pictures it must learn them by heart."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import tool
from tests.unit.tiny_run import CPU, tiny_recipe
from training.artifact import load_artifact
from training.data import Split
from training.evaluate import evaluate
from training.pruning import count
from training.recipe import (
    DistillationRecipe,
    NetworkRecipe,
    RecipeError,
    StartRecipe,
    VotesRecipe,
)
from training.run import Run
from training.train import train


def test_a_tiny_network_learns_a_handful_by_heart(handful: Split, tmp_path: Path) -> None:
    artifact = load_artifact(train(tiny_recipe(), handful, handful, tmp_path, CPU))
    report = evaluate(artifact, handful, trained_on=None)
    assert report["accuracy"] == 1.0
    assert report["macro_f1"] == 1.0
    assert 0 < artifact.temperature < 1, "a network that is always right deserves more confidence"


def test_a_trained_network_normalizes_with_whole_and_unaltered_faces(handful: Split, tmp_path: Path) -> None:
    """Training sees them darkened and cropped; the first normalization's mean tells which ones it was given."""
    altered = tiny_recipe(epochs=1)
    altered = altered.model_copy(update={"augmentation": altered.augmentation.model_copy(update={"crop": 40})})
    means = {}
    for settle in (True, False):
        optimization = altered.optimization.model_copy(update={"settle": settle, "batch_size": len(handful)})
        out = tmp_path / str(settle)
        path = train(altered.model_copy(update={"optimization": optimization}), handful, handful, out, CPU)
        network = load_artifact(path).network
        convolution, normalization = network.get_submodule("features.0.0"), network.get_submodule("features.0.1")
        with torch.no_grad():
            faces = torch.from_numpy(handful.images).unsqueeze(1).float()
            whole = convolution((faces - network.config.pixel_mean) / network.config.pixel_std).mean((0, 2, 3))
        means[settle] = torch.allclose(normalization.state_dict()["running_mean"], whole, atol=1e-4)
    assert means == {True: True, False: False}


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(
    handful: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(epochs=4)
    whole = load_artifact(train(recipe, handful, handful, tmp_path / "whole", CPU))
    validate, epochs = Run.validate, []

    def interrupted(run: Run, validation: Split) -> dict[str, float]:
        epochs.append(run.epoch)
        if epochs == [1, 2, 3]:
            raise KeyboardInterrupt
        return validate(run, validation)

    monkeypatch.setattr(Run, "validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, handful, handful, tmp_path / "parts", CPU)
    resumed = load_artifact(train(recipe, handful, handful, tmp_path / "parts", CPU))
    assert epochs == [1, 2, 3, 3, 4], "the interrupted third epoch is done again, nothing else"
    for name, weights in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], weights)
    assert resumed.temperature == whole.temperature


def test_two_runs_with_one_seed_are_the_same_run(handful: Split, tmp_path: Path) -> None:
    runs = {
        name: load_artifact(train(tiny_recipe(epochs=2).model_copy(update={"seed": seed}), handful, handful, out, CPU))
        for name, seed, out in (("one", 3, tmp_path / "1"), ("same", 3, tmp_path / "2"), ("other", 4, tmp_path / "3"))
    }
    weights = {name: artifact.network.head.weight for name, artifact in runs.items()}
    torch.testing.assert_close(weights["same"], weights["one"])
    assert not torch.allclose(weights["other"], weights["one"])


def test_metrics_hold_one_row_an_epoch_also_after_resuming(handful: Split, tmp_path: Path) -> None:
    train(tiny_recipe(epochs=3), handful, handful, tmp_path, CPU)
    train(tiny_recipe(epochs=3), handful, handful, tmp_path, CPU)
    with (tmp_path / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(0 <= float(row["validation_accuracy"]) <= 1 for row in rows)


def test_a_checkpoint_of_another_recipe_is_refused(handful: Split, tmp_path: Path) -> None:
    train(tiny_recipe(epochs=1), handful, handful, tmp_path, CPU)
    with pytest.raises(RecipeError, match="another recipe"):
        train(tiny_recipe(epochs=2), handful, handful, tmp_path, CPU)


def test_a_checkpoint_of_an_older_program_is_refused(handful: Split, tmp_path: Path) -> None:
    """Its recipe has a key that there is no more."""
    train(tiny_recipe(epochs=1), handful, handful, tmp_path, CPU)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    written = json.loads(state["recipe"])
    written["optimization"]["momentum"] = 0.9
    torch.save(state | {"recipe": json.dumps(written)}, tmp_path / "checkpoint.pt")
    with pytest.raises(RecipeError, match="another recipe"):
        train(tiny_recipe(epochs=1), handful, handful, tmp_path, CPU)


def test_an_artifact_of_another_version_is_refused(handful: Split, tmp_path: Path) -> None:
    path = train(tiny_recipe(epochs=1), handful, handful, tmp_path, CPU)
    content = torch.load(path, weights_only=True)
    content["network"]["branches"] = 2
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"emotion\.pt: describes a network of another version.*branches"):
        load_artifact(path)


def test_a_checkpoint_of_a_network_that_has_changed_since_is_refused(handful: Split, tmp_path: Path) -> None:
    """A run that begins from another one is interrupted, and meanwhile that one is trained anew, with other widths."""
    recipe = tiny_recipe(epochs=1).model_copy(
        update={"network": None, "start": StartRecipe(network="whole/emotion.pt")}
    )
    for width in (16, 8):
        shape = NetworkRecipe(widths=(width, 32), depth=2, dropout=0.0)
        whole = tiny_recipe(epochs=1).model_copy(update={"network": shape})
        train(whole, handful, handful, tmp_path / str(width), CPU).rename(tmp_path / f"{width}.pt")
    (tmp_path / "whole").mkdir()
    (tmp_path / "16.pt").rename(tmp_path / "whole" / "emotion.pt")
    train(recipe, handful, handful, tmp_path / "next", CPU)
    (tmp_path / "8.pt").rename(tmp_path / "whole" / "emotion.pt")
    with pytest.raises(RecipeError, match="holds another network"):
        train(recipe, handful, handful, tmp_path / "next", CPU)


@pytest.mark.parametrize("amx", [True, False])
def test_a_processor_with_amx_computes_in_bf16(monkeypatch: pytest.MonkeyPatch, amx: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx})
    with CPU.bf16():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if amx else torch.float32)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own use of it
def test_a_compiled_run_learns_what_another_learns(handful: Split, tmp_path: Path) -> None:
    """From labels and a teacher; the last batch of each epoch is smaller than the others."""
    tool("g++", "g++")
    train(tiny_recipe(epochs=1), handful, handful, tmp_path / "teacher", CPU)
    distillation = DistillationRecipe(teachers=("teacher/emotion.pt",), weight=0.5, temperature=2.0)
    recipe = tiny_recipe(epochs=2, batch_size=16).model_copy(update={"distillation": distillation})
    losses = []
    for execution in (CPU, replace(CPU, compiled=True)):
        out = tmp_path / str(execution.compiled)
        train(recipe, handful, handful, out, execution)
        with (out / "metrics.csv").open(encoding="utf-8") as file:
            losses.append([float(row["train_loss"]) for row in csv.DictReader(file)])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-2)


def test_a_student_learns_its_teachers_answers_instead_of_the_labels(handful: Split, tmp_path: Path) -> None:
    train(tiny_recipe(), handful, handful, tmp_path / "teacher", CPU)
    wrong = Split("train", handful.images, (handful.labels + 1) % 7)
    recipe = tiny_recipe().model_copy(
        update={"distillation": DistillationRecipe(teachers=("teacher/emotion.pt",), weight=1.0, temperature=1.0)}
    )
    student = load_artifact(train(recipe, wrong, handful, tmp_path / "student", CPU))
    assert evaluate(student, handful, trained_on=None)["accuracy"] == 1.0


def test_a_missing_teacher_is_named(handful: Split, tmp_path: Path) -> None:
    recipe = tiny_recipe().model_copy(
        update={"distillation": DistillationRecipe(teachers=("none/emotion.pt",), weight=0.5, temperature=1.0)}
    )
    with pytest.raises(RecipeError, match=r"builds on none/emotion\.pt"):
        train(recipe, handful, handful, tmp_path / "student", CPU)


def test_votes_train_a_head_that_is_not_served(handful: Split, tmp_path: Path) -> None:
    """The votes contradict the labels; the served head still learns the labels."""
    votes = np.eye(7, dtype=np.float32)[(handful.labels + 3) % 7]
    recipe = tiny_recipe().model_copy(update={"votes": VotesRecipe(weight=1.0)})
    trained = train(recipe, replace(handful, votes=votes), handful, tmp_path, CPU)
    assert evaluate(load_artifact(trained), handful, trained_on=None)["accuracy"] == 1.0
    with pytest.raises(RecipeError, match="come without"):
        train(recipe, handful, handful, tmp_path / "without", CPU)


def test_a_pruned_network_is_smaller_and_learns_again(handful: Split, tmp_path: Path) -> None:
    train(tiny_recipe(), handful, handful, tmp_path / "whole", CPU)
    start = StartRecipe(network="whole/emotion.pt", prune=0.3, round_to=4)
    recipe = tiny_recipe(epochs=40).model_copy(update={"network": None, "start": start})
    pruned = load_artifact(train(recipe, handful, handful, tmp_path / "pruned", CPU))
    before, after = (count(load_artifact(tmp_path / name / "emotion.pt").network) for name in ("whole", "pruned"))
    assert after[0] < before[0] and after[1] < before[1]
    assert all(width % 4 == 0 for stage in pruned.network.config.stages for width in stage)
    assert evaluate(pruned, handful, trained_on=None)["accuracy"] == 1.0
