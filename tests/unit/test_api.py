"""The HTTP client against a real local server that answers by the contract, or badly."""

import time
from collections.abc import Iterator

import pytest

from client import api, settings
from client.api import (
    EmotionClient,
    ImageRefused,
    NotAnswered,
    Redirected,
    ServerAway,
    ServerBusy,
    ServerSlow,
    ServiceError,
    TokenRefused,
    UploadTimeout,
)
from client.concurrency import bounded_map
from client.results import EMOTIONS
from emotion.labels import LABELS
from tests.conftest import photo_bytes
from tests.unit.local_service import Service, analysis, face


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "FIRST_PAUSE", 0.01)


def test_the_bytes_arrive_as_they_are(service: Service) -> None:
    answer = EmotionClient(service.url).analyse(photo_bytes("serious"))
    assert service.received == photo_bytes("serious")
    assert answer.analysis.faces[0].emotion == "happy"


def test_the_round_trip_is_split_into_upload_waiting_and_stages(service: Service) -> None:
    service.delay = 0.05
    answer = EmotionClient(service.url).analyse(photo_bytes("serious"))
    assert 0 < answer.upload < answer.round_trip
    stages = sum(answer.analysis.timings_ms.values()) / 1000
    assert answer.upload + answer.waiting + stages == pytest.approx(answer.round_trip)
    assert answer.waiting >= 0.05 - stages


def test_every_request_carries_an_id_of_its_own(service: Service) -> None:
    client = EmotionClient(service.url)
    ids = []
    for _ in range(2):
        answer = client.analyse(b"x")
        assert service.headers["X-Request-Id"] == answer.request_id
        ids.append(answer.request_id)
    assert ids[0] != ids[1]


def test_a_token_is_sent_where_there_is_one(service: Service) -> None:
    EmotionClient(service.url).analyse(b"x")
    assert service.headers["Authorization"] is None
    EmotionClient(service.url, token="t0ken").analyse(b"x")  # noqa: S106 - no real one
    assert service.headers["Authorization"] == "Bearer t0ken"


def test_fields_of_a_newer_server_are_no_error(service: Service) -> None:
    service.answer(200, analysis(face() | {"age": 40}) | {"mood": "good"})
    assert EmotionClient(service.url).analyse(b"x").analysis.model.name == "emotion"


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (400, {"error": {"code": "truncated_image", "message": "ends early"}}, ImageRefused, "ends early"),
        (413, {"error": {"code": "image_too_large", "message": "over 16 MiB"}}, ImageRefused, "over 16 MiB"),
        (502, {"error": {"code": "not_answered", "message": "was lost"}}, NotAnswered, "was lost"),
        (408, {"error": {"code": "upload_timeout", "message": "not in time"}}, UploadTimeout, "not in time"),
        (502, b"<html>", ServerBusy, "restarting"),
        (413, b"", ImageRefused, "larger than the service accepts"),
        (401, {"code": 401}, TokenRefused, "refused the token"),
        (403, b"", TokenRefused, "refused the token"),
        (429, b"", ServerBusy, "overloaded"),
        (503, {"code": 503, "type": "ServiceUnavailableException", "message": "…"}, ServerBusy, "overloaded"),
        (503, {"error": {"code": "busy", "message": "full"}}, ServerBusy, "overloaded"),
        (404, {"error": {"code": "not_found", "message": "no such page"}}, ServiceError, "status 404"),
        (404, {"code": 404}, ServiceError, "status 404"),
        (200, {"faces": 3}, ServiceError, "contract"),
        (200, analysis(face() | {"emotion": "<b>bored</b>"}), ServiceError, "contract"),
        (200, b"", UploadTimeout, "not have arrived in time"),
        (200, b"<html>", ServiceError, "contract"),
    ],
)
def test_every_bad_answer_has_its_error(
    service: Service, status: int, body: object, error: type[ServiceError], message: str
) -> None:
    service.answer(status, body)
    with pytest.raises(error, match=message):
        EmotionClient(service.url).analyse(b"x")


def test_a_busy_service_is_asked_again_and_a_bad_photo_is_not(service: Service) -> None:
    service.busy = 2
    assert EmotionClient(service.url, retries=2).analyse(b"x").analysis.faces
    assert service.requests == 3
    service.busy = 2
    with pytest.raises(ServerBusy):
        EmotionClient(service.url, retries=1).analyse(b"x")
    service.requests, service.busy = 0, 0
    service.answer(400, {"error": {"code": "invalid_image", "message": "no"}})
    with pytest.raises(ImageRefused):
        EmotionClient(service.url, retries=5).analyse(b"x")
    assert service.requests == 1


def test_a_photo_that_was_lost_is_sent_once_more_and_no_oftener(service: Service) -> None:
    service.answer(502, {"error": {"code": "not_answered", "message": "lost"}})
    with pytest.raises(NotAnswered):
        EmotionClient(service.url, retries=5).analyse(b"x")
    assert service.requests == 2


def test_a_photo_that_ends_a_whole_pod_is_not_sent_to_all_others(service: Service) -> None:
    """The connection ends, and nobody is there to say that this photo was lost."""
    service.ends = True
    with pytest.raises(NotAnswered, match="before its answer"):
        EmotionClient(service.url, retries=5).analyse(b"x")
    assert service.requests == 2


def test_a_slow_service_is_given_up_on_and_not_asked_again(service: Service) -> None:
    service.delay = 0.5
    with pytest.raises(ServerSlow, match=r"within 0\.1 seconds"):
        EmotionClient(service.url, timeout=0.1, retries=3).analyse(b"x")
    assert service.requests == 1


def test_no_service_is_said_to_be_away() -> None:
    with pytest.raises(ServerAway, match=r"no connection to the service at http://127\.0\.0\.1:9"):
        EmotionClient("http://127.0.0.1:9", timeout=1).analyse(b"x")


def test_pauses_double_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "FIRST_PAUSE", 1.0)
    pauses = list(api._pauses(6))
    for pause, middle in zip(pauses, (1, 2, 4, 8, 8, 8), strict=True):
        assert middle * 0.5 <= pause <= middle * 1.5


def test_health_is_asked_for_and_said(service: Service) -> None:
    assert EmotionClient(service.url).health() > 0
    service.healthy = False
    with pytest.raises(ServerBusy):
        EmotionClient(service.url).health()


def test_the_emotions_are_those_of_the_contract() -> None:
    assert set(EMOTIONS) == set(LABELS)


def test_work_is_bounded_and_items_are_taken_only_when_there_is_room() -> None:
    taken: list[int] = []
    finished: list[int] = []

    def items() -> Iterator[int]:
        for item in range(20):
            taken.append(item)
            assert len(taken) - len(finished) <= 3
            yield item

    for item, doubled in bounded_map(lambda item: item * 2, items(), 3):
        finished.append(item)
        assert doubled == item * 2
    assert sorted(finished) == list(range(20))


def test_an_error_in_the_work_comes_out() -> None:
    with pytest.raises(ZeroDivisionError):
        list(bounded_map(lambda item: 1 // item, [1, 0], 2))


def test_an_error_loses_no_finished_result() -> None:
    seen: list[int] = []

    def work(item: int) -> float:
        time.sleep(0.2 * item)
        return 1 / item

    with pytest.raises(ZeroDivisionError):
        for item, _ in bounded_map(work, [1, 0, 2], 3):
            seen.append(item)
    assert sorted(seen) == [1, 2]


@pytest.mark.parametrize(
    ("variable", "value", "bounds"),
    [
        ("EMOTION_SERVER", "localhost:8080", "begins with http"),
        ("EMOTION_TIMEOUT", "soon", r"a number from 0\.1 to 300"),
        ("EMOTION_TIMEOUT", "0", r"from 0\.1 to 300"),
        ("EMOTION_RETRIES", "1.5", "a whole number from 0 to 10"),
        ("EMOTION_CONCURRENCY", "0", "from 1 to 64"),
        ("EMOTION_METRICS_PORT", "70000", "from 0 to 65535"),
    ],
)
def test_a_wrong_setting_is_named_with_its_bounds(variable: str, value: str, bounds: str) -> None:
    with pytest.raises(ValueError, match=f"{variable} is '{value}'.*{bounds}"):
        settings.from_environment({variable: value})


def test_a_wrong_token_is_not_quoted() -> None:
    with pytest.raises(ValueError, match="EMOTION_TOKEN") as caught:
        settings.from_environment({"EMOTION_TOKEN": "geheim\n"})
    assert "geheim" not in str(caught.value)


def test_settings_come_from_the_environment() -> None:
    chosen = settings.from_environment({"EMOTION_SERVER": "https://example.org/", "EMOTION_CONCURRENCY": "7"})
    assert (chosen.server, chosen.concurrency, chosen.timeout) == ("https://example.org", 7, 10.0)


def test_a_redirect_is_not_followed(service: Service) -> None:
    """`requests` would follow it, with the photo turned into a GET."""
    service.status, service.location = 302, "http://127.0.0.1:9/elsewhere"
    with EmotionClient(service.url) as client, pytest.raises(Redirected, match="redirect"):
        client.analyse(b"x")
    assert service.requests == 1


def test_a_connection_that_nobody_takes_ends_soon() -> None:
    """The address is of those that lead nowhere (RFC 5737)."""
    with EmotionClient("http://192.0.2.1", timeout=60, connect_timeout=0.05) as client, pytest.raises(ServerAway):
        client.analyse(b"x")


def test_the_service_hears_how_long_the_client_waits(service: Service) -> None:
    EmotionClient(service.url, timeout=7.5).analyse(b"x")
    assert service.headers["X-Request-Timeout"] == "7.500"
