"""TorchServe, the sidecar and Prometheus together, under real load: what the dashboard, the adapter and the
autoscaler would see."""

import contextlib
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest
import yaml

from bench.autoscaling.autoscaler import Autoscaler, read
from client import metrics
from client.api import EmotionClient, ServiceError
from monitoring import reference, rules
from serving.addresses import Addresses
from serving.server import serving
from tests.conftest import photo_bytes
from tests.integration.conftest import free_addresses, free_ports
from tests.integration.watching import STANDALONE, Prometheus, eventually, prometheus, sidecar, status
from tests.k8s.stories import dashboard_queries

POD = "emotion-server-0"


@dataclass(frozen=True)
class Watched:
    """A server that is being watched."""

    addresses: Addresses
    server: psutil.Process
    sidecar: str
    prometheus: Prometheus

    def load(self, clients: int, seconds: float) -> Counter[str]:
        """Keep so many clients busy; how many photos ended how, as the client's own metrics tell it too."""
        with self.loading(clients) as outcomes:
            time.sleep(seconds)
        return outcomes

    @contextlib.contextmanager
    def loading(self, clients: int) -> Iterator[Counter[str]]:
        """The same meanwhile."""
        outcomes: Counter[str] = Counter()
        stop = threading.Event()
        photo = photo_bytes("smiling")

        def send() -> None:
            client = EmotionClient(self.addresses.url, timeout=30, retries=0)
            while not stop.is_set():
                try:
                    answer = client.analyse(photo)
                    metrics.record(answer)
                    outcomes["ok"] += 1
                except ServiceError as error:
                    metrics.record(error)
                    outcomes[type(error).__name__] += 1

        threads = [threading.Thread(target=send) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield outcomes
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def signals(self) -> dict[str, list[float | None]]:
        """What prometheus-adapter would answer the autoscaler, for each pod."""
        adapter = yaml.safe_load((STANDALONE / "adapter-rules.yaml").read_text(encoding="utf-8"))
        found: dict[str, list[float | None]] = {}
        for rule in adapter["rules"]:
            series = rule["seriesQuery"].split("{")[0]
            query = rule["metricsQuery"].replace("<<.Series>>", series).replace("<<.GroupBy>>", "pod")
            query = query.replace("<<.LabelMatchers>>", f'namespace="emotion",pod=~"{POD}"')
            found[rule["name"]["as"]] = list(self.prometheus.values(query))
        return found

    def replicas(self, now: int) -> int:
        """What the autoscaler of the base would want, from `now` pods that are all like this one."""
        values = {name: each * now for name, each in self.signals().items()}
        return Autoscaler(read(reference.autoscaler())).decide(0.0, now, values)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    addresses, (client_port,) = free_addresses(), free_ports(1)
    metrics.serve(client_port)
    with serving(addresses) as service, sidecar(addresses) as url:
        service.wait_until_ready()
        targets = [
            ("emotion-server-metrics", addresses.metrics, "metrics", POD),
            ("emotion-server-metrics", int(url.rsplit(":", 1)[1]), "sidecar", POD),
            ("emotion-server-metrics", addresses.door_metrics, "door", POD),
            ("emotion-client-metrics", client_port, "metrics", "emotion-client-0"),
        ]
        with prometheus(targets, tmp_path_factory.mktemp("prometheus")) as watching:
            yield Watched(addresses, psutil.Process(service.torchserve.pid), url, watching)


def test_autoscaler_follows_the_load_up_and_down_again(watched: Watched) -> None:
    """Also the order of the rest: without load there is nothing to see."""
    least = reference.autoscaler()["spec"]["minReplicas"]
    eventually(lambda: all(watched.signals().values()), 30)
    assert watched.replicas(least) == least, "idle before any request: zero, not missing"
    asked: list[int] = []

    def watch() -> None:
        while loading.is_alive():
            asked.append(watched.replicas(least))
            loading.join(2)

    outcomes: list[Counter[str]] = []
    loading = threading.Thread(target=lambda: outcomes.append(watched.load(clients=40, seconds=45)))
    loading.start()
    watch()
    assert outcomes[0]["ok"] > 200, outcomes
    assert max(asked) > least, f"forty clients at once, and it asked for {asked}"
    eventually(lambda: watched.replicas(now=max(asked)) < max(asked), 120, every=2)
    eventually(lambda: not any(sum(filter(None, each)) for each in watched.signals().values()), 120, every=2)
    assert watched.replicas(now=least) == least


def test_failures_are_what_clients_saw_at_the_door(watched: Watched) -> None:
    """The availability indicator stands on this: the door counts what TorchServe refuses."""

    def failed() -> float:
        return sum(watched.prometheus.values(f"{counted}, {bad}}}"))

    counted, bad = rules.SEEN_BY["door"]
    before = failed()
    outcomes = watched.load(clients=90, seconds=15)  # 50 places, two workers with up to 4 each
    assert outcomes["ServerBusy"] > 0, outcomes
    assert eventually(lambda: failed() - before == outcomes["ServerBusy"], 30, every=1), outcomes
    for who in rules.SEEN_BY:
        ratio = f'emotion:failed:ratio5m{{seen_by="{who}"}}'
        eventually(lambda ratio=ratio: any(each > 0 for each in watched.prometheus.values(ratio)), 60, every=1)  # type: ignore[misc]


def test_every_query_of_the_dashboard_returns_data(watched: Watched) -> None:
    with watched.loading(clients=4):  # to the end: a minute without photos has no quantiles
        for query in dashboard_queries():
            if any(each in query for each in ("kube_", "container_", "first_week", "psi6h", "shift6h", "z1h", "psi1h")):
                continue  # the cluster's own, what there is after a week, and what compares a second version
            filled = query.replace("$namespace", "emotion").replace("$pod", ".+").replace("$__rate_interval", "1m")
            eventually(lambda filled=filled: has_numbers(watched.prometheus, filled), 90, every=1)  # type: ignore[misc]


def has_numbers(watching: Prometheus, query: str) -> bool:
    return any(not math.isnan(value) for value in watching.values(query))


def test_every_rule_works_and_a_healthy_server_fires_none_of_the_grave_alerts(watched: Watched) -> None:
    eventually(lambda: all(each["health"] == "ok" for each in watched.prometheus.rules()), 90, every=1)
    loaded = watched.prometheus.rules()
    expected = [rule for group in rules.groups()["groups"] for rule in group["rules"]]
    assert sorted(each["name"] for each in loaded) == sorted(each.get("alert", each.get("record")) for each in expected)
    firing = {each["name"] for each in loaded if each.get("state") == "firing"}
    assert not firing & {"EmotionNoReadyWorker", "EmotionNotScraped"}


def test_a_killed_worker_turns_readiness_red_and_back(watched: Watched) -> None:
    assert status(f"{watched.sidecar}/ready") == 200
    workers = [each for each in watched.server.children() if "model_service_worker" in " ".join(each.cmdline())]
    assert len(workers) == 2
    workers[0].kill()
    eventually(lambda: status(f"{watched.sidecar}/ready", 3) == 503, 10, every=0.05)
    assert status(f"{watched.addresses.url}/ping") == 200, "the other one answers, so the pod goes on taking photos"
    assert status(f"{watched.sidecar}/live") == 200, "it comes back by itself"
    eventually(lambda: status(f"{watched.sidecar}/ready", 3) == 200, 60)
    eventually(lambda: watched.prometheus.values("sum(emotion_workers_ready)") == [2.0], 20, every=1)
