"""The HTTP contract, against the real service."""

import base64
import contextlib
import io
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import psutil
import pytest
import requests
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from client.api import EmotionClient
from emotion.contract import DETAILS, STAGES, Analysis, Detail, Face
from emotion.labels import LABELS
from serving.addresses import Addresses
from sidecar.torchserve import describe
from tests.conftest import GROUP_FACES, MODEL, encoded, photo_bytes, png_header
from tests.integration.watching import at_rest, eventually
from training.artifact import load_classifier

TIMEOUT = 30

Sample = tuple[str, tuple[tuple[str, str], ...]]
"""Name and labels."""

BAD_IMAGES = {
    "empty": (b"", 400, "empty_body"),
    "text": (b"hello, is anybody there?", 415, "unsupported_format"),
    "truncated": (photo_bytes("serious")[:20_000], 400, "truncated_image"),
    "1x1": (encoded(Image.new("L", (1, 1))), 400, "invalid_image"),
    "huge": (png_header(20_000, 20_000), 413, "image_too_large"),
    "gif": (
        encoded(Image.new("L", (40, 40)), "GIF", save_all=True, append_images=[Image.new("L", (40, 40), 9)]),
        415,
        "unsupported_format",
    ),
    "zip": (b"PK\x03\x04" + bytes(500), 415, "unsupported_format"),
}


def post(
    http: requests.Session, server: Addresses, data: bytes, kind: str = "application/octet-stream"
) -> requests.Response:
    return http.post(server.predictions, data=data, headers={"Content-Type": kind}, timeout=TIMEOUT)


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "image/jpeg"])
def test_a_raw_body_gets_the_contracts_answer(server: Addresses, http: requests.Session, kind: str) -> None:
    response = post(http, server, photo_bytes("smiling"), kind)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert set(answer) == set(Analysis.model_fields)
    assert (answer["detail"], answer["turned"], answer["left_out"]) == ("standard", 0, 0)
    served = load_classifier(MODEL)
    assert answer["model"] == {"name": "emotion", "version": served.version, "runtime": "onnxruntime int8"}
    assert answer["image"] == {"width": 512, "height": 512}
    assert set(answer["timings_ms"]) == set(STAGES)
    (face,) = answer["faces"]
    assert set(face) == set(Face.model_fields)
    assert set(face["box"]) == {"x", "y", "width", "height"}
    assert set(face["landmarks"]) == {"left_eye", "right_eye", "nose"}
    assert set(face["probabilities"]) == set(LABELS)
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert face["emotion"] == "happy"
    assert face["confidence"] == face["probabilities"]["happy"]


def test_a_body_without_content_type_is_read(server: Addresses) -> None:
    """`curl -T photo.jpg` sends none."""
    response = requests.put(server.predictions, data=photo_bytes("smiling"), timeout=TIMEOUT)
    assert len(response.json()["faces"]) == 1


def test_multipart_is_read(server: Addresses, http: requests.Session) -> None:
    response = http.post(server.predictions, files={"data": ("me.jpg", photo_bytes("group"))}, timeout=TIMEOUT)
    assert response.status_code == 200
    assert len(response.json()["faces"]) == GROUP_FACES


def test_json_is_read(server: Addresses, http: requests.Session) -> None:
    image = base64.b64encode(photo_bytes("serious")).decode()
    response = http.post(server.predictions, json={"image": image}, timeout=TIMEOUT)
    assert response.status_code == 200
    assert len(response.json()["faces"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"photo": "x"}',
        b'{"image": 3}',
        b'{"image": "not base64!"}',
        b'{"image": null}',
        b'"x"',
        b'{"a":' * 100_000,
        b'{"x":[' + 3000 * (150 * b"[" + 150 * b"]" + b",") + b"0]}",
    ],
    ids=["cut off", "list", "other key", "number", "not base64", "null", "text", "endlessly nested", "many lists"],
)
def test_json_that_holds_no_image_is_refused(server: Addresses, http: requests.Session, body: bytes) -> None:
    response = post(http, server, body, "application/json")
    assert response.status_code in {400, 415}
    assert response.json()["error"]["code"] in {"invalid_image", "unsupported_format"}


@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.parametrize("form", ["raw", "multipart", "json"])
def test_how_closely_to_look_is_asked_for_in_the_address(
    server: Addresses, http: requests.Session, form: str, detail: Detail
) -> None:
    photo = photo_bytes("group")
    bodies: dict[str, dict[str, Any]] = {
        "raw": {"data": photo, "headers": {"Content-Type": "application/octet-stream"}},
        "multipart": {"files": {"data": ("us.jpg", photo)}},
        "json": {"json": {"image": base64.b64encode(photo).decode()}},
    }
    response = http.post(server.predictions, params={"detail": detail}, timeout=TIMEOUT, **bodies[form])
    assert response.status_code == 200
    assert response.json()["detail"] == detail
    assert len(response.json()["faces"]) == GROUP_FACES


def test_the_client_asks_for_it_too(server: Addresses) -> None:
    client = EmotionClient(server.url, TIMEOUT)
    assert client.analyse(photo_bytes("smiling"), "thorough").analysis.detail == "thorough"


@pytest.mark.parametrize("detail", ["", "closely", "FAST", "fast,thorough", "\u00e9"])
def test_another_detail_is_refused_with_the_allowed_ones(
    server: Addresses, http: requests.Session, detail: str
) -> None:
    response = http.post(
        server.predictions,
        params={"detail": detail},
        data=photo_bytes("smiling"),
        headers={"Content-Type": "application/octet-stream"},
        timeout=TIMEOUT,
    )
    assert response.status_code == 400
    message = "detail must be one of fast, standard, thorough"
    assert response.json() == {"error": {"code": "invalid_parameter", "message": message}}


def test_a_photo_on_its_side_is_read_and_webp_too(server: Addresses, http: requests.Session) -> None:
    portrait = Image.open(io.BytesIO(photo_bytes("smiling"))).convert("RGB")
    sideways = encoded(portrait.transpose(Image.Transpose.ROTATE_90), "WEBP", quality=90)
    answer = Analysis.model_validate_json(post(http, server, sideways, "image/webp").content)
    assert answer.turned == 90
    assert [face.emotion for face in answer.faces] == ["happy"]


def test_multipart_without_the_field_says_which(server: Addresses, http: requests.Session) -> None:
    response = http.post(server.predictions, files={"photo": b"x"}, timeout=TIMEOUT)
    assert response.status_code == 400
    assert "'data'" in response.json()["error"]["message"]


@pytest.mark.parametrize("name", ["X-Request-Id", "X-Request-Start"])
def test_a_forms_part_named_like_a_header_is_only_a_part(server: Addresses, http: requests.Session, name: str) -> None:
    parts = {name: ("1", b"1"), "data": ("me.jpg", photo_bytes("smiling"))}
    response = http.post(server.predictions, files=parts, timeout=TIMEOUT)
    assert response.status_code == 200
    assert len(response.json()["faces"]) == 1


def test_a_form_of_very_many_parts_is_refused(server: Addresses, http: requests.Session) -> None:
    """TorchServe would read them all, and answer nobody meanwhile."""
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    response = post(http, server, part * 240_000 + b"--b--\r\n", "multipart/form-data; boundary=b")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "unreadable_form")


def test_a_landscape_is_no_error(server: Addresses, http: requests.Session) -> None:
    response = post(http, server, photo_bytes("landscape"))
    assert response.status_code == 200
    assert response.json()["faces"] == []


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_input_gets_its_error(server: Addresses, http: requests.Session, name: str) -> None:
    data, status, code = BAD_IMAGES[name]
    response = post(http, server, data)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"code", "message"}
    assert response.json()["error"]["code"] == code
    assert "Traceback" not in response.text


def test_broken_images_leave_their_batch_answered_and_the_workers_alive(server: Addresses) -> None:
    """Forty requests at once, so that good and broken ones share batches."""
    before = workers(server)
    photos = [(photo_bytes("smiling"), 200, None), *BAD_IMAGES.values()] * 5
    with ThreadPoolExecutor(len(photos)) as pool:
        responses = list(
            pool.map(
                lambda photo: requests.post(
                    server.predictions,
                    data=photo[0],
                    headers={"Content-Type": "application/octet-stream"},
                    timeout=TIMEOUT,
                ),
                photos,
            )
        )
    for response, (_, status, code) in zip(responses, photos, strict=True):
        assert response.status_code == status
        answer = response.json()
        assert answer["error"]["code"] == code if code else answer["faces"][0]["emotion"] == "happy"
    assert workers(server) == before


def workers(server: Addresses) -> dict[str, int]:
    """Process ids of the workers, all of which must be ready."""
    url = f"http://127.0.0.1:{server.management}/models/emotion"
    (model,) = requests.get(url, timeout=TIMEOUT).json()
    assert all(worker["status"] == "READY" for worker in model["workers"])
    return {worker["id"]: worker["pid"] for worker in model["workers"]}


def test_a_photo_from_a_phone_is_answered_upright(server: Addresses) -> None:
    """Twelve megapixels, stored on its side."""
    phone = Image.open(io.BytesIO(photo_bytes("group"))).resize((4000, 3000))
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = encoded(phone.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=90, exif=exif)
    analysis = EmotionClient(server.url, TIMEOUT).analyse(sideways).analysis
    assert (analysis.image.width, analysis.image.height) == (4000, 3000)
    assert len(analysis.faces) == GROUP_FACES


def test_the_client_reads_the_real_servers_answer(server: Addresses) -> None:
    answer = EmotionClient(server.url, TIMEOUT).analyse(photo_bytes("smiling"))
    assert isinstance(answer.analysis, Analysis)
    assert answer.analysis.faces[0].emotion == "happy"


def test_what_happened_is_in_the_metrics(server: Addresses, http: requests.Session) -> None:
    before = at_rest(lambda: metrics(server))
    answer = post(http, server, photo_bytes("group")).json()
    post(http, server, b"no image at all")
    expected: dict[Sample, float] = {
        ("emotion_images_analysed", ()): 1,
        ("emotion_images_rejected", (("reason", "unsupported_format"),)): 1,
        ("emotion_faces_per_image_sum", ()): GROUP_FACES,
        **{("emotion_stage_seconds_count", (("stage", stage),)): 1 for stage in STAGES},
    }

    def grown() -> dict[Sample, float]:
        return {key: value - before.get(key, 0) for key, value in metrics(server).items()}

    # TorchServe reads metrics from its workers' logs, a moment later.
    eventually(lambda: expected.items() <= grown().items(), 10)
    eventually(lambda: sum(value for (name, _), value in grown().items() if name == "emotion_faces") == GROUP_FACES, 10)
    for stage, milliseconds in answer["timings_ms"].items():
        seconds = grown()["emotion_stage_seconds_sum", (("stage", stage),)]
        assert seconds == pytest.approx(milliseconds / 1000, abs=1e-4), "rounded to a ten-thousandth"


def test_a_face_that_is_not_relied_on_is_counted_by_its_reason(server: Addresses, http: requests.Session) -> None:
    before = at_rest(lambda: metrics(server))
    smiling = Image.open(io.BytesIO(photo_bytes("smiling"))).convert("RGB")
    (face,) = post(http, server, encoded(smiling.point(lambda grey: grey // 10))).json()["faces"]
    assert (face["reliable"], face["reasons"]) == (False, ["too_dark"])
    reason = ("emotion_faces_unreliable", (("reason", "too_dark"),))
    eventually(lambda: metrics(server).get(reason, 0) == before.get(reason, 0) + 1, 10)
    after = at_rest(lambda: metrics(server))
    emotions = [sum(value for (name, _), value in seen.items() if name == "emotion_faces") for seen in (before, after)]
    assert emotions[0] == emotions[1], "not among the emotions"


@pytest.mark.parametrize("header", [None, "t=1.000", "t=9999999999.000", "yesterday", "t=nan"])
def test_every_request_is_timed_from_the_door_on(server: Addresses, header: str | None) -> None:
    """Whatever the client says: the door's clock is the one that counts."""
    count, total = ("emotion_request_seconds_count", ()), ("emotion_request_seconds_sum", ())
    before = at_rest(lambda: metrics(server))
    headers = {"Content-Type": "application/octet-stream", "X-Request-Start": header}
    started = time.time()
    answer = requests.post(server.predictions, data=photo_bytes("smiling"), headers=headers, timeout=TIMEOUT)
    taken = time.time() - started
    assert answer.status_code == 200
    eventually(lambda: metrics(server).get(count, 0) > before.get(count, 0), 10)
    after = metrics(server)
    assert after[count] - before.get(count, 0) == 1
    assert 0 < after[total] - before.get(total, 0) <= taken + 0.002, "the header counts whole milliseconds"


@pytest.mark.parametrize("patience", ["0", "0.000001"])
def test_a_photo_for_which_nobody_waits_any_more_is_not_looked_at(
    server: Addresses, http: requests.Session, patience: str
) -> None:
    before = at_rest(lambda: metrics(server))
    headers = {"X-Request-Timeout": patience}
    answer = http.post(server.predictions, data=photo_bytes("smiling"), headers=headers, timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "expired")
    eventually(lambda: grown(server, before, "emotion_images_rejected") == 1, 10)
    assert grown(server, before, "emotion_images_analysed") == 0


def test_a_photo_whose_sender_has_hung_up_is_not_looked_at(server: Addresses) -> None:
    """While both workers stand still, every fourth client waits and the others hang up.

    A worker believes that one is gone only after it has found one that is not: the first few may be looked at.
    """
    photo = photo_bytes("smiling")
    before = at_rest(lambda: metrics(server))
    management = f"http://127.0.0.1:{server.management}"
    (described,) = requests.get(f"{management}/models/emotion", timeout=TIMEOUT).json()
    workers = [psutil.Process(worker["pid"]) for worker in described["workers"]]
    with contextlib.ExitStack() as open_:
        for worker in workers:
            worker.suspend()
            open_.callback(worker.resume)
        clients = [HTTPConnection("127.0.0.1", server.door, timeout=TIMEOUT) for _ in range(40)]
        for client in clients:
            open_.callback(client.close)
            client.request("POST", "/predictions/emotion", photo)
        # Each worker has a batch of four at most.
        eventually(lambda: describe(management, "emotion", TIMEOUT).queue_depth >= 40 - 2 * 4, 20)
        for client in clients:
            if client not in clients[::4]:
                client.close()
        for worker in workers:
            worker.resume()
        assert [client.getresponse().status for client in clients[::4]] == [200] * 10
    eventually(lambda: grown(server, before, "emotion_images_rejected") >= 16, 20)
    assert grown(server, before, "emotion_images_analysed") <= 24, "ten that wait, and those before the first of them"


@pytest.mark.parametrize("patience", ["20", "", "-1", "0x0", "soon", "1e-9"])
def test_a_patience_that_is_none_is_the_usual_one(server: Addresses, http: requests.Session, patience: str) -> None:
    headers = {"X-Request-Timeout": patience}
    answer = http.post(server.predictions, data=photo_bytes("smiling"), headers=headers, timeout=TIMEOUT)
    assert answer.status_code == 200


def test_labelled_counters_begin_at_zero(server: Addresses, http: requests.Session) -> None:
    """A series that appears at one has no rate; every emotion and every reason is there from the first photo on."""
    post(http, server, photo_bytes("smiling"))
    eventually(lambda: [name for name, _ in metrics(server)].count("emotion_faces") == len(LABELS), 10)
    reasons = {dict(labels)["reason"] for name, labels in metrics(server) if name == "emotion_images_rejected"}
    assert {"empty_body", "invalid_image", "truncated_image", "image_too_large", "unsupported_format"} <= reasons


def grown(server: Addresses, before: dict[Sample, float], name: str) -> float:
    """By how much all samples of that name have grown since `before`."""
    return sum(value - before.get(sample, 0) for sample, value in metrics(server).items() if sample[0] == name)


def metrics(server: Addresses) -> dict[Sample, float]:
    """Value of each of the handler's own samples, by name and labels."""
    text = requests.get(f"http://127.0.0.1:{server.metrics}/metrics", timeout=TIMEOUT).text
    samples = {}
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("emotion_"):
            continue  # TorchServe's own, which grow with each look at its health
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "Hostname"}
            name = sample.name.removesuffix("_total")
            samples[name, tuple(sorted(labels.items()))] = sample.value
    return samples
