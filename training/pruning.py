"""Structured pruning: whole channels are removed, so the remaining network is smaller on any runtime."""

import warnings
from dataclasses import replace

import torch
import torch_pruning
from torch import nn

from emotion.labels import INPUT_SIZE
from training.network import EmotionNetwork, FaceNetwork
from training.targets import soft_cross_entropy


def prune(
    network: EmotionNetwork, ratio: float, round_to: int, faces: torch.Tensor, targets: torch.Tensor
) -> EmotionNetwork:
    """A copy of `network` without the share `ratio` of its channels; it needs training again.

    Channels are ranked over the whole network by how much the loss would change without them, to first order
    (Molchanov et al. 2019), together with everything that depends on them (Fang et al. 2023, torch-pruning). A
    convolution keeps a multiple of `round_to` channels. `faces` uint8 `[N, 1, 48, 48]`, `targets` `[N, 7]`: training
    data for the ranking.
    """
    pruned = EmotionNetwork(network.config)
    pruned.load_state_dict(network.state_dict())
    pruned.eval()
    importance = torch_pruning.importance.GroupTaylorImportance()
    example = torch.zeros((1, 1, INPUT_SIZE, INPUT_SIZE))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pruner = torch_pruning.pruner.BasePruner(
            pruned,
            example,
            importance=importance,
            pruning_ratio=ratio,
            max_pruning_ratio=0.8,
            global_pruning=True,
            round_to=round_to,
            ignored_layers=[pruned.head],
        )
        soft_cross_entropy(pruned(faces), targets).backward()
        pruner.step()
    return _rebuilt(pruned)


def count(network: FaceNetwork) -> tuple[int, int]:
    """Multiply-accumulates for one face, and parameters."""
    example = torch.zeros((1, 1, INPUT_SIZE, INPUT_SIZE))
    operations, parameters = torch_pruning.utils.count_ops_and_params(network, example)
    return int(operations), int(parameters)


def _rebuilt(pruned: EmotionNetwork) -> EmotionNetwork:
    """The same weights in a network whose configuration says its shape."""
    widths = iter([layer.out_channels for layer in pruned.modules() if isinstance(layer, nn.Conv2d)])
    stages = tuple(tuple(next(widths) for _ in stage) for stage in pruned.config.stages)
    network = EmotionNetwork(replace(pruned.config, stages=stages))
    network.load_state_dict(pruned.state_dict())
    return network
