"""Builds the manifests with the real kubectl."""

import os
import subprocess
import sys
from collections.abc import Iterable
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
KUBECTL = Path(sys.executable).with_name("kubectl")

CHOICES = ("monitoring", "monitoring-standalone", "keda", "gpu", "ingress", "network-policies")
"""Components that may be combined as one likes; `namespace` ends each."""

Manifest = dict[str, Any]


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
    """All subsets of `CHOICES`."""
    return list(chain.from_iterable(combinations(CHOICES, count) for count in range(len(CHOICES) + 1)))


def build(folder: Path) -> list[Manifest]:
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def find(documents: Iterable[Manifest], kind: str, name: str = "emotion-server") -> Manifest:
    """The one document of that kind and name."""
    (found,) = (each for each in documents if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def identity(document: Manifest) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]
