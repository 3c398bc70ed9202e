"""A stop loses nothing that the door has taken, and a part that dies does not go unnoticed."""

import contextlib
import io
import re
import signal
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from PIL import Image

from serving.addresses import Addresses
from serving.server import serving
from sidecar.torchserve import describe
from tests.conftest import encoded, photo_bytes
from tests.integration.commands import running
from tests.integration.conftest import free_addresses
from tests.integration.senders import Account, senders
from tests.integration.watching import at_rest, eventually, status


def assert_nothing_lost(account: Account) -> None:
    """Every request has its answer, or was told before it was sent that nobody listens any more."""
    assert not account.losses, account
    assert set(account.ended) <= {"200", "refused"}, account
    assert account.closed, "connections must end with an answer, not between two requests"


@pytest.mark.parametrize("clients", [1, 4, 20])
def test_clients_that_never_stop_sending_lose_nothing(clients: int, tmp_path: Path) -> None:
    addresses, photo = free_addresses(), photo_bytes("smiling")
    # Four have the usual second. It is enough unless the machine stands still for that long, so the others have more.
    leaving = {} if clients == 4 else {"DOOR_LEAVING": "5s"}
    with running(tmp_path, addresses, **leaving) as service, senders(addresses, photo, clients) as account:
        eventually(lambda: account.ended["200"] >= 2 * clients, 60)
        assert service.stop() == 0
    assert_nothing_lost(account)
    assert account.ended["refused"] == clients


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6 here")
def test_clients_that_come_by_ipv6_lose_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_OPEN", "yes")
    monkeypatch.setenv("DOOR_LEAVING", "5s")
    addresses = free_addresses()
    with contextlib.ExitStack() as stack:
        # As in a container.
        service = stack.enter_context(serving(addresses, host="0.0.0.0"))  # noqa: S104
        service.wait_until_ready()
        with senders(addresses, photo_bytes("smiling"), 4, host="::1") as account:
            eventually(lambda: account.ended["200"] >= 8, 60)
            stack.close()
    assert_nothing_lost(account)
    assert account.ended["refused"] == 4


def test_fifty_large_photos_that_wait_are_answered(tmp_path: Path) -> None:
    addresses = free_addresses()
    with running(tmp_path, addresses) as service, senders(addresses, large(), 50) as account:
        eventually(lambda: waiting(addresses) >= 30, 60, every=0.05)
        assert service.stop() == 0
    assert_nothing_lost(account)
    assert account.ended["200"] >= 50


def test_a_java_that_stands_still_for_three_seconds_loses_nothing(tmp_path: Path) -> None:
    addresses = free_addresses()
    with running(tmp_path, addresses) as service, senders(addresses, photo_bytes("smiling"), 20) as account:
        eventually(lambda: account.ended["200"] >= 20, 60)
        java = service.child("java")
        service.process.terminate()
        java.suspend()
        resumed = time.monotonic() + 3
        eventually(lambda: time.monotonic() >= resumed, 5)
        java.resume()
        assert service.process.wait(120) == 0
    assert_nothing_lost(account)


def test_the_door_says_no_before_it_closes(tmp_path: Path) -> None:
    """Proxies need time to hear it; meanwhile photos are answered as ever."""
    addresses = free_addresses()
    with running(tmp_path, addresses, DOOR_LEAVING="10s") as service:
        assert status(f"{addresses.url}/ping") == 200
        service.process.terminate()
        eventually(lambda: status(f"{addresses.url}/ping", 3) == 503, 8, every=0.05)
        answer = requests.post(addresses.predictions, data=photo_bytes("smiling"), timeout=30)
        assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
        assert service.process.wait(60) == 0
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_answer_under_way_when_the_door_begins_to_leave_ends_its_connection_too(tmp_path: Path) -> None:
    """Or its client would go on sending on a connection that is about to be cut."""
    addresses = free_addresses()
    with running(tmp_path, addresses, DOOR_LEAVING="8s") as service, ThreadPoolExecutor(1) as pool:
        java = service.child("java")
        java.suspend()
        answer = pool.submit(requests.post, addresses.predictions, data=photo_bytes("smiling"), timeout=60)
        eventually(lambda: in_flight(addresses) == 1, 20, every=0.05)
        service.process.terminate()
        eventually(lambda: leaves(addresses), 30, every=0.05)
        java.resume()
        assert (answer.result().status_code, answer.result().headers["Connection"]) == (200, "close")
        assert service.process.wait(60) == 0


@pytest.mark.parametrize("part", ["java", "caddy"])
def test_the_death_of_a_part_ends_the_service_with_an_error(part: str, tmp_path: Path) -> None:
    """At once: whoever starts it again must not wait."""
    addresses = free_addresses()
    with running(tmp_path, addresses, DOOR_LEAVING="60s") as service:
        service.child(part).send_signal(signal.SIGKILL)
        assert service.process.wait(20) == 1
        name = {"java": "TorchServe", "caddy": "the door"}[part]
        assert f"error: {name} ended with status -9 by itself" in service.output()
    assert status(f"{addresses.url}/ping") == 0


def test_a_photo_in_flight_when_java_dies_is_told_so(tmp_path: Path) -> None:
    addresses = free_addresses()
    with running(tmp_path, addresses) as service, senders(addresses, large(), 4) as account:
        eventually(lambda: account.ended["200"] >= 4, 60)
        service.child("java").kill()
        assert service.process.wait(20) == 1
    # Those that come while the last door closes, a thousand a second here, may find it shut.
    assert account.ended["502"] >= 1, account


def test_a_form_whose_worker_dies_is_not_called_unreadable(tmp_path: Path) -> None:
    """Its client may try again; with a form that could not be read it must not."""
    addresses = free_addresses()
    with running(tmp_path, addresses) as service:
        workers = [each for each in service.child("java").children(recursive=True) if each.name().startswith("python")]
        for worker in workers:
            worker.suspend()
        with ThreadPoolExecutor(16) as pool:
            form = {"data": photo_bytes("smiling")}
            sent = [pool.submit(requests.post, addresses.predictions, files=form, timeout=120) for _ in range(16)]
            eventually(lambda: in_flight(addresses) == 16, 30, every=0.05)
            # Each worker has its batch, of four at most, and the rest wait.
            eventually(lambda: 8 <= at_rest(lambda: waiting(addresses)) < 16, 30)
            for worker in workers:
                worker.kill()
            answers = [each.result() for each in sent]
    told = Counter(answer.status_code for answer in answers)
    assert set(told) == {200, 502}, told
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 502} == {"not_answered"}


def in_flight(addresses: Addresses) -> int:
    """Requests that the door has and has not answered."""
    text = requests.get(f"http://127.0.0.1:{addresses.door_metrics}/metrics", timeout=10).text
    found = re.findall(r'^caddy_http_requests_in_flight\{[^}]*server="door"\} (\d+)$', text, re.MULTILINE)
    return max(map(int, found), default=0)


def leaves(addresses: Addresses) -> bool:
    """Whether the door is about to leave, in which case each answer ends its connection, or takes nobody any more.

    Its 503 alone would not tell: it also says so where TorchServe stands still for long.
    """
    try:
        return requests.get(f"{addresses.url}/ping", timeout=3).headers["Connection"] == "close"
    except requests.Timeout:
        return False
    except requests.ConnectionError:
        return True


def waiting(addresses: Addresses) -> int:
    return describe(f"http://127.0.0.1:{addresses.management}", "emotion", timeout=10).queue_depth


def large() -> bytes:
    """Twelve megapixels."""
    photo = Image.open(io.BytesIO(photo_bytes("smiling"))).convert("RGB").crop((0, 0, 512, 384))
    return encoded(photo.resize((4000, 3000)), "JPEG")
