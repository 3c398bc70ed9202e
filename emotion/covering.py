"""How much of a face is covered by what is in front of it: a mask, a hand, hair, dark glasses.

Nothing that can be measured with a formula gives these away, so a small network of its own looks for them;
`training.covering` trains it, on things drawn over FER-2013's faces. Most glasses are too small to be marked.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emotion.session import session


class Covering:
    """Holds the network, on one thread."""

    def __init__(self, model: Path) -> None:
        """`model`: the file that `python -m training.covering` writes; raises `ValueError` when it is not readable."""
        self._session = session(model, "`make covering` writes it")
        (described,), (found,) = self._session.get_inputs(), self._session.get_outputs()
        if (described.type, found.name) != ("tensor(uint8)", "shares"):
            raise ValueError(f"{model.name} is another network; `make covering` writes the one that is meant")
        self._input = described.name

    def shares(self, crops: Sequence[np.ndarray]) -> list[float]:
        """The covered share, 0 to 1, of each of the crops, grey uint8 `[48, 48]`, that the networks read."""
        if not crops:
            return []
        (shares,) = self._session.run(None, {self._input: np.stack(crops)[:, None]})
        found: list[float] = shares.tolist()
        return found
