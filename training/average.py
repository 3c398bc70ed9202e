"""Average the weights of trained networks, and write the average as an artifact.

    python -m training.average --data fer2013.csv.gz --version 2.2.0 --out runs/served/emotion.pt \\
        runs/vgg-funnel-robust/emotion.pt=0.6 model_store/weights/emotion-2.1.0.pt=0.4

The average of a network and of its successor, which was trained on with damaged faces, keeps the accuracy of the first
on clean faces and most of the second's on damaged ones (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
models"). The statistics of batch normalization and the temperature are computed anew. `training.stress` can
compare several shares.
"""

import argparse
import copy
import math
import sys
from dataclasses import replace
from pathlib import Path

import torch

from emotion.labels import LABELS
from training.artifact import Artifact, load_artifact, save_artifact
from training.built_on import KEPT
from training.corruption import half_damaged
from training.data import DataError, Split, load_fingerprints, load_splits, save_fingerprints
from training.duplicates import without_copies
from training.merging import blended, settle
from training.scoring import fit_offsets, fit_temperature, predict_logits

BATCH = 128
"""Faces in a batch when `training.merging.settle` computes the average's statistics."""


def main() -> None:
    arguments = _parse_arguments()
    try:
        parts = {path: load_artifact(path) for path, _ in arguments.parts}
        splits = load_splits(arguments.data, ("train", "validation"))
        training = without_copies(splits["train"], splits["validation"])
        artifact = average(parts, dict(arguments.parts), training, splits["validation"], arguments.version)
        if arguments.balance:
            artifact = balanced(artifact, splits["validation"], arguments.balance)
    except (DataError, FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_artifact(artifact, arguments.out)
    inherited = [load_fingerprints(path.with_name("fingerprints.npy")) for path in parts]
    save_fingerprints(training, arguments.out.with_name("fingerprints.npy"), inherited)
    print(f"{arguments.out}: score it with `make evaluate SPLIT=validation DATA=… MODEL={arguments.out}`")


def average(
    parts: dict[Path, Artifact], shares: dict[Path, float], training: Split, validation: Split, version: str
) -> Artifact:
    """The average of `parts`, each with its share, settled on `training` and calibrated on `validation`.

    Its `training` is that of the first part, with every part's share and `training` added. Raises `ValueError` where
    the shares are not positive numbers with the sum 1, or the networks have different shapes.
    """
    if not all(share > 0 for share in shares.values()) or not math.isclose(sum(shares.values()), 1, abs_tol=1e-6):
        raise ValueError(f"the shares are {list(shares.values())}; each is above 0, and together they are 1")
    first, *others = parts
    network = blended(parts[first].network, [(parts[path].network, shares[path]) for path in others])
    settle(network, torch.from_numpy(training.images).unsqueeze(1), BATCH)
    network.eval()
    logits = predict_logits(network, validation.images)
    return Artifact(
        network=network,
        temperature=fit_temperature(logits, torch.from_numpy(validation.labels)),
        version=version,
        name=parts[first].name,
        # What balanced a part does not balance the average.
        training={key: value for key, value in parts[first].training.items() if key not in {"balance", "offsets"}}
        | {
            "average": {_name(path): share for path, share in shares.items()},
            "parts": {_name(path): part.training for path, part in parts.items()},
        },
    )


def balanced(artifact: Artifact, validation: Split, strength: float) -> Artifact:
    """`artifact` with `training.scoring.fit_offsets` of `strength` in its last layer's bias, and calibrated anew.

    They are fitted on `validation`, every second face of it damaged, as photographs are clean and not. Raises
    `ValueError` where `strength` is not from 0 to 1.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"the balance is {strength:g}; it goes from 0 (as it is) to 1 (named as often as labelled)")
    labels = torch.from_numpy(validation.labels)
    network = copy.deepcopy(artifact.network)
    offsets = fit_offsets(predict_logits(network, half_damaged(validation.images)), labels, strength)
    with torch.no_grad():
        network.head.bias.add_(offsets)
    temperature = fit_temperature(predict_logits(network, validation.images), labels)
    named = {label: round(float(offset), 3) for label, offset in zip(LABELS, offsets, strict=True)}
    training = artifact.training | {"balance": strength, "offsets": named}
    return replace(artifact, network=network, temperature=temperature, training=training)


def _name(path: Path) -> str:
    """The name that recipes use: the file for a committed artifact, folder and file for one of a run."""
    return path.name if path.resolve().parent == KEPT else "/".join(path.parts[-2:])


def _part(text: str) -> tuple[Path, float]:
    path, _, share = text.rpartition("=")
    try:
        return Path(path), float(share)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form artifact.pt=0.5") from None


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", type=_part, nargs="+", metavar="ARTIFACT=SHARE", help="shares have the sum 1")
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, fer2013.csv.gz or icml_face_data.csv")
    parser.add_argument(
        "--balance",
        type=float,
        default=0.0,
        help="how far emotions are named as often as they are labelled, from 0 (not at all) to 1 (as often)",
    )
    parser.add_argument("--version", required=True, help="of the average")
    parser.add_argument("--out", type=Path, required=True, help="the artifact to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
