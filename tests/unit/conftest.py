"""What several unit tests are given: the local service, and faces to learn."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from tests.unit.local_service import Answering, Service
from training.data import Split


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def handful(grey_faces: np.ndarray) -> Split:
    """Real faces, labelled in turn with the seven emotions."""
    return Split("train", grey_faces, np.arange(len(grey_faces)) % 7)
