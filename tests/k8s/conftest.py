"""Everything that the manifests can become, built once."""

from pathlib import Path

import pytest

from tests.k8s.manifests import Manifest, combination, every_combination, overlay


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    """By name: both overlays, and the base with every combination of components."""
    built = {name: overlay(name) for name in ("dev", "prod")}
    for components in every_combination():
        folder: Path = tmp_path_factory.mktemp("kustomize")
        built["base+" + "+".join(components)] = combination(components, folder)
    return built
