"""Which damaged faces `emotion.quality` calls unreliable, by what can be measured of a crop alone."""

import math

import numpy as np

from emotion.covering import Covering
from emotion.quality import Quality, measure_crop
from training.third_party import COVERING_NETWORK

FLOOR = 0.6
"""Accuracy below which an answer is not reliable: two in five are wrong."""

CAUGHT = 0.9
"""Share of the faces that are marked unreliable where accuracy is below that."""

FEWEST = 30
"""Faces from which on their accuracy is shown."""

MEASURED = ("sharpness", "noise", "brightness", "contrast", "clipped", "covered")
"""What `measure_crop` measures, in its order, and what `emotion.covering` says."""

AT_ONCE = 64
"""Faces in one call of the network that finds covered ones."""


def measured(images: np.ndarray) -> np.ndarray:
    """What is measured of faces uint8 `[N, 48, 48]`, float `[N, 6]`."""
    covering = Covering(COVERING_NETWORK)
    batches = (images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE))
    covered = [share for batch in batches for share in covering.shares(list(batch))]
    return np.column_stack([[measure_crop(image) for image in images], covered])


def marked(quantities: np.ndarray) -> np.ndarray:
    """Which faces are beyond a limit, bool `[N]`, by what is measured of them, float `[N, 6]`.

    In all that cannot be measured of a crop they are faultless.
    """
    rest = {"size": math.inf, "roll": 0.0, "turn": 0.0, "inside": 1.0}
    qualities = (Quality(**dict(zip(MEASURED, row, strict=True)), **rest) for row in quantities.tolist())
    return np.array([bool(each.reasons()) for each in qualities])
