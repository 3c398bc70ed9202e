"""All images, built as `make image` builds them; from a stand-in base where the real one cannot be pulled."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.engine import TARGETS, Engine
from tests.image import standin
from tests.image.container import Image, mounted

LOCAL_WHEELS = Path(os.environ.get("PIP_FIND_LINKS", "/nonexistent"))


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """The name of each target's image."""
    arguments: dict[str, str] = {}
    build = ["buildah", "bud", "--isolation", "chroot", "--format", "docker", "--layers"]
    if not _can_pull():
        arguments["BASE"] = standin.base()
        if LOCAL_WHEELS.is_dir():
            # This machine's own CPU build of torch, in place of PyTorch's index.
            arguments["TORCH_BACKEND"] = "local"
            build += ["--volume", f"{LOCAL_WHEELS}:{standin.WHEELS}:ro"]
    engine = Engine(tuple(build))
    return {target: engine.image(target, "test", arguments) for target in TARGETS}


@pytest.fixture(scope="session")
def server_image(images: dict[str, str]) -> Iterator[Image]:
    with mounted(images["server"]) as image:
        yield image


@pytest.fixture(scope="session")
def client_image(images: dict[str, str]) -> Iterator[Image]:
    with mounted(images["client"]) as image:
        yield image


@pytest.fixture(scope="session")
def bulk_image(images: dict[str, str]) -> Iterator[Image]:
    with mounted(images["bulk"]) as image:
        yield image


def _can_pull() -> bool:
    dockerfile = (Path(__file__).resolve().parents[2] / "Dockerfile").read_text(encoding="utf-8")
    base = next(line.removeprefix("ARG BASE=") for line in dockerfile.splitlines() if line.startswith("ARG BASE="))
    return subprocess.run(["buildah", "pull", "--quiet", base], capture_output=True, check=False).returncode == 0
