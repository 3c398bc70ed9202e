"""Recipe files: everything about a training run except the data."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator


class RecipeError(ValueError):
    """The recipe file cannot be used; the message names the key."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkRecipe(_Section):
    """See `training.network.NetworkConfig`; the pixel statistics are measured, not chosen."""

    widths: tuple[int, ...] = Field(min_length=1, description="channels of each stage")
    depth: int = Field(ge=1, description="3×3 convolutions in each stage")
    dropout: float = Field(ge=0, lt=1)

    @property
    def stages(self) -> tuple[tuple[int, ...], ...]:
        return tuple((width,) * self.depth for width in self.widths)


class BackboneRecipe(_Section):
    """EfficientNet-Lite0 with ImageNet's weights; see `training.backbone.BackboneConfig`."""

    size: int = Field(ge=48, le=224, multiple_of=16, description="pixels a side to which a face is enlarged")
    dropout: float = Field(ge=0, lt=1)
    skipped: float = Field(ge=0, lt=1, description="largest probability that a block is left out")


class AugmentationRecipe(_Section):
    """How far a training face may be moved from the original; see `training.augmentation`."""

    rotation: float = Field(ge=0, le=180, description="degrees, either way")
    shift: float = Field(ge=0, le=0.5, description="fraction of the side, either way")
    scale: float = Field(ge=0, lt=1, description="zoom by a factor from 1 − scale to 1 + scale")
    brightness: float = Field(ge=0, lt=1)
    contrast: float = Field(ge=0, lt=1)
    crop: int = Field(ge=24, le=48, description="side of the central square that is kept, in pixels")
    erasing: float = Field(ge=0, le=1, description="probability that a rectangle is erased")


class CorruptionRecipe(_Section):
    """How often training faces are damaged as photographs are; the strengths stand in `training.corruption`.

    The kinds are drawn independently, each with its probability, for the faces that are not left intact.
    """

    intact: float = Field(ge=0, le=1, description="share of the faces that are left undamaged")
    cover: float = Field(ge=0, le=1, description="glasses, mask, hand, hair, or anything, in front of the face")
    light: float = Field(ge=0, le=1, description="exposure, contrast, darkness with noise, glare, cast shadow")
    blur: float = Field(ge=0, le=1, description="Gaussian, defocus or motion")
    shrink: float = Field(ge=0, le=1, description="to few pixels and back")
    noise: float = Field(ge=0, le=1, description="Gaussian, shot or impulse")
    jpeg: float = Field(ge=0, le=1, description="compression")


class MixingRecipe(_Section):
    """See `training.augmentation.mix`; the probabilities are for a whole batch."""

    mixup: float = Field(ge=0, le=1)
    cutmix: float = Field(ge=0, le=1)
    alpha: float = Field(gt=0, description="both parameters of the beta distribution of the shares")

    @model_validator(mode="after")
    def _one_of_them(self) -> "MixingRecipe":
        if self.mixup + self.cutmix > 1:
            raise ValueError(f"mixup + cutmix is {self.mixup + self.cutmix}; a batch gets one of them, so at most 1")
        return self


class OptimizationRecipe(_Section):
    """AdamW under a one-cycle schedule (Smith & Topin 2018); the exponential average of the weights is kept."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    peak_learning_rate: float = Field(gt=0)
    warm_up: float = Field(ge=0, le=1, description="fraction of the run in which the rate rises")
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    average_decay: float = Field(ge=0, lt=1, description="of the moving average of the weights, per step")
    settle: bool = Field(default=True, description="normalize at the end with statistics of whole, unaltered faces")


class DistillationRecipe(_Section):
    """An ensemble of trained networks as teachers; see `training.distillation`."""

    teachers: tuple[str, ...] = Field(
        min_length=1, description="artifacts, as paths inside the folder of runs or model_store/weights"
    )
    shares: tuple[PositiveFloat, ...] = Field(
        default=(), description="of each teacher in the answer of all; none given: equal ones"
    )
    weight: float = Field(ge=0, le=1, description="of the teachers' answers in the loss; the labels have the rest")
    temperature: float = Field(gt=0, description="divides the teachers' logits and the student's")

    @model_validator(mode="after")
    def _a_share_for_each(self) -> "DistillationRecipe":
        if self.shares and len(self.shares) != len(self.teachers):
            raise ValueError(f"{len(self.teachers)} teachers have {len(self.shares)} shares; give each one, or none")
        return self


class VotesRecipe(_Section):
    """FER+ votes (Barsoum et al. 2016) as the target of a second head, which is dropped after training."""

    weight: float = Field(gt=0, description="of the second head's loss; the first head's is 1")


class StartRecipe(_Section):
    """Begin with a trained network, whole or pruned."""

    network: str = Field(description="its artifact, as a path inside the folder of runs or model_store/weights")
    prune: float = Field(default=0, ge=0, lt=1, description="share of all channels that is removed first")
    round_to: int = Field(default=1, ge=1, description="channels of a pruned convolution stay a multiple of this")


class Recipe(_Section):
    """A whole recipe; an unknown key is an error. Exactly one of `network`, `backbone` and `start` is given."""

    name: str
    version: str
    seed: int
    network: NetworkRecipe | None = None
    backbone: BackboneRecipe | None = None
    start: StartRecipe | None = None
    augmentation: AugmentationRecipe
    optimization: OptimizationRecipe
    corruption: CorruptionRecipe | None = None
    mixing: MixingRecipe | None = None
    distillation: DistillationRecipe | None = None
    votes: VotesRecipe | None = None

    @model_validator(mode="after")
    def _one_start(self) -> "Recipe":
        if sum(section is not None for section in (self.network, self.backbone, self.start)) != 1:
            raise ValueError("a recipe has one of the sections [network], [backbone] and [start]")
        return self

    @model_validator(mode="after")
    def _whole_faces_for_teachers(self) -> "Recipe":
        if self.distillation and self.mixing:
            raise ValueError("teachers answer single faces, so [distillation] does not go with [mixing]")
        return self

    def is_written_as(self, text: str) -> bool:
        """Whether `text`, as `model_dump_json` writes it, is this recipe; keys that it lacks have their defaults."""
        try:
            return Recipe.model_validate_json(text) == self
        except ValidationError:
            return False


def load_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe; raises `RecipeError` naming each missing, unknown or out-of-range key.

    `changes`: settings that replace or add to the file's, each as `section.key=value` in TOML's notation.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        for change in changes:
            for section, value in tomllib.loads(change).items():
                content[section] = content.get(section, {}) | value if isinstance(value, dict) else value
        return Recipe.model_validate(content)
    except FileNotFoundError as error:
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.toml"))) or "none"
        raise RecipeError(f"no recipe at {path}; recipes there: {known}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{' '.join((path.name, *changes))}: not TOML ({error})") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"{path.name}: {problems}") from error
