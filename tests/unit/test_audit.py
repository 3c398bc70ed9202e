"""A planted bias is found, and none is invented."""

import numpy as np
import pandas as pd
import pytest

from training.audit import ANGRY, audit


def made(seed: int, false_angry: float = 0.0) -> dict[str, dict[str, bool]]:
    """What differs in which group, for faces of which the share `false_angry` of group b is called angry."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 7, 4000)
    predicted = np.where(generator.random(4000) < 0.7, labels, generator.integers(0, 7, 4000))
    groups = pd.DataFrame({"g": generator.choice(["a", "b", "c"], 4000), "h": generator.choice(["x", "y"], 4000)})
    wronged = (groups["g"] == "b").to_numpy() & (generator.random(4000) < false_angry)
    predicted[wronged] = ANGRY
    rows = audit(np.eye(7)[predicted] * 0.6 + 0.4 / 7, labels, groups)["groups"]
    return {row["group"]: {name: cell["differs"] for name, cell in row["scores"].items()} for row in rows}


def test_planted_bias_is_found() -> None:
    found = made(0, false_angry=0.15)
    assert found["b"]["false angry"]
    assert not found["x"]["false angry"]


@pytest.mark.parametrize("seed", range(3))
def test_no_bias_is_invented(seed: int) -> None:
    assert not any(differs for group in made(seed).values() for differs in group.values())
