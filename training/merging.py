"""Several trained networks made one: their weights averaged."""

import copy

from training.network import EmotionNetwork


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
