"""Train the emotion network on FER-2013.

    python -m training.train --data fer2013.csv.gz
    python -m training.train --data fer2013.csv.gz --recipe vgg-small --out runs/vgg-small

Writes to the run's folder: `metrics.csv` (a row an epoch), `checkpoint.pt` (after each epoch; the same command
goes on from there), and at the end `emotion.pt`, the artifact that is served. The weights are those of the last
epoch's moving average; no epoch is picked by its score.
"""

import argparse
import copy
import csv
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from emotion.artifact import Artifact, save_artifact
from emotion.network import EmotionNetwork, NetworkConfig
from training.augmentation import augmentation
from training.data import DataError, Split, load_splits, save_fingerprints
from training.recipe import Recipe, RecipeError, load_recipe
from training.scoring import fit_temperature, predict_logits

RECIPES = Path(__file__).parent / "recipes"


def main() -> None:
    arguments = _parse_arguments()
    try:
        recipe = load_recipe(RECIPES / f"{arguments.recipe}.toml")
        splits = load_splits(arguments.data, ("train", "validation"))
    except (DataError, RecipeError) as error:
        sys.exit(f"error: {error}")
    out = arguments.out or Path("runs") / recipe.name
    try:
        artifact = train(recipe, splits["train"], splits["validation"], out, torch.device(arguments.device))
    except RecipeError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"stopped; the same command goes on after the last finished epoch, from {out}")
    print(f"{artifact}: serve it with `cp {artifact} {artifact.parent}/fingerprints.npy model_store/ && make serve`")


def train(recipe: Recipe, training: Split, validation: Split, out: Path, device: torch.device) -> Path:
    """Train by `recipe`, going on from `out`'s checkpoint if there is one; returns the path of the artifact.

    `training` is augmented, `validation` is scored after every epoch and calibrates the temperature.
    Raises `RecipeError` when the checkpoint belongs to another recipe.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = Run(recipe, training, device)
    run.resume(out / "checkpoint.pt")
    with Metrics(out / "metrics.csv", run.epoch) as metrics:
        while run.epoch < recipe.optimization.epochs:
            started = time.perf_counter()
            row = run.train_epoch()
            row |= run.validate(validation) | {"seconds": round(time.perf_counter() - started, 1)}
            metrics.write({"epoch": run.epoch} | row)
            run.save(out / "checkpoint.pt")
    return run.export(validation, out)


class Run:
    """The state of a training run: network, moving average, optimizer and schedule."""

    def __init__(self, recipe: Recipe, training: Split, device: torch.device) -> None:
        self.recipe, self.device, self.epoch = recipe, device, 0
        self.training = training
        self.images = torch.from_numpy(training.images).unsqueeze(1).to(device)
        self.labels = torch.from_numpy(training.labels).to(device)
        self.augment = augmentation(recipe.augmentation)
        torch.manual_seed(recipe.seed)
        config = NetworkConfig(
            **recipe.network.model_dump(),
            pixel_mean=round(float(training.images.mean()), 2),
            pixel_std=round(float(training.images.std()), 2),
        )
        self.network = EmotionNetwork(config).to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        settings = recipe.optimization
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(settings.average_decay), use_buffers=True
        )
        self.loss = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.peak_learning_rate, weight_decay=settings.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            max_lr=settings.peak_learning_rate,
            epochs=settings.epochs,
            steps_per_epoch=-(-len(training) // settings.batch_size),
            pct_start=settings.warm_up,
        )

    def train_epoch(self) -> dict[str, float]:
        """One pass over the training split; returns the mean loss and accuracy on the augmented faces."""
        # Seeding by epoch makes a resumed run draw what an uninterrupted one would have drawn.
        torch.manual_seed(self.recipe.seed * 10_007 + self.epoch)
        self.network.train()
        learning_rate = self.schedule.get_last_lr()[0]
        total_loss = total_correct = 0.0
        order = torch.randperm(len(self.training)).to(self.device)
        batches = order.split(self.recipe.optimization.batch_size)
        title = f"epoch {self.epoch + 1}/{self.recipe.optimization.epochs}"
        for batch in tqdm(batches, desc=title, unit="batch", leave=False, disable=None):
            faces = self.augment(self.images[batch]).contiguous(memory_format=torch.channels_last)
            labels = self.labels[batch]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                logits = self.network(faces)
            loss = self.loss(logits.float(), labels)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), max_norm=5.0)
            self.optimizer.step()
            self.schedule.step()
            self.average.update_parameters(self.network)
            total_loss += loss.item() * len(batch)
            total_correct += (logits.argmax(1) == labels).sum().item()
        self.epoch += 1
        count = len(self.training)
        return {
            "learning_rate": float(learning_rate),
            "train_loss": total_loss / count,
            "train_accuracy": total_correct / count,
        }

    def validate(self, validation: Split) -> dict[str, float]:
        """Loss and accuracy of the averaged weights on the validation split, one view a face."""
        logits = predict_logits(self.average, validation.images, self.device)
        labels = torch.from_numpy(validation.labels)
        return {
            "validation_loss": nn.functional.cross_entropy(logits, labels).item(),
            "validation_accuracy": (logits.argmax(1) == labels).float().mean().item(),
        }

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all: an interrupted write leaves the old one."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        partial = path.with_suffix(".partial")
        torch.save(state | {"epoch": self.epoch, "recipe": self.recipe.model_dump_json()}, partial)
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from the checkpoint at `path`, if it is there."""
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["recipe"] != self.recipe.model_dump_json():
            raise RecipeError(f"{path} belongs to another recipe; choose another --out or delete the folder")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.epoch = state["epoch"]
        print(f"going on after epoch {self.epoch} from {path}")

    def export(self, validation: Split, out: Path) -> Path:
        """Calibrate the averaged network and write the artifact; returns its path."""
        network = copy.deepcopy(self.network)
        network.load_state_dict(self.average.module.state_dict())
        network.eval()
        logits = predict_logits(network, validation.images, self.device)
        path = out / "emotion.pt"
        artifact = Artifact(
            network=network,
            temperature=fit_temperature(logits, torch.from_numpy(validation.labels)),
            version=self.recipe.version,
            training={
                "recipe": self.recipe.model_dump(mode="json"),
                "images": len(self.training),
                "torch": str(torch.__version__),
            },
        )
        save_artifact(artifact, path)
        save_fingerprints(self.training, out / "fingerprints.npy")
        return path

    def _parts(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "average": self.average,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }


class Metrics:
    """`metrics.csv`: a row an epoch, flushed at once; rows after a resumed epoch are dropped."""

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
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/<recipe>)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
