"""Everything that the manifests can become, built once; and a service that answers as it is told."""

from collections.abc import Iterator
from functools import cache

import pytest
from kubernetes_validate import utils

from tests.k8s.manifests import Manifest, everything
from tests.unit.local_service import Service, local_service


@pytest.fixture(scope="session")
def builds() -> dict[str, list[Manifest]]:
    return everything()


@pytest.fixture(scope="session", autouse=True)
def schemas_are_read_once() -> Iterator[None]:
    """Megabytes for each document otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", cache(utils.schema_contents))
        yield


@pytest.fixture
def service() -> Iterator[Service]:
    with local_service() as server:
        yield server
