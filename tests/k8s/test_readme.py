"""The steps of k8s/README.md against the manifests: whatever they name is there, and what they assume holds."""

import itertools
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.k8s.manifests import K8S, ROOT, Manifest, find, overlay, unlike

README = (K8S / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
SHORT = {"hpa": "horizontalpodautoscaler"}


def commands(program: str) -> Iterator[list[str]]:
    """Each call of a program in the README, in its words, without comments."""
    for block in BLOCKS:
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|(?<!\|)\|(?!\|)", line):
                try:
                    words = shlex.split(part, comments=True)
                except ValueError:  # a part of a longer text, such as of a here-document
                    continue
                words = [word for word in words if word not in {"sudo", "&"}]
                if words[:1] == [program]:
                    yield words[1:]


@pytest.fixture(scope="module")
def documents(builds: dict[str, list[Manifest]]) -> list[Manifest]:
    """Everything that can be applied."""
    return [*unlike(builds), *overlay("load")]


def test_there_are_commands_to_look_at() -> None:
    assert len(list(commands("kubectl"))) > 20
    assert len(list(commands("helm"))) >= 3


def test_every_object_that_a_command_names_is_in_the_manifests(documents: list[Manifest]) -> None:
    there = {(each["kind"].lower(), each["metadata"]["name"]) for each in documents}
    named = set(re.findall(r"\b(deployment|service|job|statefulset)/(emotion[\w-]*)", README))
    for words in commands("kubectl"):
        for word, following in zip(words, [*words[1:], ""], strict=True):
            kind, _, name = word.partition("/")
            if kind in {"deployment", "service", "job", "statefulset"} and name:
                named.add((kind, name))
            if word in {"hpa", "scaledobject"} and following.startswith("emotion"):
                named.add((SHORT.get(word, word), following))
            if word == "-n" and following == "emotion":
                named.add(("namespace", following))
    ours = {(kind, name) for kind, name in named if name != "monitoring-grafana"}  # the operator's chart brings that
    assert len(ours) > 6
    assert ours <= there


def test_every_kind_that_is_not_kubernetes_own_has_a_place_that_it_comes_from(documents: list[Manifest]) -> None:
    table = README.split("## An overlay of your own")[1].split("\n## ")[0]
    named = {
        kind
        for kinds in re.findall(r"^\| `[\w/-]+` \| (.*?) \|", table, flags=re.MULTILINE)
        for kind in kinds.split(", ")
    }
    groups = ("k8s.io", "apps", "v1", "batch", "policy", "autoscaling")
    foreign = {
        each["kind"]
        for each in [*documents, *overlay("bulk")]
        if not each["apiVersion"].partition("/")[0].endswith(groups) or each["apiVersion"].startswith("gateway.")
    }
    assert named == foreign and "HTTPRoute" in foreign


def test_every_port_that_is_forwarded_is_one_of_its_service(documents: list[Manifest]) -> None:
    forwarded = [words[words.index("port-forward") + 1 :] for words in commands("kubectl") if "port-forward" in words]
    assert len(forwarded) >= 4
    for target, ports, *_ in forwarded:
        kind, _, name = target.partition("/")
        port = int(ports.split(":")[-1])
        if name == "monitoring-grafana":
            assert port == 80
        else:
            services = [each for each in documents if (each["kind"], each["metadata"]["name"]) == ("Service", name)]
            assert services, target
            assert all(port in [each["port"] for each in service["spec"]["ports"]] for service in services), target
            assert kind == "service"


def test_every_label_that_a_command_selects_by_is_on_something(documents: list[Manifest]) -> None:
    worn = set()
    for each in documents:
        worn |= set(each["metadata"].get("labels", {}).items())
        worn |= set(each.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {}).items())
    selected = re.findall(r"-l (\S+?)=([\w.-]+)", README)
    assert len(selected) >= 3
    assert {
        (name, value) for name, value in selected if not name.startswith("ray.io/")
    } <= worn  # KubeRay puts those on


def test_every_path_that_a_command_reads_is_there() -> None:
    read = {
        following
        for program in ("kubectl", "helm", "curl", "sed")
        for words in commands(program)
        for word, following in itertools.pairwise(words)
        if word in {"-k", "-f", "-T", "--values"} or following.startswith("k8s/")
    }
    assert len(read) > 4
    for path in read - {"edge.yaml"}:  # which the same step writes
        assert (ROOT / path).exists(), path
    for path in read:
        if path.startswith("k8s/overlays/") and not path.endswith(".yaml"):
            assert (ROOT / path / "kustomization.yaml").exists(), path


def test_every_secret_that_is_made_is_used_under_its_key(documents: list[Manifest]) -> None:
    made = {words[words.index("secret") + 2]: words for words in commands("kubectl") if "secret" in words}
    assert {"emotion-tls", "emotion-users", "emotion-token"} <= set(made)
    used = str(documents)
    for name in made:
        assert f"'{name}'" in used, name
    assert "{'key': 'token', 'name': 'emotion-token', 'optional': True}" in used
    assert "--from-file=token" in made["emotion-token"]


def test_the_charts_namespaces_are_those_that_the_policies_let_in(documents: list[Manifest]) -> None:
    installed = {words[words.index("--namespace") + 1] for words in commands("helm") if "install" in words}
    policies = [each for each in documents if each["kind"] == "NetworkPolicy"]
    admitted = set(re.findall(r"'kubernetes.io/metadata.name': '([\w-]+)'", str(policies)))
    admitted |= set(
        re.findall(r"'key': 'kubernetes.io/metadata.name', 'operator': 'In', 'values': \['([\w-]+)'", str(policies))
    )
    assert {"monitoring", "nginx-ingress"} <= installed & admitted


def test_prometheus_and_grafana_are_where_their_chart_puts_them() -> None:
    """The chart calls it by its release: kube-prometheus-stack's is `monitoring` here."""
    (stack,) = (words for words in commands("helm") if "prometheus-community/kube-prometheus-stack" in words)
    (adapter,) = (words for words in commands("helm") if "prometheus-community/prometheus-adapter" in words)
    release, namespace = stack[1], stack[stack.index("--namespace") + 1]
    assert f"prometheus.url=http://{release}-kube-prometheus-prometheus.{namespace}" in adapter
    grafana = f"service/{release}-grafana"
    assert any(words[:3] == ["-n", namespace, "port-forward"] and grafana in words for words in commands("kubectl"))


def test_the_metric_that_is_asked_for_is_served(documents: list[Manifest]) -> None:
    (raw,) = (words[words.index("--raw") + 1] for words in commands("kubectl") if "--raw" in words)
    _, _, group, version, _, namespace, _, pods, metric = raw.split("/")
    assert find(documents, "APIService", f"{version}.{group}")["spec"]["version"] == version
    asked = {each["pods"]["metric"]["name"] for each in autoscaler(documents)["metrics"]}
    assert (namespace, pods) == ("emotion", "*")
    assert metric in asked


def autoscaler(documents: list[Manifest]) -> dict[str, Any]:
    found = [each["spec"] for each in documents if each["kind"] == "HorizontalPodAutoscaler"]
    return next(each for each in found if each["scaleTargetRef"]["name"] == "emotion-server")


def test_a_star_is_quoted_lest_the_shell_takes_it() -> None:
    assert not re.findall(r"(?m)^[^#'\n]*\s[^\s'\"]*/\*/", "\n".join(BLOCKS))


def test_images_are_loaded_under_the_names_that_the_overlay_dev_asks_for() -> None:
    wanted = set(re.findall(r"'image': '(emotion-[\w.:-]+)'", str(overlay("dev"))))
    assert len(wanted) == 2
    loads = [
        words
        for program in ("kind", "minikube", "docker")
        for words in commands(program)
        if {"load", "save"} & set(words)
    ]
    assert len(loads) >= 3
    for words in loads:
        assert wanted & set(words), words
        assert {word for word in words if word.startswith("emotion-")} <= wanted, words
    (prepared,) = re.findall(r"^#     (minikube image load .*)", README, flags=re.MULTILINE)
    assert set(re.findall(r"emotion-\S+", prepared)) == wanted


def test_an_image_that_was_loaded_or_imported_is_not_asked_of_a_registry(builds: dict[str, list[Manifest]]) -> None:
    for name in ("dev", "prod"):
        for container in containers(builds[name]):
            assert container["imagePullPolicy"] == "IfNotPresent", (name, container["name"])


def test_dev_at_its_largest_fits_the_machine_that_is_asked_for(builds: dict[str, list[Manifest]]) -> None:
    (size,) = re.findall(r"minikube start .*--cpus (\d+) --memory (\d+)g", README)
    cpu, memory = requested(builds["dev"])
    assert cpu <= 0.9 * float(size[0]), "a tenth is the cluster's own"
    assert memory <= 0.9 * float(size[1]) * 1024
    assert f"{size[0]} CPU and {size[1]} GiB" in README


def test_prod_at_rest_fits_three_nodes_of_four_cpu(builds: dict[str, list[Manifest]]) -> None:
    (server,) = [
        each for each in builds["prod"] if each["kind"] == "Deployment" and each["metadata"]["name"] == "emotion-server"
    ]
    cpu, _ = pod_requests(server)
    least = autoscaler(builds["prod"])["minReplicas"]
    assert least == 3
    assert cpu < 0.9 * 4 < 2 * cpu, "one pod a node: three nodes, and a fourth for the surge of a rollout"
    assert "three nodes of 4 CPU, and a fourth for rollouts" in README


def requested(documents: list[Manifest]) -> tuple[float, float]:
    """CPU and MiB of all pods, with each autoscaler at its maximum."""
    most = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"]["maxReplicas"]
        for each in documents
        if each["kind"] == "HorizontalPodAutoscaler"
    }
    cpu = memory = 0.0
    for document in documents:
        if document["kind"] in {"Deployment", "StatefulSet"}:
            count = most.get(document["metadata"]["name"], document["spec"].get("replicas", 1))
            one_cpu, one_memory = pod_requests(document)
            cpu, memory = cpu + count * one_cpu, memory + count * one_memory
    return cpu, memory


def pod_requests(document: Manifest) -> tuple[float, float]:
    """CPU and MiB; a sidecar adds to its pod."""
    found = [each["resources"]["requests"] for each in containers([document])]
    units = {"Mi": 1.0, "Gi": 1024.0}
    cpu = sum(float(each["cpu"][:-1]) / 1000 if each["cpu"].endswith("m") else float(each["cpu"]) for each in found)
    return cpu, sum(float(each["memory"][:-2]) * units[each["memory"][-2:]] for each in found)


def containers(documents: list[Manifest]) -> list[dict[str, Any]]:
    pods = [each["spec"]["template"]["spec"] for each in documents if each["kind"] in {"Deployment", "StatefulSet"}]
    return [each for pod in pods for each in pod["containers"] + pod.get("initContainers", [])]


def test_only_the_monitoring_of_dev_needs_a_volume_and_takes_the_default_class(
    builds: dict[str, list[Manifest]],
) -> None:
    for name, built in builds.items():
        claims = [
            claim
            for each in built
            if each["kind"] == "StatefulSet"
            for claim in each["spec"].get("volumeClaimTemplates", [])
        ]
        assert bool(claims) == ("monitoring-standalone" in name or name == "dev"), name
        assert not [claim for claim in claims if "storageClassName" in claim["spec"]], name
        assert not [each for each in built if each["kind"] in {"PersistentVolumeClaim", "PersistentVolume"}], name


def test_no_service_has_an_address_outside_and_the_edge_has_the_class_of_its_chart(documents: list[Manifest]) -> None:
    for document in documents:
        if document["kind"] == "Service":
            assert document["spec"].get("type", "ClusterIP") == "ClusterIP", document["metadata"]["name"]
    classes = {each["spec"]["ingressClassName"] for each in documents if each["kind"] == "Ingress"}
    assert classes == {"nginx"}


def test_the_adapter_listens_where_the_readme_says_that_the_api_server_must_reach_it(
    builds: dict[str, list[Manifest]],
) -> None:
    (port,) = re.findall(r"reach the adapter's\s+pods at port (\d+)", README)
    pod = find(builds["dev"], "Deployment", "emotion-prometheus-adapter")["spec"]["template"]["spec"]
    assert int(port) in [each["containerPort"] for each in pod["containers"][0]["ports"]]


@pytest.mark.parametrize("cluster", ["kind", "minikube", "EKS", "GKE", "kubeadm", "k3s"])
def test_each_kind_of_cluster_has_its_assumptions(cluster: str) -> None:
    table = README.split("## What each kind of cluster must bring")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and cluster in line.split("|")[1]]
    assert len(rows) == 1
    assert all(cell.strip() for cell in rows[0].strip("|").split("|"))
