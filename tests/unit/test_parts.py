"""Each part of the repository imports only what its dependency group in pyproject.toml brings.

No environment is built for it: a part is imported in a process that cannot see any other package of this one.
"""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

PARTS = {
    "emotion": ("project",),
    "client": ("client",),
    "handler": ("project", "server", "torch"),
    "serving": ("server",),
    "sidecar": ("server",),
    "training": ("project", "training", "archive"),
    "monitoring": ("operations",),
    "images": (),
    "bench": ("project", "bench"),
    "bulk": ("project", "bulk"),
    "examples": ("examples",),
}
"""What each part may import: its dependency groups, and `project` for what the package `emotion` depends on."""

ELSEWHERE = {ROOT / "bench" / name for name in ("fer.py", "peers/deepface_server.py", "peers/litserve_server.py")}
"""Files that run in environments of their own."""

IMPORT_WITH = """
import json, sys
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions

allowed, files = json.load(sys.stdin)
allowed = set(allowed)
seen = packages_distributions()

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        brought_by = seen.get(name.partition(".")[0], ())
        if brought_by and allowed.isdisjoint(part.lower().replace("_", "-").replace(".", "-") for part in brought_by):
            # A package may still bring a copy of its own, as Ray does with psutil.
            path = [place for place in path or sys.path if not place.endswith("-packages")]
        return super().find_spec(name, path, target)

sys.meta_path = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
sys.path.insert(0, "")
for file, imports in files.items():
    try:
        exec(compile(imports, file, "exec"), {"__name__": "imports"})
    except ImportError as error:
        sys.exit(f"{file}: {error}")
"""
"""Reads the names of the packages that may be seen, and each file's imports; ends with a message when one fails."""


@pytest.mark.parametrize("part", PARTS)
def test_a_part_imports_only_what_its_group_brings(part: str) -> None:
    assert import_error(imports_of(ROOT / part), brought_by(PARTS[part])) == ""


def test_a_package_that_is_missing_from_a_group_is_noticed() -> None:
    batch = {"client/batch.py": imports_of(ROOT / "client")["client/batch.py"]}
    packages = brought_by(PARTS["client"])
    assert import_error(batch, packages) == ""
    assert import_error(batch, packages - {"tqdm"}) == "client/batch.py: No module named 'tqdm'"


def test_the_page_needs_nothing_of_what_the_pipeline_needs() -> None:
    page = {"client/planted.py": "import emotion.pipeline"}
    assert import_error(page, brought_by(PARTS["client"])) == "client/planted.py: No module named 'cv2'"


def test_no_part_of_the_repository_is_forgotten() -> None:
    found = {path.parent.relative_to(ROOT).parts[0] for path in ROOT.glob("*/*.py")}
    assert found == {*PARTS, "tests"}


def imports_of(folder: Path) -> dict[str, str]:
    """The import statements of each file, those in functions too; scripts themselves must not run."""
    found = {}
    for path in sorted(set(folder.rglob("*.py")) - ELSEWHERE):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imports = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        found[str(path.relative_to(ROOT))] = "\n".join(imports)
    return found


def import_error(imports: dict[str, str], packages: Iterable[str]) -> str:
    """The first import that fails where only `packages` can be seen; "" when none does."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_WITH],
        input=json.dumps([sorted(packages), imports]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stderr.strip().splitlines()
    return lines[-1] if done.returncode else ""


def brought_by(groups: Iterable[str]) -> set[str]:
    """The names of all packages that these groups bring, what those need themselves included, here."""
    wanted: list[str] = []
    for group in groups:
        wanted += (
            PROJECT["project"]["dependencies"]
            if group == "project"
            else resolve_dependency_groups(PROJECT["dependency-groups"], group)
        )
    found: set[tuple[str, str]] = set()
    waiting = [(Requirement(text), "") for text in wanted]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted_extra in ("", *requirement.extras):
            if (name, wanted_extra) not in found:
                found.add((name, wanted_extra))
                waiting += [(Requirement(text), wanted_extra) for text in metadata.requires(name) or ()]
    return {name for name, _ in found}
