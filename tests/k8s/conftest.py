"""Everything that the manifests can become, built once."""

import pytest

from tests.k8s.manifests import Manifest, everything


@pytest.fixture(scope="session")
def builds() -> dict[str, list[Manifest]]:
    return everything()
