"""Every overlay and every combination of components: built, valid, hardened, and in step with the code."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as operator

from monitoring import rules
from tests.k8s.manifests import K8S, ROOT, Manifest, find, identity, overlay, unlike

CUSTOM: dict[str, Any] = {
    "ServiceMonitor": operator.ServiceMonitor,
    "PrometheusRule": operator.PrometheusRule,
    "ScaledObject": keda.ScaledObject,
}
"""Models generated from the operators' own schemas."""

OLDEST = "1.30"
"""The oldest Kubernetes that k8s/README.md promises: `preStop.sleep` begins to work there without a feature gate."""

OPEN_PORTS = {8080, 8082, 8083, 8084, 8501, 8502}


def newest_minors(count: int) -> list[str]:
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    minors = {
        tuple(map(int, found.groups())) for each in folder.iterdir() if (found := re.match(r"v(\d+)\.(\d+)", each.name))
    }
    return [f"{major}.{minor}" for major, minor in sorted(minors)[-count:]]


def test_every_combination_builds(builds: dict[str, list[Manifest]]) -> None:
    for name, built in builds.items():
        twice = [each for each, count in Counter(map(identity, built)).items() if count > 1]
        assert not twice, f"{name} has these twice: {twice}"


@pytest.mark.parametrize("version", [OLDEST, *newest_minors(4)])
def test_kubernetes_accepts_every_document(builds: dict[str, list[Manifest]], version: str) -> None:
    for document in unlike(builds):
        if document["kind"] not in CUSTOM:
            kubernetes_validate.validate(document, version, strict=True)


def test_operators_accept_their_resources(builds: dict[str, list[Manifest]]) -> None:
    seen = set()
    for document in unlike(builds):
        if document["kind"] in CUSTOM:
            check_custom(document)
            seen.add(document["kind"])
    assert seen == set(CUSTOM)


def check_custom(document: Manifest) -> None:
    """Types by the model; unknown keys by what is left after it: models drop what they do not know."""
    model = CUSTOM[document["kind"]].model_validate(document)
    kept = json.loads(model.model_dump_json(by_alias=True, exclude_unset=True))
    lost = paths(document) - paths(kept)
    assert not lost, f"{document['kind']} has no such field: {sorted(lost)}"


def paths(value: Any, path: str = "") -> set[str]:
    """Every key of a document, as a path."""
    if isinstance(value, dict):
        return {path} | {each for key, inner in value.items() for each in paths(inner, f"{path}.{key}")}
    if isinstance(value, list):
        return {path} | {each for index, inner in enumerate(value) for each in paths(inner, f"{path}[{index}]")}
    return {path}


def test_an_unknown_field_is_noticed(builds: dict[str, list[Manifest]]) -> None:
    monitor = find(builds["prod"], "ServiceMonitor", "emotion")
    monitor["spec"]["endpoints"][0]["intervall"] = "5s"
    with pytest.raises(AssertionError, match="intervall"):
        check_custom(monitor)
    del monitor["spec"]["endpoints"][0]["intervall"]


def test_generated_files_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, "-m", "monitoring.build", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_pods_are_restricted(builds: dict[str, list[Manifest]]) -> None:
    """What Pod Security's level "restricted" asks, and a read-only root, and no token but for those who need one."""
    for document in unlike(builds):
        if document["kind"] not in {"Deployment", "StatefulSet"}:
            continue
        spec, name = document["spec"]["template"]["spec"], document["metadata"]["name"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        talks_to_the_api = name in {"emotion-prometheus", "emotion-prometheus-adapter"}
        assert spec["automountServiceAccountToken"] is talks_to_the_api, name
        assert spec["serviceAccountName"] == name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        for volume in spec.get("volumes", []):
            assert set(volume) - {"name"} <= {"emptyDir", "configMap"}, name
        for container in spec["containers"] + spec.get("initContainers", []):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
            assert {"cpu", "memory"} <= set(container["resources"]["limits"]), name


def test_services_name_the_ports_of_sidecars_by_number(builds: dict[str, list[Manifest]]) -> None:
    """EndpointSlices resolve names of ordinary containers' ports; those of sidecars only from Kubernetes 1.33 on."""
    for built in builds.values():
        resolved = {
            each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]: {
                port["name"]
                for container in each["spec"]["template"]["spec"]["containers"]
                for port in container["ports"]
            }
            for each in built
            if each["kind"] in {"Deployment", "StatefulSet"}
        }
        for service in built:
            if service["kind"] == "Service":
                names = resolved[service["spec"]["selector"]["app.kubernetes.io/name"]]
                targets = {port["targetPort"] for port in service["spec"]["ports"]}
                assert {each for each in targets if isinstance(each, str)} <= names, identity(service)


def test_pods_outlive_their_door(builds: dict[str, list[Manifest]]) -> None:
    spec = find(builds["prod"], "Deployment")["spec"]["template"]["spec"]
    (sidecar,) = spec["initContainers"]
    assert sidecar["restartPolicy"] == "Always", "it speaks until the end"
    (server,) = spec["containers"]
    seconds = {each["name"]: float(each["value"].removesuffix("s")) for each in server["env"]}
    assert seconds["DOOR_LEAVING"] > server["readinessProbe"]["periodSeconds"]
    java = 10
    assert spec["terminationGracePeriodSeconds"] > seconds["DOOR_LEAVING"] + seconds["DOOR_GRACE"] + java
    assert server["readinessProbe"]["httpGet"] == {"path": "/ping", "port": 8080}
    assert "lifecycle" not in server, "nothing must come before the door hears SIGTERM"


def test_nothing_but_the_documented_ports_is_offered(builds: dict[str, list[Manifest]]) -> None:
    """Management (8081) and TorchServe's inference (8085) are in none of services, container ports, policies, …."""
    for document in unlike(builds):
        text = json.dumps(document)
        if document["kind"] in {"Service", "Deployment", "NetworkPolicy", "Ingress", "ServiceMonitor"}:
            assert "8081" not in text and "8085" not in text, identity(document)
        if document["kind"] == "Deployment" and document["metadata"]["name"] in {"emotion-server", "emotion-client"}:
            spec = document["spec"]["template"]["spec"]
            for container in spec["containers"] + spec.get("initContainers", []):
                assert {port["containerPort"] for port in container["ports"]} <= OPEN_PORTS


def test_policies_deny_by_default_and_let_scrapes_and_photos_in(builds: dict[str, list[Manifest]]) -> None:
    everything = find(builds["prod"], "NetworkPolicy", "default-deny")["spec"]
    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    server = find(builds["prod"], "NetworkPolicy")["spec"]
    allowed = {port["port"] for rule in server["ingress"] for port in rule["ports"]}
    assert allowed == {8080, 8082, 8083, 8084}
    assert all(rule["from"] for rule in server["ingress"])
    assert "egress" not in server and "Egress" in server["policyTypes"], "the server calls nobody"


def test_keda_takes_the_autoscalers_place(builds: dict[str, list[Manifest]]) -> None:
    kinds = {each["kind"] for each in builds["base+keda"]}
    assert "ScaledObject" in kinds and "HorizontalPodAutoscaler" not in kinds
    scaled = find(builds["base+keda"], "ScaledObject")["spec"]
    autoscaler = find(builds["base+"], "HorizontalPodAutoscaler")["spec"]
    assert scaled["minReplicaCount"] == 0
    assert scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == autoscaler["behavior"]


def test_only_with_keda_are_the_rules_told_that_pods_may_sleep(builds: dict[str, list[Manifest]]) -> None:
    """The label goes from the page's service to its targets, in both Prometheuses."""
    for name, built in builds.items():
        labels = find(built, "Service", "emotion-client-metrics")["metadata"]["labels"]
        assert ("may_sleep" in labels) is ("keda" in name), name
    assert find(builds["prod"], "ServiceMonitor", "emotion")["spec"]["targetLabels"] == ["may_sleep"]
    scrapes = (K8S / "components" / "monitoring-standalone" / "prometheus.yml").read_text(encoding="utf-8")
    assert "__meta_kubernetes_service_label_may_sleep" in scrapes


def test_the_rules_watch_the_namespace_that_the_manifests_make(builds: dict[str, list[Manifest]]) -> None:
    find(builds["prod"], "Namespace", rules.NAMESPACE)


def test_namespace_is_restricted_and_the_adapters_role_stays_where_it_is() -> None:
    built = overlay("dev")
    labels = find(built, "Namespace", "emotion")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    reader = find(built, "RoleBinding", "emotion-prometheus-adapter-reads-authentication")
    assert reader["metadata"]["namespace"] == "kube-system"


def test_every_alert_has_its_runbook() -> None:
    text = (K8S / "README.md").read_text(encoding="utf-8")
    sections = {line.removeprefix("### ").strip().lower() for line in text.splitlines() if line.startswith("### ")}
    for group in rules.groups()["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                anchor = rule["annotations"]["runbook"].split("#")[1]
                assert anchor in sections, f"k8s/README.md has no section for {rule['alert']}"


def test_grafana_gets_the_dashboard_and_the_prometheus_that_runs(builds: dict[str, list[Manifest]]) -> None:
    dashboards = [each for each in builds["dev"] if each["kind"] == "ConfigMap" and "emotion.json" in each["data"]]
    (dashboard,) = dashboards
    assert json.loads(dashboard["data"]["emotion.json"])["uid"] == "emotion"
    (provisioned,) = (
        each for each in builds["dev"] if each["kind"] == "ConfigMap" and "datasources.yaml" in each["data"]
    )
    (source,) = yaml.safe_load(provisioned["data"]["datasources.yaml"])["datasources"]
    service = find(builds["dev"], "Service", "emotion-prometheus")
    (port,) = service["spec"]["ports"]
    assert source["url"] == f"http://{service['metadata']['name']}:{port['port']}"
