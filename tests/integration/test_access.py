"""A service with a token answers whoever knows it, and nobody else."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from client.api import EmotionClient, TokenRefused
from serving.addresses import Addresses
from serving.door import door
from tests.conftest import ROOT, photo_bytes
from tests.integration.conftest import free_addresses
from tests.integration.doors import HTTP, TIMEOUT, assert_error
from tests.integration.watching import eventually, status

TOKEN = "a-token-that-nobody-guesses"  # noqa: S105 - made up


@pytest.fixture(scope="module")
def guarded(server: Addresses) -> Iterator[Addresses]:
    """A second door before the same TorchServe, with a token."""
    other = free_addresses()
    behind = Addresses(other.door, server.management, server.metrics, other.door_metrics, server.inference)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOOR_LEAVING", "0.5s")
        with door(behind, token=TOKEN):
            eventually(lambda: status(f"{behind.url}/ping", 3) == 200, 20, every=0.05)
            yield behind


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer  {TOKEN}",
    ],
)
def test_without_the_token_there_is_no_answer(guarded: Addresses, http: HTTP, header: str | None) -> None:
    headers = {"Authorization": header}
    answer = http.post(guarded.predictions, data=photo_bytes("smiling"), headers=headers, timeout=TIMEOUT)
    assert_error(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_with_the_token_there_is(guarded: Addresses, http: HTTP, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {TOKEN}"}
    answer = http.post(guarded.predictions, data=photo_bytes("smiling"), headers=headers, timeout=TIMEOUT)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["faces"]) == 1


def test_the_client_sends_it(guarded: Addresses) -> None:
    with EmotionClient(guarded.url, TIMEOUT, token=TOKEN) as client:
        assert len(client.analyse(photo_bytes("smiling")).analysis.faces) == 1
    with EmotionClient(guarded.url, TIMEOUT, token="another") as client, pytest.raises(TokenRefused):  # noqa: S106
        client.analyse(photo_bytes("smiling"))


def test_health_and_contract_need_none(guarded: Addresses) -> None:
    assert status(f"{guarded.url}/ping") == 200
    assert status(f"{guarded.url}/openapi.json") == 200


def test_a_container_without_a_token_does_not_start() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EMOTION_")}
    command = [sys.executable, "-m", "serving.container"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "EMOTION_OPEN=yes" in ended.stderr
