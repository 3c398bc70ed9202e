"""The operator's policy, over HTTP: what it holds back leaves the service in no answer."""

from pathlib import Path

import pytest
import requests

from serving.addresses import ServerFailed
from serving.server import serving
from tests.conftest import photo_bytes
from tests.integration.conftest import free_addresses


def test_an_answer_is_what_the_policy_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('most_faces = 2\nwithhold = ["happy"]\n', encoding="utf-8")
    monkeypatch.setenv("EMOTION_POLICY", str(path))
    addresses = free_addresses()
    with serving(addresses) as service:
        service.wait_until_ready()
        smiling, group = (
            requests.post(addresses.predictions, data=photo_bytes(name), timeout=30).json()
            for name in ("smiling", "group")
        )
    (face,) = smiling["faces"]
    assert (face["emotion"], face["withheld"], face["probabilities"]) == (None, "emotion", {})
    assert len(group["faces"]) == 2
    assert all("happy" not in each["probabilities"] for each in group["faces"])
    assert smiling["policy"]["withhold"] == ["happy"] and smiling["policy"]["most_faces"] == 2


def test_a_service_whose_policy_cannot_be_read_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_POLICY", "nowhere.toml")
    with pytest.raises(ServerFailed, match=r"nowhere\.toml: not a readable TOML file"), serving(free_addresses()):
        pass
