"""The pages beside the one where photos are analysed."""

import json
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from client.report import load_compression, load_peer_stress, load_photograph_stress, load_report, load_stress
from client.results import EMOTIONS
from client.settings import Settings
from tests.conftest import encoded, photo_bytes, photo_path
from tests.unit.local_service import Service
from tests.unit.pages import APP, switch, texts, upload_one


def test_performance_shows_the_committed_reports(page: AppTest) -> None:
    report, compression = load_report(Settings().reports), load_compression(Settings().reports)
    assert report is not None and compression is not None, "the reports of the served model are committed"
    switch(page, "performance")
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["Accuracy"] == f"{report.accuracy:.1%}"
    assert set(shown) == {"Accuracy", "Precision", "Recall", "F1"}
    assert len(page.get("vega_lite_chart")) == 6
    classes, conditions, photographs, networks = (table.value for table in page.dataframe)
    assert set(classes["emotion"]) == set(EMOTIONS)
    stress, peer = load_stress(Settings().reports), load_peer_stress(Settings().reports)
    assert stress is not None and peer is not None
    assert list(conditions["condition"]) == [each.name for each in stress.conditions]
    assert list(conditions["fer"]) == [f"{row[2]:.1%}" for row in peer.conditions.values()]
    assert f"{stress.middle.accuracy:.1%} of them on average" in texts(page)
    limits = stress.limits
    assert f"In {limits.failing} of {limits.cells} combinations" in texts(page)
    assert limits.unnoticed in texts(page)
    assert f"In {limits.failing - len(limits.missed)} of these at least nine of ten" in texts(page)
    whole = load_photograph_stress(Settings().reports)
    assert whole is not None
    assert list(photographs["found"]) == [
        f"{each.found:.1%}" for each in (whole.clean, *(row.middle for row in whole.conditions))
    ]
    assert f"{compression.shipped} (served)" in set(networks["network"])


def test_a_peer_that_was_measured_on_other_faces_is_not_shown(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for path in Settings().reports.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    other = json.loads((tmp_path / "stress-fer.json").read_text(encoding="utf-8"))
    other["data"]["count"] += 1
    (tmp_path / "stress-fer.json").write_text(json.dumps(other), encoding="utf-8")
    monkeypatch.setenv("EMOTION_SERVER", service.url)
    monkeypatch.setenv("EMOTION_REPORTS", str(tmp_path))
    page = switch(AppTest.from_file(str(APP), default_timeout=30).run(), "performance")
    assert "fer" not in page.dataframe[1].value


def test_missing_reports_leave_the_page_working(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EMOTION_SERVER", service.url)
    monkeypatch.setenv("EMOTION_REPORTS", str(tmp_path))
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    switch(page, "performance")
    assert "make evaluate" in page.info[0].value
    (tmp_path / "report.json").write_text("{}", encoding="utf-8")
    assert "make evaluate" in switch(page, "performance").info[0].value


def test_the_service_page_shows_health_and_this_sessions_times(page: AppTest, service: Service) -> None:
    switch(page, "service")
    assert "healthy" in page.success[0].value
    assert "No photo was analysed" in page.info[0].value
    switch(page, "analyse")
    service.delay = 0.05  # its stages claim 19 ms
    upload_one(page, photo_bytes("smiling"))
    switch(page, "service")
    assert {metric.label for metric in page.metric} == {"Model", "Median round trip", "Slowest"}
    row = page.dataframe[0].value.iloc[0]
    parts = ["upload", "queue and network", "decode", "find faces", "align", "read emotions"]
    assert sum(row[part] for part in parts) == pytest.approx(row["round trip, ms"], abs=1)
    assert row["request id"] == service.headers["X-Request-Id"]
    service.healthy = False
    page.button[0].click().run()
    assert "Not healthy" in page.error[0].value


def test_the_api_page_has_the_request_just_made_and_its_answer(page: AppTest, service: Service) -> None:
    switch(page, "api")
    assert "curl -T photo.jpg" in page.code[0].value
    switch(page, "analyse")
    page.selectbox(key="detail").set_value("thorough").run()
    upload_one(page, photo_bytes("smiling"), "me & you.jpg")
    switch(page, "api")
    curl, python, javascript, answer = (each.value for each in page.code)
    assert curl == f"curl -T 'me & you.jpg' '{service.url}/predictions/emotion?detail=standard'"
    assert "'me & you.jpg'" in python and '"me & you.jpg"' in javascript
    assert json.loads(answer) == json.loads(service.body)
    assert "for 1 face in one photo" in texts(page) and "copy of this file" not in texts(page)
    assert page.get("download_button")[0].proto.label == "OpenAPI document"


def test_the_api_page_says_where_the_page_sent_a_copy_of_the_file(page: AppTest, service: Service) -> None:
    large = encoded(Image.open(photo_path("smiling")).resize((3000, 3000)), "JPEG")
    upload_one(page, large, "large.jpg")
    switch(page, "api")
    assert "curl -T large.jpg" in page.code[0].value
    assert "smaller or converted copy" in texts(page)


def test_privacy_has_the_full_text(page: AppTest) -> None:
    switch(page, "privacy")
    for word in ("forgets them", "not a feeling", "Article 5", "Article 50", "hiring", "no telemetry"):
        assert word in texts(page)


def test_a_wrong_setting_is_shown_instead_of_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_SERVER", "nowhere")
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    assert not page.exception
    assert "EMOTION_SERVER is 'nowhere'" in page.error[0].value
