"""A widened network answers as it did before, and its copies of channels learn different things."""

import pytest
import torch

from training.network import EmotionNetwork, NetworkConfig
from training.widening import widen

NARROW = ((4, 6), (8, 8))


def trained(stages: tuple[tuple[int, ...], ...] = NARROW) -> EmotionNetwork:
    """Random weights, and statistics and scales of normalization that differ from channel to channel."""
    torch.manual_seed(0)
    network = EmotionNetwork(NetworkConfig(stages, dropout=0.0, pixel_mean=128.0, pixel_std=60.0))
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_mean", "running_var")) or (tensor.ndim == 1 and tensor.is_floating_point()):
            tensor.uniform_(0.5, 1.5)
    return network.eval()


def widened(network: EmotionNetwork, *widths: int) -> EmotionNetwork:
    return widen(network, widths, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("widths", [(7, 12), (8, 16), (6, 8)])
def test_the_answers_stay_what_they_were(widths: tuple[int, int]) -> None:
    network = trained()
    wide = widened(network, *widths)
    assert wide.config.stages == tuple((width,) * 2 for width in widths)
    faces = torch.randint(0, 256, (5, 1, 48, 48))
    torch.testing.assert_close(wide(faces), network(faces), rtol=1e-4, atol=1e-4)


def test_a_channel_and_its_copy_get_different_gradients() -> None:
    """With equal ones they would stay one channel, however long the training."""
    wide = widened(trained(), 8, 16).train()
    wide(torch.randint(0, 256, (8, 1, 48, 48))).log_softmax(1)[:, 0].sum().backward()
    weights = wide.get_submodule("features.0.0").get_parameter("weight")
    copied = weights.detach().flatten(1).unsqueeze(1) == weights.detach().flatten(1)
    pairs = [(first, second) for first, second in copied.all(2).nonzero().tolist() if first < second]
    assert weights.grad is not None
    assert len(pairs) == 4
    for first, second in pairs:
        assert not torch.allclose(weights.grad[first], weights.grad[second], rtol=1e-3)


@pytest.mark.parametrize("widths", [(5, 8), (13, 8), (6, 17), (6,), (6, 8, 8)])
def test_what_is_no_widening_is_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one to two times as wide"):
        widened(trained(), *widths)
