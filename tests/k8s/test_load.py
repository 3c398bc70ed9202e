"""The load job: valid, hardened, let through by the policies, and apart from every installation."""

import base64
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.k8s.manifests import K8S, ROOT, Manifest, find, overlay
from tests.k8s.test_manifests import OLDEST, newest_minors

LOAD = K8S / "overlays" / "load"
LABEL = {"app.kubernetes.io/name": "emotion-load"}
MOST = 1024 * 1024
"""Bytes of a ConfigMap: what Kubernetes takes."""


@pytest.fixture(scope="module")
def load() -> list[Manifest]:
    return overlay("load")


@pytest.fixture(scope="module")
def pod(load: list[Manifest]) -> dict[str, Any]:
    template: dict[str, Any] = find(load, "Job", "emotion-load")["spec"]["template"]
    return template


@pytest.mark.parametrize("version", [OLDEST, *newest_minors(4)])
def test_kubernetes_accepts_it(load: list[Manifest], version: str) -> None:
    for document in load:
        kubernetes_validate.validate(document, version, strict=True)


def test_it_is_a_job_beside_an_installation_and_in_none(
    load: list[Manifest], builds: dict[str, list[Manifest]]
) -> None:
    assert sorted((each["kind"], each["metadata"]["name"]) for each in load) == [
        ("ConfigMap", "emotion-load"),
        ("Job", "emotion-load"),
        ("ServiceAccount", "emotion-load"),
    ]
    (namespace,) = {each["metadata"]["namespace"] for each in load}
    assert namespace == find(builds["prod"], "Namespace", "emotion")["metadata"]["name"]
    for name, built in builds.items():
        assert not [each for each in built if each["kind"] == "Job"], name


def test_its_pod_passes_restricted_pod_security(pod: dict[str, Any]) -> None:
    spec = pod["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001, "nobody of the node's"
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {"cpu", "memory", "ephemeral-storage"} == set(container["resources"]["limits"])
    assert LABEL.items() <= pod["metadata"]["labels"].items()


def test_it_comes_after_photos_of_people_and_is_not_tried_again(load: list[Manifest], pod: dict[str, Any]) -> None:
    assert "priorityClassName" not in pod["spec"], "0, below the service's"
    job = find(load, "Job", "emotion-load")["spec"]
    steps = len(variables(pod)["RATES"].split()) * float(variables(pod)["STEP"])
    assert job["backoffLimit"] == 0
    assert steps < job["activeDeadlineSeconds"] / 2


def test_it_sends_to_a_port_that_the_service_has_with_the_token_of_the_server(
    pod: dict[str, Any], builds: dict[str, list[Manifest]]
) -> None:
    (container,) = pod["spec"]["containers"]
    (host,) = (each.removeprefix("--host=") for each in container["args"] if each.startswith("--host="))
    service = find(builds["prod"], "Service")
    assert host == f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    (server,) = find(builds["prod"], "Deployment")["spec"]["template"]["spec"]["containers"]
    token = {"name": "EMOTION_TOKEN"}
    (ours,) = (each for each in container["env"] if token.items() <= each.items())
    assert ours in server["env"]


def test_the_policies_let_it_through_and_nowhere_else(builds: dict[str, list[Manifest]]) -> None:
    for name in ("dev", "prod"):
        server = find(builds[name], "NetworkPolicy", "emotion-server")["spec"]
        assert {"podSelector": {"matchLabels": LABEL}} in server["ingress"][0]["from"]
        assert server["ingress"][0]["ports"] == [{"port": 8080, "protocol": "TCP"}]
        ours = find(builds[name], "NetworkPolicy", "emotion-load")["spec"]
        assert ours["podSelector"] == {"matchLabels": LABEL}
        assert ours["policyTypes"] == ["Ingress", "Egress"]
        (rule,) = ours["egress"]
        assert rule["to"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "emotion-server"}}}]
        assert rule["ports"] == [{"port": 8080, "protocol": "TCP"}]
        (asks,) = find(builds[name], "NetworkPolicy", "emotion-dns")["spec"]["podSelector"]["matchExpressions"]
        assert "emotion-load" in asks["values"]


def test_its_script_and_its_photo_fit_a_configmap(load: list[Manifest], pod: dict[str, Any]) -> None:
    held = find(load, "ConfigMap", "emotion-load")
    photo = base64.b64decode(held["binaryData"]["photo.jpg"])
    assert photo == (ROOT / "client" / "samples" / "Eileen-Collins.jpg").read_bytes(), "public domain"
    assert len(photo) + len(held["data"]["load.py"]) < MOST / 2
    (volume,) = (each for each in pod["spec"]["volumes"] if "configMap" in each)
    assert volume["configMap"]["name"] == held["metadata"]["name"]
    (container,) = pod["spec"]["containers"]
    (mount,) = (each for each in container["volumeMounts"] if each["name"] == volume["name"])
    assert f"--locustfile={mount['mountPath']}/load.py" in container["args"]


def test_the_script_is_tested_with_the_version_that_runs(pod: dict[str, Any]) -> None:
    (container,) = pod["spec"]["containers"]
    name, version = container["image"].split(":")
    assert name == "locustio/locust"
    assert f"locust=={version} " in (ROOT / "requirements" / "load.txt").read_text(encoding="utf-8")


def variables(pod: dict[str, Any]) -> dict[str, str]:
    (container,) = pod["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def test_the_readme_says_how_it_is_run() -> None:
    text = (K8S / "README.md").read_text(encoding="utf-8")
    job = yaml.safe_load_all((LOAD / "job.yaml").read_text(encoding="utf-8"))
    (name,) = (each["metadata"]["name"] for each in job if each["kind"] == "Job")
    assert f"kubectl -n emotion logs --follow --pod-running-timeout 2m job/{name}" in text
    assert text.index("kubectl delete -k k8s/overlays/load") < text.index("kubectl apply -k k8s/overlays/load")
