"""Who is told of which alert, by Alertmanager's own amtool; and that Prometheus can reach it."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from monitoring import rules
from tests.conftest import tool
from tests.k8s.manifests import K8S, Manifest, find

STANDALONE = K8S / "components" / "monitoring-standalone"
CONFIG = STANDALONE / "alertmanager.yml"


def amtool(*arguments: str | Path) -> str:
    done = subprocess.run(
        [tool("amtool", "prometheus-alertmanager"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def filled_in() -> str:
    """The configuration with the receivers that its comments show."""
    return re.sub(r"^  # (  .*)$", r"  \1", CONFIG.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_it_is_valid_as_it_is() -> None:
    amtool("check-config", CONFIG)


def test_it_is_valid_with_its_receivers_filled_in(tmp_path: Path) -> None:
    receivers = yaml.safe_load(filled_in())["receivers"]
    assert [list(each)[1:] for each in receivers] == [["slack_configs"], ["webhook_configs"]]
    # Alertmanager knows a webhook's `url_file` from 0.26 on, Debian's amtool is older.
    text = filled_in().replace("url_file: /etc/alertmanager/secrets/watchdog", "url: https://watchdog.example.com")
    (tmp_path / "alertmanager.yml").write_text(text, encoding="utf-8")
    amtool("check-config", tmp_path / "alertmanager.yml")


ALERTS = {
    rule["alert"]: rule["labels"]["severity"]
    for group in rules.groups()["groups"]
    for rule in group["rules"]
    if "alert" in rule
}


@pytest.mark.parametrize("alert", ALERTS)
def test_people_are_told_of_all_but_the_watchdog(alert: str) -> None:
    labels = [f"alertname={alert}", f"severity={ALERTS[alert]}", f"namespace={rules.NAMESPACE}"]
    told = amtool("config", "routes", "test", f"--config.file={CONFIG}", *labels)
    assert told == ("watchdog" if alert == "EmotionWatchdog" else "people")


def test_what_silences_and_what_is_silenced_exists() -> None:
    (rule,) = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["inhibit_rules"]
    (source,) = rule["source_matchers"]
    assert source.removeprefix("alertname = ") in ALERTS
    (target,) = rule["target_matchers"]
    for pattern in target.removeprefix("alertname =~ ").strip('"').split("|"):
        assert any(re.fullmatch(pattern, alert) for alert in ALERTS), pattern


def test_prometheus_tells_it_and_may(builds: dict[str, list[Manifest]]) -> None:
    service = find(builds["dev"], "Service", "emotion-alertmanager")
    (port,) = service["spec"]["ports"]
    prometheus = yaml.safe_load((STANDALONE / "prometheus.yml").read_text(encoding="utf-8"))
    (manager,) = prometheus["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": [f"{service['metadata']['name']}:{port['port']}"]}]
    policy = find(builds["dev"], "NetworkPolicy", "emotion-alertmanager")["spec"]
    me, it = ({"app.kubernetes.io/name": f"emotion-{name}"} for name in ("prometheus", "alertmanager"))
    wanted = [{"port": port["port"], "protocol": "TCP"}]
    assert policy["podSelector"]["matchLabels"] == it
    assert policy["ingress"] == [{"from": [{"podSelector": {"matchLabels": me}}], "ports": wanted}]
    egress = find(builds["dev"], "NetworkPolicy", "emotion-prometheus")["spec"]["egress"]
    assert {"to": [{"podSelector": {"matchLabels": it}}], "ports": wanted} in egress
