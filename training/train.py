"""Train the emotion network on FER-2013.

    python -m training.train --data fer2013.csv.gz
    python -m training.train --data fer2013.csv.gz --recipe vgg-small --set optimization.epochs=15 --out runs/short

Writes to the run's folder: `metrics.csv` (a row an epoch), `checkpoint.pt` (after each epoch; the same command goes on
from there), and at the end `emotion.pt` and `fingerprints.npy` (hashes of the images that the network has seen, those
of the network it began with included). The weights are those of the last epoch's moving average; no epoch is picked by
its score.

A recipe with `[votes]` reads FER+'s `fer2013new.csv` from the folder of the data. Artifacts that a recipe builds on, as
teachers or to begin with, are looked for beside the run's own folder, and then in `model_store/weights/`. Training
faces that are also in PublicTest are left out.
"""

import argparse
import csv
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from training.artifact import DivergedError
from training.data import DataError, Split, load_splits, load_votes, save_fingerprints
from training.duplicates import without_copies
from training.recipe import Recipe, RecipeError, load_recipe
from training.run import Execution, Run
from training.third_party import VerificationError

RECIPES = Path(__file__).parent / "recipes"

VOTES_FILE = "fer2013new.csv"
"""The name under which Microsoft publishes the FER+ votes."""


def main() -> None:
    arguments = _parse_arguments()
    try:
        recipe = load_recipe(RECIPES / f"{arguments.recipe}.toml", arguments.set)
        splits = load_splits(arguments.data, ("train", "validation"))
        training, validation = splits["train"], splits["validation"]
        if recipe.votes:
            votes = load_votes(arguments.data.with_name(VOTES_FILE), "train", len(training))
            training = replace(training, votes=votes)
        training = without_copies(training, validation)
    except (DataError, RecipeError) as error:
        sys.exit(f"error: {error}")
    execution = Execution(torch.device(arguments.device), arguments.compile)
    out = arguments.out or Path("runs") / recipe.name
    try:
        artifact = train(recipe, training, validation, out, execution)
    except (RecipeError, VerificationError, DivergedError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"stopped; the same command goes on after the last finished epoch, from {out}")
    print(f"{artifact}: score it with `make evaluate SPLIT=validation DATA=… MODEL={artifact}`")


def train(recipe: Recipe, training: Split, validation: Split, out: Path, execution: Execution) -> Path:
    """Train by `recipe`, going on from `out`'s checkpoint if there is one; returns the path of the artifact.

    `training` is augmented, `validation` is scored after every epoch and calibrates the temperature.
    Raises `RecipeError` when the checkpoint belongs to another recipe, or an artifact the recipe builds on is missing,
    and `VerificationError` when the recipe begins with ImageNet's weights and these cannot be had.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = Run(recipe, training, out.parent, execution)
    run.resume(out / "checkpoint.pt")
    with Metrics(out / "metrics.csv", run.epoch) as metrics:
        while run.epoch < recipe.optimization.epochs:
            started = time.perf_counter()
            row = run.train_epoch()
            row |= run.validate(validation) | {"seconds": round(time.perf_counter() - started, 1)}
            metrics.write({"epoch": run.epoch} | row)
            run.save(out / "checkpoint.pt")
    save_fingerprints(training, out / "fingerprints.npy", [run.inherited])
    return run.export(validation, out / "emotion.pt")


class Metrics:
    """`metrics.csv`: a row an epoch, on disk at once; rows beyond the resumed checkpoint's epoch are dropped."""

    FIELDS = (
        "epoch",
        "learning_rate",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "seconds",
    )

    def __init__(self, path: Path, epochs_done: int) -> None:
        kept = path.read_text(encoding="utf-8").splitlines()[1 : epochs_done + 1] if path.exists() else []
        self.file = path.open("w", newline="", encoding="utf-8")
        self.writer = csv.DictWriter(self.file, self.FIELDS)
        self.writer.writeheader()
        self.file.writelines(line + "\n" for line in kept)
        self.file.flush()

    def write(self, row: dict[str, float]) -> None:
        """Append one epoch and print it."""
        self.writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
        self.file.flush()
        print("  ".join(f"{name} {row[name]:.4g}" for name in self.FIELDS), flush=True)

    def __enter__(self) -> "Metrics":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, fer2013.csv.gz or icml_face_data.csv")
    parser.add_argument("--recipe", default="vgg-small", help="a file of training/recipes, without .toml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="changes the recipe, in TOML's notation; may be repeated",
    )
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/<recipe>)")
    parser.add_argument(
        "--compile", action="store_true", help="fuse the network's operations first: faster, and needs a C++ compiler"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
