"""compose.yaml runs what the manifests run. No engine runs here, so it is read, not started."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import tool
from tests.k8s.manifests import ROOT, find, overlay
from tests.k8s.stories import promtool

Services = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def services() -> Services:
    loaded: dict[str, Services] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return loaded["services"]


def test_images_are_the_manifests_images(services: Services) -> None:
    built = overlay("dev")
    for service, kind, name in (
        ("server", "Deployment", "emotion-server"),
        ("client", "Deployment", "emotion-client"),
        ("prometheus", "StatefulSet", "emotion-prometheus"),
        ("grafana", "Deployment", "emotion-grafana"),
    ):
        (container,) = find(built, kind, name)["spec"]["template"]["spec"]["containers"]
        assert services[service]["image"] == container["image"]


def test_every_file_that_is_mounted_is_there(services: Services) -> None:
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).is_file(), source


def test_ports_are_published_on_loopback_only(services: Services) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published and all(port.startswith("127.0.0.1:") for port in published)
    assert not any("8081" in port or "8085" in port for port in published)


def test_a_token_in_the_environment_reaches_server_and_page(services: Services) -> None:
    for name in ("server", "client"):
        assert services[name]["environment"]["EMOTION_TOKEN"] == "${EMOTION_TOKEN:-}"  # noqa: S105
    assert services["server"]["environment"]["EMOTION_OPEN"] == "yes", "its port is on loopback only"


def test_everything_is_hardened(services: Services) -> None:
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_its_prometheus_configuration_is_valid(tmp_path: Path) -> None:
    tool("promtool", "prometheus")
    text = (ROOT / "monitoring" / "compose-prometheus.yml").read_text(encoding="utf-8")
    rules = ROOT / "k8s" / "components" / "monitoring-standalone" / "rules.yaml"
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus/rules.yaml", str(rules)), encoding="utf-8")
    done = promtool("check", "config", tmp_path / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
