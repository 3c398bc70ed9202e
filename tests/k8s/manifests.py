"""Builds the manifests with the real kubectl.

python -m tests.k8s.manifests FOLDER    writes everything that they can become, for a policy scan
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
KUBECTL = Path(sys.executable).with_name("kubectl")

EDGES = ("", "ingress", "gateway")
"""At most one of them."""

VERSIONS = ("canary", "shadow")
"""Other versions of the server, which share the gateway's route."""

ONTO_OTHERS = ("keda", "network-policies", "sign-in")
"""Components that change what others bring, or are changed, in the order in which an overlay names them."""

ADDITIONS = sorted(
    each.name
    for each in (K8S / "components").iterdir()
    if each.name not in {*EDGES, *VERSIONS, *ONTO_OTHERS, "namespace"}
)
"""Components that bring objects of their own and touch nothing else, and so need not meet every other one by one."""

Manifest = dict[str, Any]


def everything() -> dict[str, list[Manifest]]:
    """By name: both overlays, and the base with every combination of components."""
    combinations = every_combination()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        built = zip(combinations, pool.map(together, combinations), strict=True)
        return {name: overlay(name) for name in ("dev", "prod")} | {
            "base+" + "+".join(components): documents for components, documents in built
        }


def together(components: Iterable[str]) -> list[Manifest]:
    """The base with some components."""
    with tempfile.TemporaryDirectory(prefix="emotion-kustomize-") as folder:
        return combination(components, Path(folder).resolve())


def unlike(builds: dict[str, list[Manifest]]) -> list[Manifest]:
    """Each document once, however many builds hold it."""
    texts = dict.fromkeys(json.dumps(each, sort_keys=True) for built in builds.values() for each in built)
    return [json.loads(text) for text in texts]


def overlay(name: str) -> list[Manifest]:
    """What `kubectl apply -k k8s/overlays/<name>` would apply."""
    return build(K8S / "overlays" / name)


def combination(components: Iterable[str], folder: Path) -> list[Manifest]:
    """The base with some components, put together in `folder`."""
    relative = Path(os.path.relpath(K8S, folder))
    chosen = [str(relative / "components" / name) for name in (*components, "namespace")]
    kustomization = {"resources": [str(relative / "base")], "components": chosen}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    return build(folder)


def every_combination() -> list[tuple[str, ...]]:
    """Every set of components that can stand together, in the order in which an overlay names them.

    Of `ADDITIONS` all sets with the base alone, and none or all of them with every set of the others.
    """
    sets = [
        (*filter(None, [edge]), *onto, *others)
        for edge in EDGES
        for onto in subsets(ONTO_OTHERS)
        for others in subsets(VERSIONS if edge == "gateway" else ())
    ]
    sets += [(*ADDITIONS, *chosen) for chosen in sets]
    return list(dict.fromkeys(sets + subsets(ADDITIONS)))


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """From none to all of them."""
    return list(chain.from_iterable(combinations(names, count) for count in range(len(names) + 1)))


def build(folder: Path) -> list[Manifest]:
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    # The loader in C, for hundreds of builds.
    return [document for document in yaml.load_all(done.stdout, yaml.CSafeLoader) if document]


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
