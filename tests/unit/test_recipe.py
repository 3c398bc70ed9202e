from pathlib import Path

import pytest

from training.recipe import RecipeError, load_recipe
from training.train import RECIPES


def test_every_recipe_of_the_repository_is_valid() -> None:
    recipes = list(RECIPES.glob("*.toml"))
    assert recipes
    for path in recipes:
        assert load_recipe(path).name == path.stem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epochs = 60\nepoch = 60", "optimization.epoch: Extra inputs"),
        ("epochs = -1", "optimization.epochs"),
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


def test_teachers_do_not_answer_mixed_faces() -> None:
    teaching = ['distillation.teachers=["a"]', "distillation.weight=1", "distillation.temperature=1"]
    mixing = ["mixing.mixup=0.5", "mixing.cutmix=0", "mixing.alpha=1"]
    with pytest.raises(RecipeError, match=r"does not go with \[mixing\]"):
        load_recipe(RECIPES / "vgg-small.toml", [*teaching, *mixing])


def test_each_teacher_has_a_share_or_none_has() -> None:
    teaching = ['distillation.teachers=["a", "b"]', "distillation.weight=1", "distillation.temperature=1"]
    with pytest.raises(RecipeError, match="2 teachers have 1 shares"):
        load_recipe(RECIPES / "vgg-small.toml", [*teaching, "distillation.shares=[1.0]"])
    with pytest.raises(RecipeError, match=r"distillation\.shares\.1"):
        load_recipe(RECIPES / "vgg-small.toml", [*teaching, "distillation.shares=[1.0, 0.0]"])


def test_a_missing_recipe_lists_those_there_are() -> None:
    with pytest.raises(RecipeError, match="vgg-small"):
        load_recipe(RECIPES / "none.toml")
