"""What several unit tests are given: the local service, the page in front of it, and faces to learn."""

from collections.abc import Iterator

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.unit.local_service import Service, local_service
from tests.unit.pages import APP
from training.data import Split


@pytest.fixture
def service() -> Iterator[Service]:
    with local_service() as server:
        yield server


@pytest.fixture
def page(service: Service, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page where photos are analysed, the notice acknowledged."""
    monkeypatch.setenv("EMOTION_SERVER", service.url)
    monkeypatch.setenv("EMOTION_RETRIES", "0")
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    return page.button[0].click().run()


@pytest.fixture
def handful(grey_faces: np.ndarray) -> Split:
    """Real faces, labelled in turn with the seven emotions."""
    return Split("train", grey_faces, np.arange(len(grey_faces)) % 7)
