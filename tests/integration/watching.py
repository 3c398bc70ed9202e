"""The parts around TorchServe as processes of their own: the sidecar, and a real Prometheus that watches both."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import requests
import yaml

from serving.addresses import Addresses
from tests.conftest import tool
from tests.integration.conftest import free_ports

ROOT = Path(__file__).resolve().parents[2]
STANDALONE = ROOT / "k8s" / "components" / "monitoring-standalone"
NAMESPACE = "emotion"

Answer = TypeVar("Answer")


@contextlib.contextmanager
def sidecar(addresses: Addresses, **settings: str) -> Iterator[str]:
    """Base URL of a sidecar for the TorchServe at `addresses`."""
    (port,) = free_ports(1)
    environment = os.environ | {
        "SIDECAR_PORT": str(port),
        "SIDECAR_MANAGEMENT": f"http://127.0.0.1:{addresses.management}",
        **{f"SIDECAR_{name.upper()}": value for name, value in settings.items()},
    }
    with subprocess.Popen([sys.executable, "-m", "sidecar.server"], cwd=ROOT, env=environment) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            eventually(lambda: status(f"{url}/metrics", 3) == 200, 20)
            yield url
        finally:
            process.terminate()


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Instant vector; raises `AssertionError` with Prometheus' own message."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        data = answer["data"]
        return data["result"] if data["resultType"] == "vector" else [{"metric": {}, "value": data["result"]}]

    def rules(self) -> list[dict[str, Any]]:
        """Every rule as Prometheus describes it: name, health, and for an alert its state."""
        groups = requests.get(f"{self.url}/api/v1/rules", timeout=10).json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def values(self, expression: str) -> list[float]:
        return [float(each["value"][1]) for each in self.query(expression)]


@contextlib.contextmanager
def prometheus(targets: list[tuple[str, int, str, str]], folder: Path) -> Iterator[Prometheus]:
    """Debian's Prometheus with the project's own configuration; data under `folder`.

    What a cluster would discover is given by hand, under the very labels that discovery sets, so relabelling is the
    project's own: `targets` are service, port, port name, pod.
    """
    binary = tool("prometheus", "prometheus")
    config = yaml.safe_load((STANDALONE / "prometheus.yml").read_text(encoding="utf-8"))
    config["rule_files"] = [str(STANDALONE / "rules.yaml")]
    (job,) = config["scrape_configs"]
    del job["kubernetes_sd_configs"]
    job["static_configs"] = [discovered(*target) for target in targets]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (port,) = free_ports(1)
    command = [binary, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with subprocess.Popen(command) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            eventually(lambda: status(f"{url}/-/ready", 3) == 200, 30)
            yield Prometheus(url)
        finally:
            process.terminate()


def discovered(service: str, port: int, port_name: str, pod: str) -> dict[str, Any]:
    """A target as Kubernetes' discovery of endpoint slices would hand it over."""
    labels = {
        "__meta_kubernetes_namespace": NAMESPACE,
        "__meta_kubernetes_service_name": service,
        "__meta_kubernetes_service_label_emotion_scrape": "true",
        "__meta_kubernetes_endpointslice_port_name": port_name,
        "__meta_kubernetes_pod_name": pod,
    }
    return {"targets": [f"127.0.0.1:{port}"], "labels": labels}


def status(url: str, timeout: float = 15) -> int:
    """HTTP status of a GET, 0 where nobody answers in time; whoever asks again and again does not wait long for one."""
    try:
        return requests.get(url, timeout=timeout).status_code
    except requests.RequestException:
        return 0


def eventually(ask: Callable[[], Answer], seconds: float, every: float = 0.2) -> Answer:
    """The first answer that is true; fails the test when there is none in time."""
    deadline = time.monotonic() + seconds
    answer = ask()
    while not answer:
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s; the last answer was {answer!r}")
        time.sleep(every)
        answer = ask()
    return answer


def at_rest(ask: Callable[[], Answer]) -> Answer:
    """The first answer that is the same as half a second before: what follows from earlier work has come by then."""
    before = ask()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.5)
        if (answer := ask()) == before:
            return answer
        before = answer
    pytest.fail(f"it does not come to rest; the last answer was {before!r}")


def is_loopback(ip: str) -> bool:
    return ip == "::1" or ip.removeprefix("::ffff:").startswith("127.")


def own_address() -> str:
    """An address of this machine that others would use."""
    found = [
        each.address for every in psutil.net_if_addrs().values() for each in every if each.family.name == "AF_INET"
    ]
    outside = next((address for address in found if not is_loopback(address)), None)
    if outside is None:
        pytest.fail("this machine has no address but loopback, so what others reach cannot be seen")
    return outside
