"""The manifests on a real cluster: `make cluster-test`, or `python -m tests.cluster`.

Makes a cluster of its own with kind (two workers), loads both images, applies the overlay `dev`, sends photos, watches
the autoscaler, kills a pod, rolls out, empties a node, deletes everything, and the cluster too. A line for each step.
Ends with 0 when all was well, with 1 where something was not, and with 2 where no cluster can be had: Docker must run,
kind and kubectl must be installed, and `make image` must have built the images.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import emotion
from tests.cluster.tools import Failed, Missing, Program, docker, names, program, without_errors
from tests.k8s.manifests import K8S

NAME = "emotion-test"
NAMESPACE = "emotion"
SERVER = "app.kubernetes.io/name=emotion-server"
CLIENT = "app.kubernetes.io/name=emotion-client"
OURS = "app.kubernetes.io/part-of=emotion"
IMAGES = (f"emotion-server:{emotion.__version__}", f"emotion-client:{emotion.__version__}")
SENDER = Path(__file__).with_name("sender.py")
DEV = K8S / "overlays" / "dev"

NODES = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
  - role: worker
  - role: worker
"""

CLUSTER_WIDE = ("clusterroles", "clusterrolebindings", "priorityclasses", "apiservices")
"""What is not in the namespace and must go with it."""


class Cluster:
    """The steps; each says in a few words what it saw, or raises `Failed`."""

    def __init__(self, kind: Program, kubectl: Program, patience: float) -> None:
        """`patience`: seconds for whatever the cluster does by itself."""
        self.kind, self.kubectl, self.patience = kind, kubectl, patience
        self.inside = Program((*kubectl.command, "--namespace", NAMESPACE))

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        return [
            ("images are loaded", self.load),
            ("the overlay dev is applied and everything is ready", self.apply),
            ("photos are answered", self.photos),
            ("the autoscaler sees all its metrics", self.metrics),
            ("under load it adds pods", self.scale),
            ("a killed pod loses no photo and is replaced", self.kill),
            ("a rollout loses no photo", self.rollout),
            ("an emptied node loses no photo", self.drain),
            ("everything can be deleted", self.delete),
        ]

    def load(self) -> str:
        self.kind.run("load", "docker-image", *IMAGES, "--name", NAME)
        return ", ".join(IMAGES)

    def apply(self) -> str:
        self.kubectl.run("apply", "--kustomize", DEV)
        owners = self.inside.run("get", "deployments,statefulsets", "--output", "name").split()
        for owner in owners:
            self.inside.run(
                "rollout", "status", owner, "--timeout", f"{self.patience:.0f}s", timeout=self.patience + 30
            )
        return f"{len(owners)} deployments and statefulsets"

    def photos(self) -> str:
        with self.sending(5, 0) as sender:
            return f"{without_errors(sender, self.patience)} of 5"

    def metrics(self) -> str:
        wanted = len(self.inside.objects("get", "hpa", "emotion-server")["spec"]["metrics"])

        def seen() -> bool:
            status = self.inside.objects("get", "hpa", "emotion-server").get("status", {})
            values = [each.get("pods", {}).get("current") for each in status.get("currentMetrics", [])]
            active = [each["status"] for each in status.get("conditions", []) if each["type"] == "ScalingActive"]
            return sum(bool(value) for value in values) == wanted and active == ["True"]

        self.until(seen, "the autoscaler has no value for some metric; see prometheus-adapter's log")
        return f"{wanted} of {wanted}"

    def scale(self) -> str:
        before = self.desired()
        with self.sending(32, self.patience):
            self.until(lambda: self.desired() > before, f"the autoscaler stays at {before} under load")
        found = f"from {before} to {self.desired()}"
        # From here on two, so that one can go.
        self.inside.run("patch", "hpa", "emotion-server", "--type", "merge", "--patch", '{"spec": {"minReplicas": 2}}')
        self.until(lambda: len(self.ready()) >= 2, "no second pod becomes ready")
        return found

    def kill(self) -> str:
        victim = self.ready()[0]
        with self.sending(2, 60) as sender:
            self.inside.run("delete", "pod", victim, "--wait=false")
            answered = without_errors(sender, self.patience)
        self.until(lambda: len(set(self.ready()) - {victim}) >= 2, f"nobody replaces {victim}")
        return f"{answered} photos meanwhile"

    def rollout(self) -> str:
        with self.sending(2, 90) as sender:
            self.inside.run("rollout", "restart", "deployment/emotion-server")
            self.settled("deployment/emotion-server")
            return f"{without_errors(sender, self.patience)} photos meanwhile"

    def drain(self) -> str:
        """The node of a server's pod, and not the one on which the sender runs."""
        (page, *_) = self.inside.objects("get", "pods", "--selector", CLIENT)["items"]
        servers = self.inside.objects("get", "pods", "--selector", SERVER)["items"]
        nodes = sorted({each["spec"]["nodeName"] for each in servers} - {page["spec"]["nodeName"]})
        if not nodes:
            raise Failed(f"all servers are on the page's node, {page['spec']['nodeName']}: they were not spread")
        options = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout", f"{self.patience:.0f}s")
        with self.sending(2, 60) as sender:
            self.kubectl.run("drain", nodes[0], *options, timeout=self.patience + 30)
            answered = without_errors(sender, self.patience)
        self.kubectl.run("uncordon", nodes[0])
        self.until(lambda: len(self.ready()) >= 2, "the pods of the emptied node do not come back elsewhere")
        return f"{nodes[0]}, {answered} photos meanwhile"

    def delete(self) -> str:
        """In the order of k8s/README.md."""
        self.kubectl.run("delete", "apiservice", "--selector", OURS)
        self.kubectl.run("delete", "--kustomize", DEV, "--ignore-not-found", timeout=self.patience)
        left = [
            f"{kind}/{name}"
            for kind in CLUSTER_WIDE
            for name in names(self.kubectl.objects("get", kind, "--selector", OURS))
        ]
        left += [name for name in names(self.kubectl.objects("get", "namespaces")) if name == NAMESPACE]
        if left:
            raise Failed(f"left behind: {', '.join(left)}")
        return "nothing is left"

    def settled(self, owner: str) -> None:
        """Waits for a rollout's end."""
        self.inside.run("rollout", "status", owner, "--timeout", f"{self.patience:.0f}s", timeout=self.patience + 30)

    def sending(self, threads: int, seconds: float) -> "AbstractContextManager[subprocess.Popen[str]]":
        """Photos from a pod of the page to the service, as visitors' photos go."""
        (page, *_) = names(self.inside.objects("get", "pods", "--selector", CLIENT))
        line = ("exec", "--stdin", page, "--container", "client", "--", "python", "-", str(threads), f"{seconds:.0f}")
        return self.inside.running(*line, stdin=SENDER)

    def desired(self) -> int:
        return int(self.inside.objects("get", "hpa", "emotion-server").get("status", {}).get("desiredReplicas", 0))

    def ready(self) -> list[str]:
        """The names of the servers that are ready and stay."""
        return [
            pod["metadata"]["name"]
            for pod in self.inside.objects("get", "pods", "--selector", SERVER)["items"]
            if "deletionTimestamp" not in pod["metadata"]
            and ("Ready", "True") in [(each["type"], each["status"]) for each in pod["status"].get("conditions", [])]
        ]

    def until(self, found: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + self.patience
        while not found():
            if time.monotonic() > deadline:
                raise Failed(f"{otherwise} (waited {self.patience:.0f} s)")
            time.sleep(min(2.0, self.patience / 40))


def main() -> None:
    parser = argparse.ArgumentParser(description="The manifests on a real cluster, made with kind.")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds for whatever the cluster does by itself")
    parser.add_argument("--keep", action="store_true", help="the cluster, to look into it")
    arguments = parser.parse_args()
    try:
        tool = docker()
        kind = Program((program("kind", "https://kind.sigs.k8s.io, or your system's packages"),))
        path = Path(sys.executable).with_name("kubectl")
        kubectl = path if path.is_file() else program("kubectl", "it comes with `make .venv/.installed`")
        for image in IMAGES:
            if subprocess.run([tool, "image", "inspect", image], capture_output=True, check=False).returncode:
                raise Missing(f"the image {image} is not there: make image")
    except Missing as error:
        print(f"error: no cluster can be had, nothing was tested: {error}", file=sys.stderr)
        sys.exit(2)
    with tempfile.TemporaryDirectory(prefix="emotion-cluster-") as folder:
        sys.exit(0 if run(kind, kubectl, Path(folder), arguments.patience, keep=arguments.keep) else 1)


def run(kind: Program, kubectl: str | Path, folder: Path, patience: float, *, keep: bool) -> bool:
    """Whether all steps went well, in a cluster that is there for them only; its settings stay in `folder`."""
    settings, nodes = folder / "kubeconfig", folder / "kind.yaml"
    nodes.write_text(NODES, encoding="utf-8")
    cluster = Cluster(kind, Program((kubectl, "--kubeconfig", settings)), patience)
    step = "a cluster is made"
    try:
        kind.run("create", "cluster", "--name", NAME, "--kubeconfig", settings, "--config", nodes, "--wait", "5m")
        print(f"ok    {step}", flush=True)
        for step, check in cluster.steps():
            begin = time.monotonic()
            print(f"ok    {step}: {check()} ({time.monotonic() - begin:.0f} s)", flush=True)
    except Failed as error:
        print(f"FAIL  {step}: {error}", flush=True)
        tell(cluster)
        return False
    finally:
        if keep:
            print(f"the cluster stays: kind export kubeconfig --name {NAME}; kind delete cluster --name {NAME}")
        else:
            kind.run("delete", "cluster", "--name", NAME, "--kubeconfig", settings)
    return True


def tell(cluster: Cluster) -> None:
    """What the cluster says of itself, for whoever reads why it failed."""
    for arguments in (("get", "pods,hpa", "--output", "wide"), ("get", "events", "--sort-by", ".lastTimestamp")):
        try:
            print("\n".join(cluster.inside.run(*arguments, timeout=60).splitlines()[-30:]))
        except Failed as error:
            print(error)


if __name__ == "__main__":
    main()
