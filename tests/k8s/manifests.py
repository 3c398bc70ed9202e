"""Builds the manifests with the real kubectl.

python -m tests.k8s.manifests FOLDER    writes everything that they can become, for a policy scan
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
KUBECTL = Path(sys.executable).with_name("kubectl")

COMPONENTS = (
    "monitoring",
    "monitoring-standalone",
    "cert-manager",
    "ingress",
    "gateway",
    "keda",
    "network-policies",
    "sign-in",
    "canary",
    "shadow",
    "namespace",
)
"""All of them, in the order in which an overlay names them: each after those that it changes."""

ALWAYS = {"namespace"}

ONE_OF = ({"monitoring", "monitoring-standalone"}, {"ingress", "gateway"})
"""Of each of these at most one."""

NEEDS = {"cert-manager": {"ingress", "gateway"}, "canary": {"gateway"}, "shadow": {"gateway"}}
"""By component those of which it needs one."""

BRIEFLY = {"GOGC": "off", "GOMAXPROCS": "1"}
"""For Go, whose process ends before its collector would be worth its time: a fifth less, hundreds of times."""

Manifest = dict[str, Any]


def everything() -> dict[str, list[Manifest]]:
    """By name: both overlays, and the base with every combination of components. Builds share what is equal in them."""
    combinations = every_combination()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        built = zip(combinations, pool.map(together, combinations), strict=True)
        return {name: overlay(name) for name in ("dev", "prod")} | {
            "base+" + "+".join(components): documents for components, documents in built
        }


def together(components: Iterable[str]) -> list[Manifest]:
    """The base with some components."""
    with tempfile.TemporaryDirectory(prefix="emotion-kustomize-") as folder:
        return combination([*components, *ALWAYS], Path(folder).resolve())


def unlike(builds: dict[str, list[Manifest]]) -> list[Manifest]:
    """Each document once, however many builds hold it: equal ones are the same object."""
    return list({id(each): each for built in builds.values() for each in built}.values())


def overlay(name: str) -> list[Manifest]:
    """What `kubectl apply -k k8s/overlays/<name>` would apply."""
    return build(K8S / "overlays" / name)


def combination(components: Iterable[str], folder: Path) -> list[Manifest]:
    """The base with some components, put together in `folder`."""
    relative = Path(os.path.relpath(K8S, folder))
    chosen = [str(relative / "components" / name) for name in components]
    kustomization = {"resources": [str(relative / "base")], "components": chosen}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    return build(folder)


def every_combination() -> list[tuple[str, ...]]:
    """Every set of components that can stand together, without those that are `ALWAYS` there."""
    chosen = [name for name in COMPONENTS if name not in ALWAYS]
    subsets = chain.from_iterable(combinations(chosen, count) for count in range(len(chosen) + 1))
    return [each for each in subsets if can_stand_together(set(each))]


def can_stand_together(chosen: set[str]) -> bool:
    return all(len(chosen & group) <= 1 for group in ONE_OF) and all(
        chosen & needed for name, needed in NEEDS.items() if name in chosen
    )


def build(folder: Path) -> list[Manifest]:
    done = subprocess.run(
        [KUBECTL, "kustomize", folder], env=os.environ | BRIEFLY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return [parsed(text) for text in re.split(r"^---\n", done.stdout, flags=re.MULTILINE)]


@cache
def parsed(text: str) -> Manifest:
    """One document; of hundreds of builds most are the same."""
    document: Manifest = yaml.load(text, yaml.CSafeLoader)
    return document


def find(documents: Iterable[Manifest], kind: str, name: str = "emotion-server") -> Manifest:
    """The one document of that kind and name."""
    (found,) = (each for each in documents if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def identity(document: Manifest) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, document in enumerate(unlike(everything() | {name: overlay(name) for name in ("bulk", "load")})):
        (folder / f"{number:03}-{document['kind']}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


if __name__ == "__main__":
    main()
