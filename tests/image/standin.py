"""A base image for machines that reach no registry: Debian by debootstrap, with Python 3.11.

For testing only. It stands in for the slim Python image that the Dockerfile names, and it carries what this one
machine needs to reach its package index, so that the Dockerfile itself need not know.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from images.engine import EngineFailed, run

NAME = "localhost/python-standin:3.11"
PACKAGES = ("python3", "python3-venv", "python3-distutils", "ca-certificates")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
WHEELS = Path("/wheels")
"""Where the folder of local wheels appears while an image is built."""


def base() -> str:
    """The name of the stand-in image, made with debootstrap and buildah if it is not there yet.

    Raises `EngineFailed`.
    """
    if subprocess.run(["buildah", "inspect", "--type", "image", NAME], capture_output=True, check=False).returncode:
        _make()
    return NAME


def _make() -> None:
    for tool in ("debootstrap", "buildah"):
        if shutil.which(tool) is None:
            raise EngineFailed(f"{tool} is missing; apt-get install {tool}")
    with tempfile.TemporaryDirectory(prefix="emotion-base-") as scratch:
        root = Path(scratch) / "root"
        run(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", str(root)])
        shutil.rmtree(root / "var" / "cache" / "apt")
        shutil.rmtree(root / "var" / "lib" / "apt" / "lists")
        if CERTIFICATES.exists():
            shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
        container = subprocess.run(["buildah", "from", "scratch"], capture_output=True, text=True, check=True)
        name = container.stdout.strip()
        run(["buildah", "add", "--quiet", name, str(root), "/"])
        variables = {"SSL_CERT_FILE": str(CERTIFICATES), "PIP_CERT": str(CERTIFICATES), "UV_FIND_LINKS": str(WHEELS)}
        variables |= {key: value for key, value in os.environ.items() if key in {"UV_DEFAULT_INDEX", "PIP_INDEX_URL"}}
        run(["buildah", "config", *(f"--env={key}={value}" for key, value in variables.items()), name])
        run(["buildah", "commit", "--quiet", "--rm", name, NAME])
