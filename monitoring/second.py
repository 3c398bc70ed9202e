"""Another version of the server beside the base's: the same manifests by another name.

Written out, not put together by kustomize: a resource that kustomize renamed would still answer to its old name, and an
overlay's patch of `emotion-server` would not know which of the two is meant.
"""

import json
from typing import Any

import yaml

from monitoring import reference

SERVER = reference.ROOT / "k8s" / "base" / "server.yaml"

Manifest = dict[str, Any]


def documents(track: str) -> list[Manifest]:
    """Everything of another version. Its image has no tag that exists: an overlay names the one that is tried."""
    base = [*yaml.safe_load_all(SERVER.read_text(encoding="utf-8")), _autoscaler()]
    renamed = json.loads(json.dumps(base).replace("emotion-server", f"emotion-server-{track}"))
    for each in renamed:
        # From the services' labels `track` goes into the metrics, where the rules compare it with the base's.
        labels = {"app.kubernetes.io/part-of": "emotion", "track": track}
        each["metadata"]["labels"] = each["metadata"].get("labels", {}) | labels
        if each["kind"] == "Deployment":
            pod = each["spec"]["template"]
            pod["metadata"]["labels"] |= labels
            for container in pod["spec"]["initContainers"] + pod["spec"]["containers"]:
                container["image"] = f"emotion-{track}:not-chosen"
    return list(renamed)


def _autoscaler() -> Manifest:
    """From one pod on, and otherwise as the base's, so that the two can be compared."""
    autoscaler = reference.autoscaler()
    return autoscaler | {"spec": autoscaler["spec"] | {"minReplicas": 1}}
