"""The samples on the first screen."""

import pytest
from streamlit.testing.v1 import AppTest

from client.photos import prepare
from client.samples import FOLDER, samples
from tests.conftest import photo_bytes
from tests.unit.local_service import Service
from tests.unit.pages import APP, button, read, sample_button, texts, upload_one


def test_an_example_stands_there_without_the_service(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_SERVER", service.url)
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    assert "2 faces, largest first · an example, read beforehand" in texts(page)
    assert [line.rpartition(" ")[0] for line in read(page)] == ["1 · neutral", "2 · happy"]
    assert service.requests == 0


def test_a_sample_needs_no_notice_and_no_photo_of_ones_own(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_SERVER", service.url)
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    sample_button(page, "Grace Hopper").click().run()
    assert not page.exception and not page.file_uploader
    sample = samples()["Grace Hopper"]
    assert service.received == prepare(sample.path.name, sample.path.read_bytes()).data
    assert read(page) == ["1 · happy 90%"] and "an example" not in texts(page)
    assert "Source: United States Navy" in sample_button(page, "Grace Hopper").help
    button(page, "I understand").click().run()
    upload_one(page, photo_bytes("smiling"))
    assert not page.dataframe, "the first photo of one's own takes the sample's place"
    assert list(page.session_state["outcomes"]) == [f"{key} standard" for key in page.session_state["photos"]]


def test_every_sample_has_its_source() -> None:
    assert 6 <= len(samples()) <= 9
    assert {sample.path.name for sample in samples().values()} == {path.name for path in FOLDER.glob("*.jpg")}
    assert all(sample.source for sample in samples().values())
