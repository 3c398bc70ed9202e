"""Several trained networks made one: their weights averaged, or all of them side by side."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch

from emotion.artifact import Artifact
from emotion.network import EmotionNetwork


def blended(network: EmotionNetwork, others: list[tuple[EmotionNetwork, float]]) -> EmotionNetwork:
    """A copy of `network` with its weights averaged with those of `others`, each with its share; its own is the rest.

    Networks that were trained on from the same weights lie in one valley of the loss, and their average is often better
    than each (Wortsman et al. 2022, "Model soups"). Raises `ValueError` where the shapes differ.
    """
    if any(other.config != network.config for other, _ in others):
        raise ValueError("networks of different shapes have no average")
    own = 1 - sum(share for _, share in others)
    average = {name: tensor * own for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    for other, share in others:
        weights = other.state_dict()
        average = {name: tensor + share * weights[name] for name, tensor in average.items()}
    blend = copy.deepcopy(network)
    blend.load_state_dict(average, strict=False)
    return blend


def joined(artifacts: Sequence[Artifact]) -> EmotionNetwork:
    """One network with those of `artifacts` as its branches; its logits are the mean of their calibrated logits.

    Networks trained apart err on different faces, so their mean errs less (Lakshminarayanan et al. 2017, "Simple and
    scalable predictive uncertainty estimation using deep ensembles"). A single one is returned as it is. Raises
    `ValueError` for backbones, and where the networks differ in more than stages and dropout; the first one's dropout
    is kept.
    """
    networks = [artifact.network for artifact in artifacts]
    if len(networks) == 1:
        return networks[0]
    config = networks[0].config
    for other in (network.config for network in networks):
        alike = replace(config, stages=other.stages, beside=other.beside, dropout=other.dropout)
        if other.backbone or other != alike:
            raise ValueError(f"networks side by side may differ in stages and dropout only; got {config} and {other}")
    branches = [branch for network in networks for branch in (network.features, *network.beside)]
    shapes = [stages for network in networks for stages in (network.config.stages, *network.config.beside)]
    whole = EmotionNetwork(replace(config, stages=shapes[0], beside=tuple(shapes[1:])))
    for empty, branch in zip((whole.features, *whole.beside), branches, strict=True):
        empty.load_state_dict(branch.state_dict())
    shares = [1 / (len(artifacts) * artifact.temperature) for artifact in artifacts]
    heads = [(share, network.head) for share, network in zip(shares, networks, strict=True)]
    with torch.no_grad():
        whole.head.weight.copy_(torch.cat([share * head.weight for share, head in heads], dim=1))
        whole.head.bias.copy_(torch.stack([share * head.bias for share, head in heads]).sum(0))
    return whole
