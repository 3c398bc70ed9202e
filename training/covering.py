"""Train the small network that says how much of a face is covered: `emotion.covering` runs it.

    make covering DATA=fer2013.csv.gz

Six in ten training faces get something drawn in front of them (`training.occlusion`, and fillings of its own: the grey
of the face, as a hand has it, and pieces of other faces), all are moved and most are damaged as `training.corruption`
does. For each of 12 × 12 places the network learns which share of it is covered; its answer is their mean. What really
covers faces in FER-2013 counts as uncovered, as nobody has marked it. Writes `covering.onnx`; takes half an hour on two
cores.
"""

import argparse
import sys
from pathlib import Path

import onnx
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, interpolate
from tqdm import tqdm

from emotion.labels import INPUT_SIZE
from training import occlusion
from training.augmentation import alter, move
from training.corruption import damage
from training.data import DataError, load_splits
from training.duplicates import without_copies
from training.export import anonymous, write_onnx
from training.recipe import AugmentationRecipe, CorruptionRecipe
from training.third_party import COVERING_NETWORK

EPOCHS, BATCH, PEAK_LEARNING_RATE, WEIGHT_DECAY, SEED = 20, 256, 4e-3, 0.01, 1

COVERED, INTACT = 0.6, 0.35
"""Shares of the faces that something is drawn over, and that are not damaged otherwise."""

PLACE = 4
"""Pixels along the side of one of the places."""

AUGMENTATION = AugmentationRecipe(
    rotation=15.0, shift=0.1, scale=0.15, crop=INPUT_SIZE, brightness=0.3, contrast=0.3, erasing=0.0
)
DAMAGE = CorruptionRecipe(intact=INTACT, cover=0.0, light=0.35, blur=0.2, shrink=0.2, noise=0.3, jpeg=0.3)


class CoveringNetwork(nn.Module):
    """Places at a quarter of the resolution, which know what stands around them at an eighth and in the whole crop."""

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Sequential(_convolution(1, 12, 2), _convolution(12, 24, 2), _convolution(24, 32))
        self.far = nn.Sequential(_convolution(32, 48, 2), _convolution(48, 48), _convolution(48, 48))
        self.head = nn.Sequential(_convolution(32 + 48, 32, side=1), nn.Conv2d(32, 1, 1))

    def places(self, faces: torch.Tensor) -> torch.Tensor:
        """Logits of how far each place of grey faces `[N, 1, 48, 48]` of 0–255 is covered, `[N, 1, 12, 12]`."""
        near = self.near((faces.float() - 128) / 64)
        far = self.far(near)
        far = far + far.mean(dim=(2, 3), keepdim=True)
        logits: torch.Tensor = self.head(torch.cat([near, interpolate(far, scale_factor=2.0)], dim=1))
        return logits

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """The covered share `[N]` of each face."""
        return self.places(faces).sigmoid().mean(dim=(1, 2, 3))


def main() -> None:
    arguments = _parse_arguments()
    try:
        splits = load_splits(arguments.data, ("train", "validation"))
    except DataError as error:
        sys.exit(f"error: {error}")
    faces = torch.from_numpy(without_copies(splits["train"], splits["validation"]).images).unsqueeze(1)
    network = train(faces, arguments.epochs)
    print(export(network, arguments.out))


def train(faces: torch.Tensor, epochs: int) -> CoveringNetwork:
    """A network that has learnt from grey training faces uint8 `[N, 1, 48, 48]`."""
    torch.manual_seed(SEED)
    network = CoveringNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_LEARNING_RATE, epochs=epochs, steps_per_epoch=-(-len(faces) // BATCH), pct_start=0.1
    )
    for epoch in range(epochs):
        total = 0.0
        batches = torch.randperm(len(faces)).split(BATCH)
        for batch in tqdm(batches, desc=f"epoch {epoch + 1}/{epochs}", unit="batch", leave=False, disable=None):
            seen, share = drawn(faces[batch])
            loss = binary_cross_entropy_with_logits(network.places(seen), share)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1}  loss {total / len(faces):.4f}", flush=True)
    return network.eval()


def drawn(faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Views of faces uint8 `[N, 1, 48, 48]`, float32 of the same shape, and how far each place is covered, 0–1."""
    whole, count = faces.float(), len(faces)
    kinds = [occlusion.sunglasses, occlusion.mask, occlusion.hand, occlusion.hair, occlusion.anything]
    kinds += [occlusion.large_hand] * 2
    inside = occlusion.outline([kind(count) for kind in kinds], whole)
    inside = inside * (torch.rand(count, 1, 1, 1) < COVERED)
    moved = move(torch.cat([whole + (_filling(whole) - whole) * inside, inside], dim=1), AUGMENTATION)
    seen, inside = moved.split(1, dim=1)
    seen = alter(damage(seen, DAMAGE, torch.rand(count) < INTACT), AUGMENTATION)
    return seen.round(), avg_pool2d(inside, PLACE)


def export(network: CoveringNetwork, path: Path) -> Path:
    """Write `network` as ONNX: `faces` uint8 `[N, 1, 48, 48]` in, `shares` float32 `[N]` out; returns `path`."""
    write_onnx(network, path, "shares")
    onnx.save(anonymous(onnx.load(path)), path)
    return path


def _filling(faces: torch.Tensor) -> torch.Tensor:
    """What the things are made of, `[N, 1, 48, 48]`: any grey, half of them the face's own, or a piece of a face."""
    count, quarter = len(faces), INPUT_SIZE // 4
    any_grey = occlusion.filling(faces)
    middle = faces[:, :, quarter:-quarter, quarter:-quarter].flatten(1).median(dim=1).values.view(count, 1, 1, 1)
    shades = any_grey - any_grey.mean(dim=(2, 3), keepdim=True)
    own_grey = middle * (0.65 + 0.6 * torch.rand(count, 1, 1, 1)) + shades
    side = int(torch.randint(INPUT_SIZE // 5, INPUT_SIZE // 2, ()))
    top, left = torch.randint(0, INPUT_SIZE - side, (2,)).tolist()
    piece = faces[torch.randperm(count), :, top : top + side, left : left + side]
    piece = interpolate(piece, (INPUT_SIZE, INPUT_SIZE), mode="bilinear") * (0.5 + torch.rand(count, 1, 1, 1))
    chosen = torch.randint(4, (count, 1, 1, 1))
    return torch.where(chosen == 0, any_grey, torch.where(chosen < 3, own_grey, piece)).clamp(0, 255)


def _convolution(channels: int, out: int, stride: int = 1, side: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, side, stride, side // 2, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a FER-2013 file")
    parser.add_argument("--out", type=Path, default=COVERING_NETWORK)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
