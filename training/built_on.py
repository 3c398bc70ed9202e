"""Where the networks lie that a recipe builds on."""

from pathlib import Path

from training.artifact import Artifact, load_artifact
from training.recipe import RecipeError

KEPT = Path(__file__).resolve().parents[1] / "model_store" / "weights"
"""Artifacts that are committed, for recipes that begin with them."""


def load_built_on(runs: Path, name: str) -> Artifact:
    """The artifact `name` in the folder `runs`, or else among the committed ones; `RecipeError` when there is none."""
    try:
        return load_artifact(built_on(runs, name))
    except (FileNotFoundError, ValueError) as error:
        paths = [path.relative_to(runs) for path in runs.glob("*/*.pt")] + [path.name for path in KEPT.glob("*.pt")]
        known = ", ".join(sorted(map(str, paths))) or "none"
        raise RecipeError(f"the recipe builds on {name}: {error}; train that first; {runs} has: {known}") from error


def built_on(runs: Path, name: str) -> Path:
    """Where the artifact `name` lies: in the folder `runs`, or else among the committed ones."""
    kept = KEPT / name
    return kept if kept.exists() and not (runs / name).exists() else runs / name
