"""Every overlay and every combination of components: built, valid, hardened, and in step with the code."""

import copy
import itertools
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
from cloudcoil.models.cert_manager import v1 as cert_manager
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as operator

import emotion
from monitoring import reference, rule, rules
from tests.k8s import gateway_api
from tests.k8s.manifests import (
    ALWAYS,
    COMPONENTS,
    K8S,
    NEEDS,
    ONE_OF,
    ROOT,
    Manifest,
    can_stand_together,
    find,
    identity,
    overlay,
    unlike,
)

CUSTOM: dict[str, Any] = {
    "ServiceMonitor": operator.ServiceMonitor,
    "PrometheusRule": operator.PrometheusRule,
    "ScaledObject": keda.ScaledObject,
    "Certificate": cert_manager.Certificate,
    "Gateway": gateway_api.Gateway,
    "HTTPRoute": gateway_api.HTTPRoute,
}
"""Models, most of them generated from the operators' own schemas."""

OLDEST = "1.30"
"""The oldest Kubernetes that k8s/README.md promises: `preStop.sleep` begins to work there without a feature gate."""

OPEN_PORTS = {8080, 8082, 8083, 8084, 8501, 8502, 4180}


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


def test_every_component_is_combined_with_every_other_but_where_the_readme_says_so(
    builds: dict[str, list[Manifest]],
) -> None:
    assert set(COMPONENTS) == {each.name for each in (K8S / "components").iterdir()}
    rules = section("An overlay of your own")
    for group in ONE_OF:
        assert f"at most one of {words(group, 'and')}" in rules
    for name, needed in NEEDS.items():
        assert f"`{name}` needs {words(needed, 'or')}" in rules
    together = {frozenset(pair) for name in builds for pair in itertools.combinations(name.split("+")[1:], 2)}
    free = set(COMPONENTS) - ALWAYS
    apart = {frozenset(pair) for pair in itertools.combinations(free, 2)} - together
    needs_the_other_edge = {frozenset({name, "ingress"}) for name, needed in NEEDS.items() if "ingress" not in needed}
    assert apart == set(map(frozenset, ONE_OF)) | needs_the_other_edge


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_overlays_name_components_in_the_order_that_is_tested(name: str) -> None:
    text = (K8S / "overlays" / name / "kustomization.yaml").read_text(encoding="utf-8")
    named = [Path(each).name for each in yaml.safe_load(text)["components"]]
    assert named == [each for each in COMPONENTS if each in named]
    assert can_stand_together(set(named))


def words(names: set[str], joined: str) -> str:
    return f" {joined} ".join(f"`{name}`" for name in sorted(names, key=COMPONENTS.index))


def test_an_unknown_field_is_noticed(builds: dict[str, list[Manifest]]) -> None:
    monitor = copy.deepcopy(find(builds["prod"], "ServiceMonitor", "emotion"))
    monitor["spec"]["endpoints"][0]["intervall"] = "5s"
    with pytest.raises(AssertionError, match="intervall"):
        check_custom(monitor)


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
            kind = {"emptyDir", "configMap"} | ({"secret"} if name == "emotion-alertmanager" else set())
            assert set(volume) - {"name"} <= kind, name
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
    door = [each for each in server["env"] if each["name"].startswith("DOOR_")]
    seconds = {each["name"]: float(each["value"].removesuffix("s")) for each in door}
    assert seconds["DOOR_LEAVING"] > server["readinessProbe"]["periodSeconds"]
    java = 10
    assert spec["terminationGracePeriodSeconds"] > seconds["DOOR_LEAVING"] + seconds["DOOR_GRACE"] + java
    assert server["readinessProbe"]["httpGet"] == {"path": "/ping", "port": 8080}
    assert "lifecycle" not in server, "nothing must come before the door hears SIGTERM"


def test_no_service_is_open_but_where_it_says_so(builds: dict[str, list[Manifest]]) -> None:
    """Server and page read one Secret; without it the server starts only in `dev`, which nobody else reaches."""
    for name, built in builds.items():
        for part in ("emotion-server", "emotion-client"):
            (container,) = find(built, "Deployment", part)["spec"]["template"]["spec"]["containers"]
            variables = {each["name"]: each for each in container["env"]}
            secret = {"name": "emotion-token", "key": "token", "optional": True}
            assert variables["EMOTION_TOKEN"]["valueFrom"] == {"secretKeyRef": secret}
            if part == "emotion-server":
                assert ("EMOTION_OPEN" in variables) == (name == "dev"), name


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
    names = {each["metadata"]["name"] for each in builds["base+keda"] if each["kind"] == "HorizontalPodAutoscaler"}
    assert "emotion-server" not in names
    scaled = find(builds["base+keda"], "ScaledObject")
    autoscaler = find(builds["base+"], "HorizontalPodAutoscaler")
    assert scaled["spec"]["minReplicaCount"] == 0
    theirs = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]
    assert theirs["behavior"] == autoscaler["spec"]["behavior"]
    # Applying removes nothing: on a running installation the old one is still there, and must not act beside KEDA's.
    assert theirs["name"] == autoscaler["metadata"]["name"]
    assert scaled["metadata"]["annotations"]["scaledobject.keda.sh/transfer-hpa-ownership"] == "true"


def test_only_with_keda_are_the_rules_told_that_pods_may_sleep(builds: dict[str, list[Manifest]]) -> None:
    """The label goes from the page's service to its targets, in both Prometheuses."""
    for name, built in builds.items():
        labels = find(built, "Service", "emotion-client-metrics")["metadata"]["labels"]
        assert ("may_sleep" in labels) is ("keda" in name), name
    assert find(builds["prod"], "ServiceMonitor", "emotion")["spec"]["targetLabels"] == ["may_sleep", "track"]
    scrapes = (K8S / "components" / "monitoring-standalone" / "prometheus.yml").read_text(encoding="utf-8")
    assert "__meta_kubernetes_service_label_may_sleep" in scrapes


def test_the_rules_watch_the_namespace_that_the_manifests_make(builds: dict[str, list[Manifest]]) -> None:
    find(builds["prod"], "Namespace", rules.NAMESPACE)


def test_budgets_grow_with_the_fleet(builds: dict[str, list[Manifest]]) -> None:
    """One pod at a time would take days to empty the nodes of three hundred."""
    for name in ("emotion-server", "emotion-client"):
        assert find(builds["prod"], "PodDisruptionBudget", name)["spec"]["maxUnavailable"] == "10%"


def test_pods_are_spread_by_their_own_version_and_come_before_what_nobody_waits_for(
    builds: dict[str, list[Manifest]],
) -> None:
    for name in ("emotion-server", "emotion-client"):
        spec = find(builds["prod"], "Deployment", name)["spec"]["template"]["spec"]
        for constraint in spec["topologySpreadConstraints"]:
            assert constraint["matchLabelKeys"] == ["pod-template-hash"]
        priority = find(builds["prod"], "PriorityClass", spec["priorityClassName"])
        assert 0 < priority["value"] < 1_000_000_000, "above what has no class, below the cluster's own"


def test_every_autoscaler_owns_its_deployments_number(builds: dict[str, list[Manifest]]) -> None:
    """A number in the manifest would be set again at every apply."""
    for name in ("emotion-server", "emotion-client"):
        for built in (builds["dev"], builds["prod"]):
            target = find(built, "HorizontalPodAutoscaler", name)["spec"]["scaleTargetRef"]
            assert "replicas" not in find(built, target["kind"], target["name"])["spec"]


def test_memory_is_requested_as_it_was_measured(builds: dict[str, list[Manifest]]) -> None:
    measured = json.loads((ROOT / "bench" / "autoscaling" / "measured.json").read_text(encoding="utf-8"))["memory_mib"]
    ordinary, most = (measured[load]["sum"] for load in ("12 Mpx, 8 clients", "25 Mpx files of 15 MiB, 70 clients"))
    (server,) = find(builds["prod"], "Deployment")["spec"]["template"]["spec"]["containers"]
    request, limit = (mib(server["resources"][which]["memory"]) for which in ("requests", "limits"))
    assert ordinary < request < 1.2 * ordinary
    assert most < limit


def test_the_room_that_a_rollout_needs_is_said(builds: dict[str, list[Manifest]]) -> None:
    """A quarter of the pods, rounded up, beside those that run."""
    spec = find(builds["prod"], "Deployment")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": "25%"}
    pod = spec["template"]["spec"]
    requests = [each["resources"]["requests"] for each in pod["containers"] + pod["initContainers"]]
    cpu = sum(reference.quantity(each["cpu"]) for each in requests)
    memory = sum(mib(each["memory"]) for each in requests)
    said = " ".join(README.split())
    assert f"{cpu:.2f} CPU and {memory} MiB for every four pods" in said


def mib(quantity: str) -> int:
    """A quantity of memory."""
    number = int(quantity[:-2])
    return number * {"Mi": 1, "Gi": 1024}[quantity[-2:]]


README = (K8S / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Its text in one line."""
    return " ".join(README.split(f"## {title}\n")[1].split("\n## ")[0].split())


def test_whoever_has_a_name_to_ask_for_may_ask_the_dns_of_every_kind_of_cluster(
    builds: dict[str, list[Manifest]],
) -> None:
    spec = find(builds["dev"], "NetworkPolicy", "emotion-dns")["spec"]
    (chosen,) = spec["podSelector"]["matchExpressions"]
    pods = {each["metadata"]["name"] for each in builds["dev"] if each["kind"] in {"Deployment", "StatefulSet"}}
    assert set(chosen["values"]) == pods - {"emotion-server"} | {"emotion-load"}, "the server calls nobody"
    (rule,) = spec["egress"]
    assert {each["ipBlock"]["cidr"] for each in rule["to"] if "ipBlock" in each} == {
        "169.254.20.10/32",
        "169.254.169.254/32",
    }
    (labels,) = (each["podSelector"]["matchExpressions"] for each in rule["to"] if "podSelector" in each)
    assert labels == [{"key": "k8s-app", "operator": "In", "values": ["kube-dns", "node-local-dns"]}]
    assert {(port["port"], port["protocol"]) for port in rule["ports"]} == {(53, "UDP"), (53, "TCP")}


def test_the_api_server_is_reached_at_every_port_that_it_has(builds: dict[str, list[Manifest]]) -> None:
    spec = find(builds["dev"], "NetworkPolicy", "emotion-api-server")["spec"]
    (chosen,) = spec["podSelector"]["matchExpressions"]
    talks = {
        each["metadata"]["name"]
        for each in builds["dev"]
        if each["kind"] in {"Deployment", "StatefulSet"}
        and each["spec"]["template"]["spec"]["automountServiceAccountToken"]
    }
    assert set(chosen["values"]) == talks
    assert [port["port"] for port in spec["egress"][0]["ports"]] == [443, 6443, 8443, 16443]


def test_uninstalling_takes_the_apiservices_first(builds: dict[str, list[Manifest]]) -> None:
    """A namespace does not go while an APIService is registered behind which nobody answers."""
    (first, *_) = re.findall(r"^kubectl delete .*", README, flags=re.MULTILINE)
    found = re.match(r"kubectl delete apiservice -l (\S+)=(\S+)", first)
    assert found
    services = [each for each in builds["dev"] if each["kind"] == "APIService"]
    assert len(services) == 2
    assert all(each["metadata"]["labels"][found[1]] == found[2] for each in services)


def test_nobody_is_given_what_kubernetes_gives_already(builds: dict[str, list[Manifest]]) -> None:
    """The autoscaler's own role, system:controller:horizontal-pod-autoscaler, lets it read custom metrics."""
    for document in builds["dev"]:
        if document["kind"] in {"ClusterRoleBinding", "RoleBinding"}:
            assert all(each["name"].startswith("emotion-") for each in document["subjects"]), identity(document)


def test_the_upgrades_example_names_a_version_that_exists() -> None:
    assert re.findall(r"newTag: (\d[\d.]*)", README) == [emotion.__version__]


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
        for each in group["rules"]:
            if "alert" in each:
                anchor = each["annotations"]["runbook_url"].removeprefix(rule.RUNBOOKS)
                assert anchor in sections, f"k8s/README.md has no section for {each['alert']}"


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
