"""A training run of seconds: a narrow network, and no augmentation, so that it can learn faces by heart."""

import torch

from training.recipe import Recipe
from training.run import Execution

CPU = Execution(torch.device("cpu"))


def tiny_recipe(**optimization: object) -> Recipe:
    settings = {
        "epochs": 80,
        "batch_size": 14,
        "peak_learning_rate": 0.02,
        "warm_up": 0.2,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "average_decay": 0.5,
    }
    return Recipe.model_validate(
        {
            "name": "tiny",
            "version": "0.0.1",
            "seed": 3,
            "network": {"widths": [16, 32], "depth": 2, "dropout": 0.0},
            "augmentation": {
                "rotation": 0,
                "shift": 0,
                "scale": 0,
                "crop": 48,
                "brightness": 0,
                "contrast": 0,
                "erasing": 0,
            },
            "optimization": settings | optimization,
        }
    )
