"""What images are made of is pinned by hash, and the bill of materials names all of it."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

REQUIREMENTS = ROOT / "requirements"


def locked(name: str) -> dict[str, str]:
    """Each requirement of a lock and what stands behind it: marker and hashes."""
    text = (REQUIREMENTS / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return {line.split(" ")[0]: line for line in text.splitlines() if re.match(r"[a-z0-9]", line)}


def test_every_image_has_a_lock_with_hashes_only() -> None:
    for name in ("server.txt", "torch.txt", "client.txt", "archive.txt"):
        for requirement, line in locked(name).items():
            assert "==" in requirement and "--hash=sha256:" in line, requirement


def test_torch_is_the_one_that_developers_have() -> None:
    assert locked("torch.txt").keys() <= locked("all.txt").keys()
    assert any(each.startswith("torch==") for each in locked("torch.txt"))


@pytest.mark.parametrize(
    ("backend", "hashes"), [("", True), ("cpu", False), ("cu130", False), ("local", False)], ids=str
)
def test_torch_is_pinned_by_hash_where_its_build_is_that_of_the_lock(backend: str, hashes: bool) -> None:
    """The Dockerfile's own commands, with an installer that says what it is told."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    steps = re.findall(r"^RUN (.*?)\n\n", dockerfile, flags=re.MULTILINE | re.DOTALL)
    (run,) = (each for each in steps if "requirements/server.txt" in each)
    commands = re.sub(r"^ *#.*\n", "", run, flags=re.MULTILINE).replace("/tools/bin/uv", "echo").partition("&& rm")[0]
    script = commands.rstrip().removesuffix("\\").rstrip()
    told = subprocess.run(
        ["sh", "-euc", script], env={"TORCH_BACKEND": backend}, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(told) == 2 and "--require-hashes -r requirements/server.txt" in told[0]
    assert ("--require-hashes -r requirements/torch.txt" in told[1]) == hashes
    assert ("--no-verify-hashes" in told[1]) != hashes
    assert (f"--torch-backend={backend}" in told[1]) == (backend in {"cpu", "cu130"})


def test_the_bill_of_materials_of_the_server_has_what_its_image_has() -> None:
    """`make sbom` makes it of this list."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(
        r"^\t(\{ cat requirements/server\.txt.*\}) > runs/server\.txt$", makefile, flags=re.MULTILINE
    )
    command = recipe.replace("$$", "$")
    listed = subprocess.run(["sh", "-euc", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = {line.split("==")[0] for line in listed.splitlines() if re.match(r"[a-z0-9]", line)}
    assert names >= {each.split("==")[0] for each in locked("server.txt")} | {"torch", "opentelemetry-sdk"}


def test_the_readme_signs_what_make_sbom_writes() -> None:
    readme = (ROOT / "k8s" / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for part in ("server", "client", "wheel"):
        assert f"dist/sbom-{part}.json" in makefile, part
    assert "--type cyclonedx --predicate dist/sbom-$part.json" in readme
    assert Path(ROOT / "SECURITY.md").read_text(encoding="utf-8").count("make sbom")
