"""The operator's policy, over HTTP: what it holds back leaves the service in no answer."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import requests

from serving.addresses import ServerFailed
from serving.server import serving
from tests.conftest import GROUP_FACES, photo_bytes
from tests.integration.conftest import free_addresses


def dark(photo: bytes) -> bytes:
    """The photo in a tenth of its light."""
    image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return cv2.imencode(".png", image // 10)[1].tobytes()


def answers(policy: str, photos: list[bytes], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a service with `policy` says of the photos."""
    path = folder / "policy.toml"
    path.write_text(policy, encoding="utf-8")
    monkeypatch.setenv("EMOTION_POLICY", str(path))
    addresses = free_addresses()
    with serving(addresses) as service:
        service.wait_until_ready()
        return [requests.post(addresses.predictions, data=photo, timeout=30).json() for photo in photos]


def test_small_and_doubtful_faces_are_held_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = "smallest_face = 86\nabstain_below = 0.999\nonly_reliable = true\n"
    photos = [photo_bytes("group"), dark(photo_bytes("smiling"))]
    some, one = answers(policy, photos, tmp_path, monkeypatch)
    group, (unlit,) = some["faces"], one["faces"]
    assert 0 < len(group) < GROUP_FACES and len(group) + some["left_out"] == GROUP_FACES
    assert all(face["quality"]["size"] >= 86 for face in group)
    assert {(face["emotion"], face["withheld"]) for face in group} == {(None, "confidence")}
    assert (unlit["emotion"], unlit["withheld"], unlit["reasons"]) == (None, "unreliable", ["too_dark"])


def test_an_answer_is_what_the_policy_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [photo_bytes("smiling"), photo_bytes("group")]
    smiling, group = answers('most_faces = 2\nwithhold = ["happy"]\n', photos, tmp_path, monkeypatch)
    (face,) = smiling["faces"]
    assert (face["emotion"], face["withheld"], face["probabilities"]) == (None, "emotion", {})
    assert len(group["faces"]) == 2
    assert all("happy" not in each["probabilities"] for each in group["faces"])
    assert smiling["policy"]["withhold"] == ["happy"] and smiling["policy"]["most_faces"] == 2


def test_a_service_whose_policy_cannot_be_read_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_POLICY", "nowhere.toml")
    with pytest.raises(ServerFailed, match=r"nowhere\.toml: not a readable TOML file"), serving(free_addresses()):
        pass
