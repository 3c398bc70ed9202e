"""The local service as a fixture."""

import threading
from collections.abc import Iterator

import pytest

from tests.unit.local_service import Answering, Service


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
