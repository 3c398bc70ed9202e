"""A recipe file: everything about a training run but the data."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class RecipeError(ValueError):
    """The recipe file cannot be used; the message names the key."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkRecipe(_Section):
    """See `emotion.network.NetworkConfig`; the pixel statistics are measured, not chosen."""

    widths: tuple[int, ...]
    depth: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)


class AugmentationRecipe(_Section):
    """How far a training face may be moved from the original; see `training.augmentation`."""

    rotation: float = Field(ge=0, le=180, description="degrees, either way")
    shift: float = Field(ge=0, le=0.5, description="fraction of the side, either way")
    scale: float = Field(ge=0, lt=1, description="zoom by a factor from 1 − scale to 1 + scale")
    brightness: float = Field(ge=0, lt=1)
    contrast: float = Field(ge=0, lt=1)
    crop: int = Field(ge=24, le=48, description="side of the central square that is kept, in pixels")
    erasing: float = Field(ge=0, le=1, description="probability that a rectangle is erased")


class OptimizationRecipe(_Section):
    """AdamW under a one-cycle schedule (Smith & Topin 2018); the exponential average of the weights is kept."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    peak_learning_rate: float = Field(gt=0)
    warm_up: float = Field(ge=0, le=1, description="fraction of the run in which the rate rises")
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    average_decay: float = Field(ge=0, lt=1, description="of the moving average of the weights, per step")


class Recipe(_Section):
    """A whole recipe; an unknown key is an error."""

    name: str
    version: str
    seed: int
    network: NetworkRecipe
    augmentation: AugmentationRecipe
    optimization: OptimizationRecipe


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; raises `RecipeError` naming each missing, unknown or out-of-range key."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return Recipe.model_validate(content)
    except FileNotFoundError as error:
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.toml"))) or "none"
        raise RecipeError(f"no recipe at {path}; recipes there: {known}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path.name}: not TOML ({error})") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"{path.name}: {problems}") from error
