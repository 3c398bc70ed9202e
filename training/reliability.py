"""Which damaged faces `emotion.quality` calls unreliable, by what can be measured of a crop alone."""

import numpy as np

from emotion.quality import LIMITS, measure_crop

FLOOR = 0.6
"""Accuracy below which an answer is not reliable: two in five are wrong."""

CAUGHT = 0.9
"""Share of the faces that are marked unreliable where accuracy is below that."""

FEWEST = 30
"""Faces from which on their accuracy is shown."""

MEASURED = ("sharpness", "noise", "brightness", "contrast", "clipped")
"""What `measure_crop` measures, in its order."""

LOW_IS_BAD = ("sharpness", "brightness", "contrast")


def measured(images: np.ndarray) -> np.ndarray:
    """What is measured of faces uint8 `[N, 48, 48]`, float `[N, 5]`."""
    return np.array([measure_crop(image) for image in images])


def marked(quantities: np.ndarray) -> np.ndarray:
    """Which faces are beyond a limit, bool `[N]`, by what is measured of them, float `[N, 5]`."""
    beyond = np.zeros(len(quantities), dtype=bool)
    for values, name in zip(quantities.T, MEASURED, strict=True):
        bound = getattr(LIMITS, name)
        beyond |= values < bound if name in LOW_IS_BAD else values > bound
    return beyond
