"""A training run: network, moving average, optimizer and schedule, epoch by epoch."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from emotion.labels import LABELS
from training.artifact import Artifact, save_artifact
from training.augmentation import augment, mix
from training.backbone import BackboneConfig, pretrained
from training.built_on import built_on, load_built_on
from training.corruption import paired_views
from training.data import Split, load_fingerprints
from training.distillation import Teachers, distillation_loss
from training.merging import settle
from training.network import EmotionNetwork, FaceNetwork, NetworkConfig
from training.pruning import prune
from training.recipe import Recipe, RecipeError, StartRecipe
from training.scoring import fit_temperature, predict_logits
from training.targets import label_targets, soft_cross_entropy

RANKING_FACES = 2048
"""Training faces on which pruning ranks the channels."""


@dataclass(frozen=True)
class Execution:
    """Where and how the networks are computed.

    `compiled`: operations are fused first (`torch.compile`), which takes a minute and a C++ compiler.
    """

    device: torch.device
    compiled: bool = False

    def bf16(self) -> torch.autocast:
        """A context that computes in bf16 where this is faster: on CUDA, and on processors with AMX.

        So a run gives slightly other weights on another kind of processor.
        """
        amx = self.device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16"))
        return torch.autocast(self.device.type, torch.bfloat16, enabled=amx or self.device.type == "cuda")


class Run:
    """The state of a training run: network, moving average, optimizer and schedule."""

    def __init__(self, recipe: Recipe, training: Split, runs: Path, execution: Execution) -> None:
        """See `training.train.train`; in the folder `runs` the artifacts are looked for that the recipe builds on."""
        self.recipe, self.execution, self.device, self.epoch = recipe, execution, execution.device, 0
        self.origins: dict[str, dict[str, Any]] = {}
        self.taught_by: dict[str, dict[str, Any]] = {}
        self.inherited: np.ndarray | None = None
        self.training = training
        self.images = torch.from_numpy(training.images).unsqueeze(1).to(self.device)
        self.labels = torch.from_numpy(training.labels).to(self.device)
        self.targets = self._targets()
        self.teachers = self._teachers(runs)
        torch.manual_seed(recipe.seed)
        self.network = self._begin(runs)
        # FER+ votes have a head of their own, so that the served head is not trained on them.
        self.votes_head = nn.Linear(self.network.head.in_features, len(LABELS))
        for part in (self.network, self.votes_head):
            part.to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        settings = recipe.optimization
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(settings.average_decay), use_buffers=True
        )
        self.parameters = [*self.network.parameters(), *(self.votes_head.parameters() if recipe.votes else ())]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [each for each in self.parameters if each.ndim > 1], "weight_decay": settings.weight_decay},
                # No decay for biases and for the scales and shifts of normalization: they need not be small.
                {"params": [each for each in self.parameters if each.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=settings.peak_learning_rate,
        )
        self.schedule = self._one_cycle()
        # The last batch of an epoch is smaller; two programs of fixed shapes are faster than one for any shape.
        self.answers = torch.compile(self._answers, dynamic=False) if execution.compiled else self._answers

    def train_epoch(self) -> dict[str, float]:
        """One pass over the training split; returns the mean loss and accuracy on the augmented faces.

        A mixed face counts as correct only for the label of its first face, so mixing lowers this accuracy.
        """
        # Seeding by epoch makes a resumed run draw what an uninterrupted one would have drawn.
        torch.manual_seed(self.recipe.seed * 10_007 + self.epoch)
        settings = self.recipe.optimization
        self.network.train()
        learning_rate = self.schedule.get_last_lr()[0]
        total_loss = torch.zeros((), device=self.device)
        total_correct = torch.zeros((), device=self.device)
        order = torch.randperm(len(self.training)).to(self.device)
        title = f"epoch {self.epoch + 1}/{settings.epochs}"
        for batch in tqdm(order.split(settings.batch_size), desc=title, unit="batch", leave=False, disable=None):
            faces, taught = self._views(batch)
            targets = tuple(each[batch] for each in self.targets)
            if self.recipe.mixing:
                faces, targets = mix(faces, targets, self.recipe.mixing)
            loss, logits = self._loss(faces, targets, taught)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters, max_norm=5.0)
            self.optimizer.step()
            self.schedule.step()
            self.average.update_parameters(self.network)
            total_loss += loss.detach() * len(batch)
            total_correct += (logits.argmax(1) == self.labels[batch]).sum()
        self.epoch += 1
        count = len(self.training)
        return {
            "learning_rate": float(learning_rate),
            "train_loss": total_loss.item() / count,
            "train_accuracy": total_correct.item() / count,
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
        if not self.recipe.is_written_as(state["recipe"]):
            raise RecipeError(f"{path} belongs to another recipe; choose another --out or delete the folder")
        try:
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
        except RuntimeError as error:
            raise RecipeError(
                f"{path} holds another network, of an older program or begun from other weights; choose another --out "
                f"or delete the folder ({str(error).splitlines()[0]})"
            ) from error
        self.epoch = state["epoch"]
        print(f"going on after epoch {self.epoch} from {path}")

    def export(self, validation: Split, path: Path) -> Path:
        """Calibrate the averaged network and write the artifact to `path`, which is returned."""
        network = copy.deepcopy(self.network)
        network.load_state_dict(self.average.module.state_dict())
        if self.recipe.optimization.settle:
            settle(network, self.images, self.recipe.optimization.batch_size)
        network.eval()
        logits = predict_logits(network, validation.images, self.device)
        artifact = Artifact(
            network=network,
            temperature=fit_temperature(logits, torch.from_numpy(validation.labels)),
            version=self.recipe.version,
            training={
                "recipe": self.recipe.model_dump(mode="json"),
                "epochs": self.epoch,
                "images": len(self.training),
                "torch": str(torch.__version__),
                "origins": self.origins,
                "teachers": self.taught_by,
            },
        )
        save_artifact(artifact, path)
        return path

    def _views(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What the student sees of the faces `batch`, and what its teachers answer to the undamaged view, `[N, 7]`."""
        faces, augmentation = self.images[batch], self.recipe.augmentation
        if self.recipe.corruption is None:
            clean = seen = augment(faces, augmentation)
        else:
            clean, seen = paired_views(faces, augmentation, self.recipe.corruption)
        if self.teachers is None:
            return seen, None
        with self.execution.bf16():
            return seen, self.teachers.answers(clean)

    def _loss(
        self, faces: torch.Tensor, targets: tuple[torch.Tensor, ...], taught: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss, and the served head's logits."""
        faces = faces.contiguous(memory_format=torch.channels_last)
        with self.execution.bf16():
            logits, votes_logits = self.answers(faces)
        loss = soft_cross_entropy(logits, targets[0])
        distillation = self.recipe.distillation
        if distillation and taught is not None:
            taught_loss = distillation_loss(logits, taught, distillation.temperature)
            loss = (1 - distillation.weight) * loss + distillation.weight * taught_loss
        if self.recipe.votes:
            loss = loss + self.recipe.votes.weight * soft_cross_entropy(votes_logits, targets[1])
        return loss, logits

    def _answers(self, faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.network.dropout(self.network.embed(faces))
        return self.network.head(features), self.votes_head(features)

    def _targets(self) -> tuple[torch.Tensor, ...]:
        """Targets of the served head and, where the recipe uses votes, of the second one; `[N, 7]` each."""
        targets = label_targets(self.labels, self.recipe.optimization.label_smoothing)
        if not self.recipe.votes:
            return (targets,)
        if self.training.votes is None:
            raise RecipeError(f"the recipe {self.recipe.name} uses votes, and the faces come without")
        return targets, torch.from_numpy(self.training.votes).to(self.device)

    def _teachers(self, runs: Path) -> Teachers | None:
        distillation = self.recipe.distillation
        if distillation is None:
            return None
        artifacts = {name: load_built_on(runs, name) for name in distillation.teachers}
        self.taught_by = {name: artifact.training for name, artifact in artifacts.items()}
        teachers = Teachers(list(artifacts.values()), distillation.temperature, self.device, distillation.shares)
        if self.execution.compiled:
            teachers.compile()
        return teachers

    def _begin(self, runs: Path) -> FaceNetwork:
        recipe = self.recipe
        if recipe.start:
            return self._started(runs, recipe.start)
        if recipe.backbone:
            return pretrained(BackboneConfig(**recipe.backbone.model_dump()))
        if recipe.network is None:
            raise RecipeError(f"the recipe {recipe.name} describes no network")
        mean, std = (round(float(value), 2) for value in (self.training.images.mean(), self.training.images.std()))
        return EmotionNetwork(NetworkConfig(recipe.network.stages, recipe.network.dropout, mean, std))

    def _started(self, runs: Path, recipe: StartRecipe) -> FaceNetwork:
        begun = load_built_on(runs, recipe.network)
        self.origins = {recipe.network: begun.training}
        self.inherited = load_fingerprints(built_on(runs, recipe.network).with_name("fingerprints.npy"))
        if not recipe.prune:
            return begun.network
        if not isinstance(begun.network, EmotionNetwork):
            raise RecipeError(f"start.network: {recipe.network} has no stages to prune")
        # Always rank on the same faces: a resumed run must prune to the shape of its checkpoint.
        generator = torch.Generator().manual_seed(self.recipe.seed)
        sample = torch.randperm(len(self.training), generator=generator)[:RANKING_FACES]
        faces, targets = (each.cpu()[sample] for each in (self.images, self.targets[0]))
        return prune(begun.network, recipe.prune, recipe.round_to, faces, targets)

    def _one_cycle(self) -> torch.optim.lr_scheduler.OneCycleLR:
        settings = self.recipe.optimization
        return torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            max_lr=settings.peak_learning_rate,
            epochs=settings.epochs,
            steps_per_epoch=-(-len(self.training) // settings.batch_size),
            pct_start=settings.warm_up,
        )

    def _parts(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "votes_head": self.votes_head,
            "average": self.average,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }
