"""Everything that the manifests can become, built once; and a service that answers as it is told."""

from collections.abc import Iterator

import pytest

from tests.k8s.manifests import Manifest, everything
from tests.unit.local_service import Service, local_service


@pytest.fixture(scope="session")
def builds() -> dict[str, list[Manifest]]:
    return everything()


@pytest.fixture
def service() -> Iterator[Service]:
    with local_service() as server:
        yield server
