"""Give a trained network more channels without changing its answers, so that training goes on from where it was."""

from dataclasses import replace

import torch
from torch import nn

from training.network import EmotionNetwork

SHARES = (0.3, 0.7)
"""How much of a copied channel's weight in the next layer one of the two copies gets; the other gets the rest. Copies
with equal shares would have equal gradients, and stay copies for ever."""


def widen(network: EmotionNetwork, widths: tuple[int, ...], generator: torch.Generator) -> EmotionNetwork:
    """A copy of `network` with `widths` channels in the convolutions of each stage, and the same answers.

    Net2WiderNet (Chen et al. 2016, "Net2Net: Accelerating learning via knowledge transfer"): new channels are copies
    of old ones, drawn at random, and the next layer's weights are divided between a channel and its copy. Raises
    `ValueError` where a stage would become narrower, or more than twice as wide.
    """
    stages = network.config.stages
    if len(widths) != len(stages) or any(
        not old <= new <= 2 * old for new, stage in zip(widths, stages, strict=False) for old in stage
    ):
        raise ValueError(
            f"cannot widen {stages} to {widths}: give {len(stages)} widths; each stage becomes one to two times as wide"
        )
    wide_stages = tuple((new,) * len(stage) for new, stage in zip(widths, stages, strict=True))
    wide = EmotionNetwork(replace(network.config, stages=wide_stages))
    width = iter([new for stage in wide_stages for new in stage])
    source, share = torch.zeros(1, dtype=torch.long), torch.ones(1)  # of the picture's only channel
    with torch.no_grad():
        for old, new in zip(_blocks(network), _blocks(wide), strict=True):
            weights = old.get_parameter("0.weight")[:, source] * share[:, None, None]
            source, share = _copies(len(weights), next(width), generator)
            new.get_parameter("0.weight").copy_(weights[source])
            for name, tensor in old[1].state_dict().items():
                new.state_dict()[f"1.{name}"].copy_(tensor[source] if tensor.ndim else tensor)
        wide.head.weight.copy_(network.head.weight[:, source] * share)
        wide.head.bias.copy_(network.head.bias)
    return wide.train(network.training)


def _copies(old: int, new: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """For each of `new` channels: the old one that it is or copies, and its share of that one's weight."""
    copied = torch.randperm(old, generator=generator)[: new - old]
    first = torch.empty(len(copied)).uniform_(*SHARES, generator=generator)
    share = torch.ones(new)
    share[copied], share[old:] = first, 1 - first
    return torch.cat([torch.arange(old), copied]), share


def _blocks(network: EmotionNetwork) -> list[nn.Sequential]:
    return [block for block in network.features if isinstance(block, nn.Sequential)]
