"""Build the images `emotion-server`, `emotion-client` and `emotion-bulk` with docker, podman or buildah.

python -m images.engine --tag TAG [--target server] [--build-arg NAME=VALUE …]
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("server", "client", "bulk")


class EngineFailed(RuntimeError):
    """No engine that can build, or a build that failed."""


@dataclass(frozen=True)
class Engine:
    """A container tool; `build` is its build command with the options that it always needs."""

    build: tuple[str, ...]

    def image(self, target: str, tag: str, arguments: Mapping[str, str]) -> str:
        """Build one target of the Dockerfile and return the image's name. Raises `EngineFailed`."""
        name = f"emotion-{target}:{tag}"
        options = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
        run([*self.build, "--target", target, "--tag", name, *options, str(ROOT)])
        return name


def find() -> Engine:
    """The first engine that answers. Raises `EngineFailed` when there is none."""
    if _answers("docker", "info"):
        return Engine(("docker", "build"))
    if _answers("podman", "info"):
        return Engine(("podman", "build", "--format", "docker"))
    if _answers("buildah", "info"):
        # chroot needs neither a daemon nor cgroups; the docker format keeps HEALTHCHECK.
        return Engine(("buildah", "bud", "--isolation", "chroot", "--format", "docker", "--layers"))
    raise EngineFailed("no container engine answers; start docker or podman, or: apt-get install buildah")


def run(command: list[str]) -> None:
    """Run a command, its output passed on. Raises `EngineFailed`."""
    if subprocess.run(command, check=False).returncode:
        raise EngineFailed(f"{' '.join(command[:2])} failed; see its messages above")


def _answers(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the images emotion-server, emotion-client and emotion-bulk.")
    parser.add_argument("--tag", required=True, help="a version; the manifests name it")
    parser.add_argument("--target", choices=TARGETS, action="append", help="only this one; a model is in the server's")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE", help="as of the Dockerfile")
    arguments = parser.parse_args()
    try:
        engine = find()
        for target in arguments.target or TARGETS:
            print(engine.image(target, arguments.tag, dict(each.split("=", 1) for each in arguments.build_arg)))
    except (EngineFailed, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
