"""The training code is tested by training: on a handful of pictures it must learn them by heart."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.artifact import load_artifact
from emotion.pipeline import Pipeline
from tests.conftest import MODEL
from training.augmentation import augmentation
from training.data import Split
from training.evaluate import evaluate
from training.recipe import Recipe, RecipeError, load_recipe
from training.scoring import fit_temperature, predict_logits
from training.train import RECIPES, Run, train

CPU = torch.device("cpu")


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


def test_augmentation_keeps_type_and_moves_the_face(grey_faces: np.ndarray) -> None:
    recipe = load_recipe(RECIPES / "vgg-small.toml").augmentation
    torch.manual_seed(0)
    faces = torch.from_numpy(grey_faces).unsqueeze(1)
    augmented = augmentation(recipe)(faces)
    assert augmented.dtype == torch.uint8
    assert augmented.shape == (len(faces), 1, recipe.crop, recipe.crop)
    margin = (48 - recipe.crop) // 2
    middle = faces[:, :, margin : 48 - margin, margin : 48 - margin]
    assert all((one != other).any() for one, other in zip(augmented, middle, strict=True))


def test_temperature_undoes_overconfidence() -> None:
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(20_000, 7, generator=generator) * 2
    labels = torch.multinomial(honest.softmax(1), 1, generator=generator).squeeze(1)
    assert fit_temperature(honest * 3, labels) == pytest.approx(3, rel=0.05)


def test_training_and_serving_agree_on_a_face(pipeline: Pipeline, grey_faces: np.ndarray) -> None:
    artifact = load_artifact(MODEL)
    expected = artifact.probabilities(predict_logits(artifact.network, grey_faces))
    served = torch.tensor(pipeline.classify(list(grey_faces)))
    torch.testing.assert_close(served, expected, atol=1e-5, rtol=0)


def test_every_recipe_of_the_repository_is_valid() -> None:
    recipes = list(RECIPES.glob("*.toml"))
    assert recipes
    for path in recipes:
        assert load_recipe(path).name == path.stem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epochs = 60\nepoch = 60", "optimization.epoch: Extra inputs"),
        ("epochs = 0", "optimization.epochs"),
        ("epochs = ", "not TOML"),
    ],
)
def test_a_wrong_recipe_names_the_key(tmp_path: Path, change: str, message: str) -> None:
    text = (RECIPES / "vgg-small.toml").read_text(encoding="utf-8").replace("epochs = 60", change)
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)


def test_a_missing_recipe_lists_those_there_are() -> None:
    with pytest.raises(RecipeError, match="vgg-small"):
        load_recipe(RECIPES / "none.toml")
