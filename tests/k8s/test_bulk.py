"""The archive's RayJob: pods that Kubernetes accepts, fields that KubeRay has, and what spot nodes and buckets need.

No package carries KubeRay's schema, so the fields that are used are written down here, as its `rayjob_types.go` and
`raycluster_types.go` have them; the pods inside are checked against Kubernetes' own schema.
"""

import re
from typing import Any, Literal

import kubernetes_validate
import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bulk.summary import SOME_FAILED
from tests.k8s.manifests import ROOT, Manifest, find, overlay
from tests.k8s.test_manifests import OLDEST, newest_minors


class Strict(BaseModel):
    """An unknown field is an error, as for the API server with strict validation."""

    model_config = ConfigDict(extra="forbid", strict=True)


class AutoscalerOptions(Strict):
    idleTimeoutSeconds: int
    upscalingMode: Literal["Default", "Aggressive", "Conservative"]
    resources: dict[str, dict[str, str]]
    securityContext: dict[str, Any]


class HeadGroup(Strict):
    rayStartParams: dict[str, str]
    template: dict[str, Any]


class WorkerGroup(HeadGroup):
    groupName: str
    replicas: int
    minReplicas: int
    maxReplicas: int


class RayCluster(Strict):
    rayVersion: str
    enableInTreeAutoscaling: bool
    autoscalerOptions: AutoscalerOptions
    headGroupSpec: HeadGroup
    workerGroupSpecs: list[WorkerGroup] = Field(min_length=1)


class RayJob(Strict):
    entrypoint: str
    submissionMode: Literal["K8sJobMode", "HTTPMode", "InteractiveMode"]
    backoffLimit: int
    shutdownAfterJobFinishes: bool
    ttlSecondsAfterFinished: int
    rayClusterSpec: RayCluster


@pytest.fixture(scope="module")
def built() -> list[Manifest]:
    return overlay("bulk")


@pytest.fixture(scope="module")
def job(built: list[Manifest]) -> RayJob:
    document = find(built, "RayJob", "emotion-bulk")
    assert document["apiVersion"] == "ray.io/v1"
    return RayJob.model_validate(document["spec"])


@pytest.fixture(scope="module")
def pods(job: RayJob) -> list[Manifest]:
    """The templates of the head's pod and of the workers'."""
    cluster = job.rayClusterSpec
    return [cluster.headGroupSpec.template, *(group.template for group in cluster.workerGroupSpecs)]


@pytest.mark.parametrize("version", [OLDEST, *newest_minors(4)])
def test_kubernetes_accepts_every_document_and_pod(built: list[Manifest], pods: list[Manifest], version: str) -> None:
    templates = [
        {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "ray"}, "template": template}
        for template in pods
    ]
    for document in [*(each for each in built if each["kind"] != "RayJob"), *templates]:
        kubernetes_validate.validate(document, version, strict=True)


def test_a_field_that_kuberay_does_not_have_is_noticed(built: list[Manifest]) -> None:
    spec = find(built, "RayJob", "emotion-bulk")["spec"]
    with pytest.raises(ValidationError, match="backOffLimit"):
        RayJob.model_validate(spec | {"backOffLimit": 1})
    with pytest.raises(ValidationError, match="num-cpus"):
        cluster = spec["rayClusterSpec"]
        head = cluster["headGroupSpec"] | {"rayStartParams": {"num-cpus": 0}}
        RayJob.model_validate(spec | {"rayClusterSpec": cluster | {"headGroupSpec": head}})


def test_it_runs_the_version_of_ray_that_is_in_the_image(job: RayJob) -> None:
    (version,) = re.findall(r"^ray==(\S+)", (ROOT / "requirements" / "bulk.txt").read_text("utf-8"), re.MULTILINE)
    assert job.rayClusterSpec.rayVersion == version


def test_a_lost_cluster_is_made_again_and_a_photo_with_an_error_is_no_reason_to(job: RayJob) -> None:
    assert job.backoffLimit > 0
    assert job.entrypoint.endswith(f"|| [ $? -eq {SOME_FAILED} ]")


def test_pods_are_restricted(pods: list[Manifest], job: RayJob) -> None:
    """What Pod Security's level "restricted" asks, and a read-only root."""
    hardened = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
    }
    assert job.rayClusterSpec.autoscalerOptions.securityContext == hardened
    for pod in pods:
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert all(set(volume) == {"name", "emptyDir"} for volume in spec["volumes"])
        for container in spec["containers"]:
            assert container["securityContext"] == hardened
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert {"cpu", "memory"} <= set(container["resources"]["limits"])
            assert "wget" not in str(container["livenessProbe"]) and "httpGet" in container["livenessProbe"]
    head, *workers = (pod["spec"]["automountServiceAccountToken"] for pod in pods)
    assert head and not any(workers), "only the autoscaler talks to the API server"


def test_workers_grow_on_spot_nodes_and_the_head_stays_off_them(job: RayJob, pods: list[Manifest]) -> None:
    (group,) = job.rayClusterSpec.workerGroupSpecs
    assert job.rayClusterSpec.enableInTreeAutoscaling
    assert group.minReplicas < group.maxReplicas
    assert job.rayClusterSpec.headGroupSpec.rayStartParams["num-cpus"] == "0"
    (container,) = group.template["spec"]["containers"]
    assert group.rayStartParams["num-cpus"] == container["resources"]["limits"]["cpu"]
    assert group.template["spec"]["tolerations"]
    wanted = group.template["spec"]["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    liked = [each["preference"]["matchExpressions"][0] for each in wanted]
    rules = pods[0]["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (terms,) = rules["nodeSelectorTerms"]
    assert [each | {"operator": "NotIn"} for each in liked] == terms["matchExpressions"]


def test_everything_else_comes_first(built: list[Manifest], pods: list[Manifest]) -> None:
    assert {pod["spec"]["priorityClassName"] for pod in pods} == {"emotion-bulk"}
    priority = find(built, "PriorityClass", "emotion-bulk")
    assert priority["value"] < 0
    assert priority["preemptionPolicy"] == "Never"


def test_the_bucket_is_reached_by_the_pods_own_identity(built: list[Manifest], pods: list[Manifest]) -> None:
    """By an annotation of their account; no key is anywhere, and the node's own credentials are out of reach."""
    assert find(built, "ServiceAccount", "emotion-bulk")["metadata"]["annotations"]
    assert {pod["spec"]["serviceAccountName"] for pod in pods} == {"emotion-bulk"}
    assert not [each for each in built if each["kind"] == "Secret"]
    policy = find(built, "NetworkPolicy", "emotion-bulk")["spec"]
    for pod in pods:
        assert pod["metadata"]["labels"].items() >= policy["podSelector"]["matchLabels"].items()
    for rule in policy["egress"]:
        addresses = {to["ipBlock"]["cidr"] for to in rule.get("to", []) if "ipBlock" in to}
        if "169.254.169.254/32" in addresses:
            assert {port["port"] for port in rule["ports"]} == {53}
    anywhere = [rule for rule in policy["egress"] if "to" not in rule]
    assert [[port["port"] for port in rule["ports"]] for rule in anywhere] == [[443]]
    assert all(rule["from"] for rule in policy["ingress"])
    assert find(built, "NetworkPolicy", "default-deny")["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_the_command_gets_its_archive_from_the_configuration(built: list[Manifest], job: RayJob) -> None:
    names = set(re.findall(r"\$([A-Z]+)", job.entrypoint))
    assert names == {"SOURCE", "RESULTS"}
    assert names <= set(find(built, "ConfigMap", "emotion-bulk")["data"])


def test_all_of_it_is_in_a_namespace_of_its_own(built: list[Manifest]) -> None:
    find(built, "Namespace", "emotion-bulk")
    for document in built:
        if document["kind"] not in {"Namespace", "PriorityClass"}:
            assert document["metadata"]["namespace"] == "emotion-bulk"
