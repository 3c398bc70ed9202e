"""The sidecar's judgement, with a clock that tests turn by hand, and its answers over real HTTP."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from sidecar.health import Health
from sidecar.server import Server, from_environment
from sidecar.torchserve import Description, Unreachable, describe, parse

DESCRIBED = json.loads("""{
  "modelName": "emotion", "modelVersion": "2.0.0", "minWorkers": 2, "maxWorkers": 2,
  "workers": [{"id": "9000", "status": "READY"}, {"id": "9001", "status": "UNLOADING"}],
  "jobQueueStatus": {"remainingCapacity": 47, "pendingRequests": 3}
}""")


class World:
    """A TorchServe and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ready, self.queue, self.reachable = 2, 0, True
        self.health = Health(self.look, 60.0, lambda: self.now)

    def look(self) -> Description:
        if not self.reachable:
            raise Unreachable("connection refused")
        return Description("2.0.0", self.ready, 2, self.queue, 50)


@pytest.fixture
def world() -> World:
    return World()


def test_torchserves_description_is_read() -> None:
    assert parse(DESCRIBED) == Description("2.0.0", ready_workers=1, wanted_workers=2, queue_depth=3, queue_size=50)


def test_ready_only_while_all_wanted_workers_can_answer(world: World) -> None:
    assert world.health.ready().good
    world.ready = 1
    assert world.health.ready().why == "1 of 2 workers ready"
    assert not world.health.ready().good
    world.reachable = False
    assert not world.health.ready().good


def test_a_worker_that_is_being_replaced_kills_nothing_and_one_that_never_returns_does(world: World) -> None:
    assert world.health.live().good
    world.ready = 0
    world.now = 59
    assert world.health.live().good
    world.now = 61
    assert not world.health.live().good
    assert "the last ready one 61 s ago" in world.health.live().why
    world.ready = 1
    assert world.health.live().good


def test_a_java_that_does_not_answer_is_dead_after_the_same_time(world: World) -> None:
    world.health.live()
    world.reachable = False
    world.now = 59
    assert world.health.live().good
    world.now = 61
    assert not world.health.live().good


def test_a_server_without_a_worker_so_far_is_not_alive_yet(world: World) -> None:
    world.ready = 0
    assert not world.health.live().good
    assert "none was ready yet" in world.health.live().why


@pytest.fixture
def url(world: World) -> Iterator[str]:
    with Server(0, world.health) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_probes_get_a_status_and_a_reason(url: str, world: World) -> None:
    assert requests.get(f"{url}/ready", timeout=5).status_code == 200
    world.ready = 0
    answer = requests.get(f"{url}/ready", timeout=5)
    assert (answer.status_code, answer.json()["why"]) == (503, "0 of 2 workers ready")
    assert requests.get(f"{url}/live", timeout=5).status_code == 200
    assert requests.get(f"{url}/models/emotion", timeout=5).status_code == 404, "management is not passed on"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has one family of addresses")
def test_it_answers_on_both_families_of_addresses(url: str) -> None:
    """The URL has IPv4; in a cluster of IPv6 alone nothing would ever become ready."""
    assert requests.get(url.replace("127.0.0.1", "[::1]") + "/ready", timeout=5).status_code == 200


def test_a_connection_on_which_nothing_is_asked_ends(url: str) -> None:
    """Each holds a thread."""
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=20) as idle:
        assert idle.recv(1) == b""


def test_metrics_say_what_torchserve_says(url: str, world: World) -> None:
    world.queue = 7
    assert scraped(url) == {
        "emotion_torchserve_up": 1,
        "emotion_queue_depth": 7,
        "emotion_queue_size": 50,
        "emotion_workers_ready": 2,
        "emotion_workers_wanted": 2,
        "emotion_model_info": 1,
    }
    world.reachable = False
    assert scraped(url) == {"emotion_torchserve_up": 0}, "no number is better than an old one"


def scraped(url: str) -> dict[str, float]:
    text = requests.get(f"{url}/metrics", timeout=5).text
    return {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def test_nobody_at_the_management_address_is_unreachable() -> None:
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9/models/emotion"):
        describe("http://127.0.0.1:9", "emotion", 0.5)


def test_a_port_that_is_taken_is_named(url: str) -> None:
    port = url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "sidecar.server"]
    done = subprocess.run(command, env=os.environ | {"SIDECAR_PORT": port}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"port {port} cannot be had" in done.stderr and "SIDECAR_PORT" in done.stderr


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(ValueError, match="SIDECAR_DEAD_AFTER is 'soon'; expected a number from 0 to 3600"):
        from_environment({"SIDECAR_DEAD_AFTER": "soon"})
