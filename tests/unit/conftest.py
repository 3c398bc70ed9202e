"""What several unit tests are given: the local service, and faces to learn."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.unit.local_service import Service, local_service
from training.data import Split


@pytest.fixture
def service() -> Iterator[Service]:
    with local_service() as server:
        yield server


@pytest.fixture
def handful(grey_faces: np.ndarray) -> Split:
    """Real faces, labelled in turn with the seven emotions."""
    return Split("train", grey_faces, np.arange(len(grey_faces)) % 7)
