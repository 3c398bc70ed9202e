"""The training code is tested by training: on a handful of pictures it must learn them by heart."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.artifact import Artifact, load_artifact
from tests.conftest import tool
from training.augmentation import augment, mix
from training.data import Split
from training.evaluate import evaluate
from training.pruning import count
from training.recipe import (
    DistillationRecipe,
    MixingRecipe,
    NetworkRecipe,
    Recipe,
    RecipeError,
    StartRecipe,
    VotesRecipe,
    load_recipe,
)
from training.scoring import fit_temperature
from training.targets import informed_by_votes
from training.train import RECIPES, Execution, Run, train

CPU = Execution(torch.device("cpu"))


def tiny_recipe(**optimization: object) -> Recipe:
    settings = {
        "epochs": 80,
        "batch_size": 14,
        "peak_learning_rate": 0.02,
        "warm_up": 0.2,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "average_decay": 0.5,
    }
    return Recipe.model_validate(
        {
            "name": "tiny",
            "version": "0.0.1",
            "seed": 3,
            "network": {"widths": [16, 32], "depth": 2, "dropout": 0.0},
            "augmentation": {
                "rotation": 0,
                "shift": 0,
                "scale": 0,
                "crop": 48,
                "brightness": 0,
                "contrast": 0,
                "erasing": 0,
            },
            "optimization": settings | optimization,
        }
    )


@pytest.fixture
def handful(grey_faces: np.ndarray) -> Split:
    return Split("train", grey_faces, np.arange(len(grey_faces)) % 7)


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


def test_each_face_is_augmented_in_its_own_way_and_stays_a_picture() -> None:
    recipe = load_recipe(RECIPES / "vgg-small.toml").augmentation
    torch.manual_seed(0)
    faces = torch.randint(0, 256, (1, 1, 48, 48), dtype=torch.uint8).expand(16, -1, -1, -1)
    augmented = augment(faces, recipe)
    assert augmented.shape == (16, 1, recipe.crop, recipe.crop)
    assert augmented.min() >= 0 and augmented.max() <= 255
    assert len({face.numpy().tobytes() for face in augmented}) == 16


def test_without_strength_augmentation_only_crops_and_mirrors(grey_faces: np.ndarray) -> None:
    recipe = tiny_recipe().augmentation.model_copy(update={"crop": 40})
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


def test_every_cycle_leaves_a_snapshot_and_starts_anew(handful: Split, tmp_path: Path) -> None:
    train(tiny_recipe(epochs=4, cycles=2), handful, handful, tmp_path, CPU)
    with (tmp_path / "metrics.csv").open(encoding="utf-8") as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert rates[2] == rates[0], "the rate at the start of each cycle"
    assert [load_artifact(tmp_path / f"cycle-{n}.pt").training["epochs"] for n in (1, 2)] == [2, 4]
    last, final = (load_artifact(tmp_path / name).network.state_dict() for name in ("cycle-2.pt", "emotion.pt"))
    torch.testing.assert_close(last, final)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own use of it
def test_a_compiled_run_learns_what_another_learns(handful: Split, tmp_path: Path) -> None:
    """The last batch of each epoch is smaller than the others."""
    tool("g++", "g++")
    losses = []
    for execution in (CPU, replace(CPU, compiled=True)):
        out = tmp_path / str(execution.compiled)
        train(tiny_recipe(epochs=2, batch_size=16), handful, handful, out, execution)
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


def test_teachers_who_know_the_votes_answer_with_both() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(7, (2000,), generator=generator)
    silent = torch.zeros(2000, 7)
    answers = torch.softmax(torch.randn(2000, 7, generator=generator), dim=1)
    torch.testing.assert_close(informed_by_votes(answers, silent, labels), answers, atol=1e-3, rtol=1e-2)

    guesses = torch.randint(7, (2000,), generator=generator)
    voted = torch.where(torch.rand(2000, generator=generator) < 0.6, labels, guesses)
    votes = torch.nn.functional.one_hot(voted, 7).float()
    undecided = torch.full((2000, 7), 1 / 7)
    informed = informed_by_votes(undecided, votes, labels)
    torch.testing.assert_close(informed.sum(1), torch.ones(2000))
    assert (informed.argmax(1) == voted).all()
    right = informed[torch.arange(2000), labels].mean()
    assert 0.4 < right < 0.6, "as sure as votes are worth: right in 0.6 + 0.4 / 7 of the cases"

    both = informed_by_votes(0.5 * answers + 0.5 * torch.nn.functional.one_hot(labels, 7), votes, labels)
    assert (both.argmax(1) == labels).float().mean() > (voted == labels).float().mean()


def test_a_student_of_teachers_who_know_the_votes(handful: Split, tmp_path: Path) -> None:
    """The votes always name the class after the label's, so they tell the label."""
    votes = np.eye(7, dtype=np.float32)[(handful.labels + 1) % 7]
    train(tiny_recipe(epochs=1), handful, handful, tmp_path / "teacher", CPU)
    recipe = tiny_recipe().model_copy(
        update={
            "votes": VotesRecipe(weight=0.1),
            "distillation": DistillationRecipe(
                teachers=("teacher/emotion.pt",), weight=1.0, temperature=1.0, votes=True
            ),
        }
    )
    trained = train(recipe, replace(handful, votes=votes), handful, tmp_path / "student", CPU)
    assert evaluate(load_artifact(trained), handful, trained_on=None)["accuracy"] == 1.0


def test_duplicates_of_the_validation_split_can_be_left_out(handful: Split, tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=1).model_copy(update={"drop_duplicates": True})
    validation = handful.where(np.arange(len(handful)) < 10)
    artifact = load_artifact(train(recipe, handful, validation, tmp_path, CPU))
    assert artifact.training["images"] == len(handful) - 10


def test_a_pruned_network_is_smaller_and_learns_again(handful: Split, tmp_path: Path) -> None:
    train(tiny_recipe(), handful, handful, tmp_path / "whole", CPU)
    start = StartRecipe(network="whole/emotion.pt", prune=0.3, round_to=4)
    recipe = tiny_recipe(epochs=40).model_copy(update={"network": None, "start": start})
    pruned = load_artifact(train(recipe, handful, handful, tmp_path / "pruned", CPU))
    before, after = (count(load_artifact(tmp_path / name / "emotion.pt").network) for name in ("whole", "pruned"))
    assert after[0] < before[0] and after[1] < before[1]
    assert all(width % 4 == 0 for stage in pruned.network.config.stages for width in stage)
    assert evaluate(pruned, handful, trained_on=None)["accuracy"] == 1.0


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


def test_a_residual_network_learns_too_and_is_not_pruned(handful: Split, tmp_path: Path) -> None:
    network = NetworkRecipe(widths=(16, 32), depth=2, dropout=0.0, residual=True)
    recipe = tiny_recipe(epochs=40).model_copy(update={"network": network})
    artifact = load_artifact(train(recipe, handful, handful, tmp_path / "residual", CPU))
    assert evaluate(artifact, handful, trained_on=None)["accuracy"] == 1.0
    start = StartRecipe(network="residual/emotion.pt", prune=0.3, round_to=4)
    with pytest.raises(RecipeError, match="only plain networks"):
        train(
            tiny_recipe(epochs=1).model_copy(update={"network": None, "start": start}),
            handful,
            handful,
            tmp_path / "pruned",
            CPU,
        )


def test_temperature_undoes_overconfidence() -> None:
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(20_000, 7, generator=generator) * 2
    labels = torch.multinomial(honest.softmax(1), 1, generator=generator).squeeze(1)
    assert fit_temperature(honest * 3, labels) == pytest.approx(3, rel=0.05)


def test_every_recipe_of_the_repository_is_valid() -> None:
    recipes = list(RECIPES.glob("*.toml"))
    assert recipes
    for path in recipes:
        assert load_recipe(path).name == path.stem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epochs = 60\ncycles = 7", "60 epochs cannot be cut into 7 cycles"),
        ("epochs = 60\nepoch = 60", "optimization.epoch: Extra inputs"),
        ("epochs = -1", "optimization.epochs"),
        ("epochs = 0", "only a recipe with"),
        ("epochs = ", "not TOML"),
    ],
)
def test_a_wrong_recipe_names_the_key(tmp_path: Path, change: str, message: str) -> None:
    text = (RECIPES / "vgg-small.toml").read_text(encoding="utf-8").replace("epochs = 60", change)
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)


def test_a_recipe_can_be_changed_from_the_command_line() -> None:
    recipe = load_recipe(
        RECIPES / "vgg-small.toml", ["optimization.epochs=15", "network.widths=[16, 32]", "votes.weight=0.5", "seed=9"]
    )
    assert (recipe.optimization.epochs, recipe.seed) == (15, 9)
    assert recipe.network and recipe.network.widths == (16, 32) and recipe.network.depth == 2
    assert recipe.votes and recipe.votes.weight == 0.5
    with pytest.raises(RecipeError, match=r"optimization\.epoch: Extra inputs"):
        load_recipe(RECIPES / "vgg-small.toml", ["optimization.epoch=15"])
    with pytest.raises(RecipeError, match=r"epochs=many: not TOML"):
        load_recipe(RECIPES / "vgg-small.toml", ["epochs=many"])


def test_teachers_cannot_know_votes_that_are_not_loaded() -> None:
    changes = ['distillation.teachers=["a"]', "distillation.weight=1", "distillation.temperature=1"]
    with pytest.raises(RecipeError, match=r"no section \[votes\]"):
        load_recipe(RECIPES / "vgg-small.toml", [*changes, "distillation.votes=true"])


def test_a_missing_recipe_lists_those_there_are() -> None:
    with pytest.raises(RecipeError, match="vgg-small"):
        load_recipe(RECIPES / "none.toml")
