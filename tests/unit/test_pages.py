"""Every page through Streamlit's AppTest, against a real local HTTP server."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from prometheus_client import REGISTRY
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from client.photos import prepare
from client.report import load_compression, load_peer_stress, load_report, load_stress
from client.results import EMOTIONS
from client.samples import FOLDER, samples
from client.settings import Settings
from tests.conftest import ROOT, encoded, photo_bytes
from tests.unit.local_service import Service, analysis, face

APP = ROOT / "client" / "app.py"


@pytest.fixture
def page(service: Service, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page where photos are analysed, the notice acknowledged."""
    monkeypatch.setenv("EMOTION_SERVER", service.url)
    monkeypatch.setenv("EMOTION_RETRIES", "0")
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    return page.button[0].click().run()


def upload(page: AppTest, *photos: tuple[str, bytes]) -> AppTest:
    page.file_uploader[0].set_value([(name, data, "image/jpeg") for name, data in photos])
    return page.run()


def upload_one(page: AppTest, data: bytes, name: str = "photo.jpg") -> AppTest:
    return upload(page, (name, data))


def switch(page: AppTest, name: str) -> AppTest:
    page.switch_page(f"views/{name}.py").run()
    assert not page.exception
    return page


def given(page: AppTest, key: str) -> dict[str, Any]:
    """What the component in the browser was given."""
    found = [part.proto for part in page.get("bidi_component") if part.proto.id.endswith(f"-{key}")]
    assert len(found) == 1
    data: dict[str, Any] = json.loads(found[0].json)
    return data


def shown(page: AppTest, key: str = "photo") -> dict[str, Any]:
    """The shown photo and its faces."""
    return given(page, f"faces in {key}")


def read(page: AppTest) -> list[str]:
    """The faces of the shown photo, as their cards are titled."""
    return [f"{face['number']} · {face['emotion']} {face['confidence']}" for face in shown(page)["faces"]]


def tiles(page: AppTest) -> list[str]:
    """The gallery, the shown photo in brackets."""
    data = given(page, "gallery")
    names = [(tile["id"] == data["shown"], tile["name"]) for tile in data["tiles"]]
    return [f"[{name}]" if is_shown else name for is_shown, name in names]


def texts(page: AppTest) -> str:
    elements = [*page.markdown, *page.caption, *page.error, *page.info, *page.title, *page.header, *page.success]
    return "\n".join([*(element.value for element in elements), *(element.proto.body for element in page.get("html"))])


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_nothing_can_be_uploaded_before_the_notice_is_acknowledged(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTION_SERVER", service.url)
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    assert not page.exception
    assert not page.file_uploader
    for word in ("discarded", "not a feeling", "hiring", "AI Act"):
        assert word in texts(page)
    page.button[0].click().run()
    assert page.file_uploader
    assert "Before your first photo" not in texts(page)


def test_an_uploaded_photo_shows_its_faces_and_the_time(page: AppTest) -> None:
    upload_one(page, photo_bytes("smiling"))
    assert not page.exception
    assert read(page) == ["1 · happy 90%"]
    assert "1 face · **" in texts(page) and "ms** · model 1.0.0" in texts(page)
    (face,) = shown(page)["faces"]
    assert {bar["name"] for bar in face["bars"]} == set(EMOTIONS)
    assert shown(page)["description"] == "The photo with 1 marked face. Face 1: happy, 90%"


def test_what_the_network_sees_is_shown_on_request(page: AppTest) -> None:
    upload_one(page, photo_bytes("smiling"))
    assert shown(page)["faces"][0]["seen"] is None
    page.toggle[0].set_value(True).run()
    assert shown(page)["faces"][0]["seen"].startswith("data:image/png;base64,")


def test_how_often_such_faces_are_right_is_said_only_by_the_report_of_this_model(
    page: AppTest, service: Service
) -> None:
    upload_one(page, photo_bytes("smiling"))
    assert shown(page)["faces"][0]["notes"] == []
    report = load_report(Settings().reports)
    assert report is not None
    model = {"name": "emotion", "version": report.model.version}
    service.answer(200, analysis(face()) | {"model": model})
    upload_one(page, photo_bytes("serious"))
    button(page, "Next").click().run()
    assert "of 100 cases" in shown(page)["faces"][0]["notes"][0]


def test_below_the_threshold_a_face_is_uncertain(page: AppTest, service: Service) -> None:
    service.answer(200, analysis(face(confidence=0.45)))
    upload_one(page, photo_bytes("smiling"))
    assert read(page) == ["1 · happy 45%"]
    page.slider[0].set_value(50).run()
    assert read(page) == ["1 · uncertain 45%"]
    assert shown(page)["faces"][0]["notes"][0] == "Most likely happy, 45%."
    assert service.requests == 1, "nothing was sent again"


def numbered(count: int) -> list[tuple[str, bytes]]:
    return [(f"{n}.jpg", photo_bytes("smiling") + bytes([n])) for n in range(count)]


def test_many_photos_have_a_gallery_and_one_is_shown(page: AppTest, service: Service) -> None:
    upload(page, *numbered(5))
    assert not page.exception
    assert service.requests == 5
    assert "**5 photos · 5 faces**" in texts(page)
    assert "All faces: happy 5 of 5" in texts(page)
    assert tiles(page) == ["[0.jpg]", "1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert list(page.dataframe[0].value["expressions"]) == ["happy"] * 5
    button(page, "Next").click().run()
    assert tiles(page) == ["0.jpg", "[1.jpg]", "2.jpg", "3.jpg", "4.jpg"]
    assert "**2 of 5**" in texts(page)
    assert service.requests == 5, "looking at another photo sends nothing"


def test_gallery_and_table_are_filtered_and_sorted_alike(page: AppTest, service: Service) -> None:
    refused = (400, {"error": {"code": "truncated_image", "message": "the JPEG file ends early"}})
    answers = {
        "b.jpg": (200, analysis(face())),
        "a.jpg": (200, analysis(face("sad", 0.6), face("happy", 0.3))),
        "d.jpg": (200, analysis()),
        "c.jpg": refused,
    }
    for number, (name, answer) in enumerate(answers.items()):
        service.answer(*answer)
        upload_one(page, photo_bytes("smiling") + bytes([number]), name)
    assert "**4 photos · 3 faces**" in texts(page)
    assert "All faces: happy 1 of 3, sad 1 of 3, uncertain 1 of 3" in texts(page)

    def wanted(*kinds: str) -> list[str]:
        page.button_group(key="only").set_value(list(kinds)).run()
        names = [name.strip("[]") for name in tiles(page)] if page.get("bidi_component")[1:] else []
        assert list(page.dataframe[0].value["file"]) == names, "they never disagree"
        return names

    assert wanted() == ["b.jpg", "a.jpg", "d.jpg", "c.jpg"]
    assert wanted("happy") == ["b.jpg"]
    assert wanted("uncertain") == ["a.jpg"]
    assert wanted("no face", "not read") == ["d.jpg", "c.jpg"]
    orders = {"By name": "abcd", "Most faces first": "abdc", "Least sure first": "dcab", "As they came": "badc"}
    wanted()
    for order, names in orders.items():
        page.selectbox(key="order").set_value(order).run()
        assert wanted() == [f"{name}.jpg" for name in names], order
    assert "not read: The end of this file is missing" in list(page.dataframe[0].value["expressions"])


def test_two_photos_are_compared(page: AppTest) -> None:
    upload(page, *numbered(3))
    compared = page.selectbox(key="compared")
    compared.set_value(list(page.session_state["photos"])[2]).run()
    assert not page.exception
    assert len(shown(page)["faces"]) == len(shown(page, "other photo")["faces"]) == 1
    assert r"**3 · 2\.jpg**" in texts(page)


def test_work_is_kept_on_other_pages_and_in_other_ways_of_giving_photos(page: AppTest, service: Service) -> None:
    upload_one(page, photo_bytes("smiling"))
    page.slider[0].set_value(60).run()
    switch(page, "privacy")
    switch(page, "analyse")
    assert read(page) == ["1 · happy 90%"] and page.slider[0].value == 60
    sample_button(page, "Grace Hopper").click().run()
    page.button_group[0].set_value("Camera").run()
    switch(page, "service")
    switch(page, "analyse")
    assert page.button_group[0].value == "Camera"
    assert tiles(page) == ["photo.jpg", "[Grace-Hopper.jpg]"]
    assert service.requests == 2, "each photo was sent once"


def test_everything_is_cleared_at_once(page: AppTest) -> None:
    upload_one(page, photo_bytes("smiling"))
    button(page, "Clear everything").click().run()
    assert not page.exception
    assert not page.session_state["photos"] and not page.session_state["outcomes"]
    assert "an example" in texts(page)
    assert page.file_uploader, "the notice stays acknowledged"
    assert len(shown(page)["faces"]) == 2, "the example"


def test_one_photo_is_removed_and_its_follower_takes_its_place(page: AppTest, service: Service) -> None:
    upload(page, *numbered(4))
    button(page, "Next").click().run()
    button(page, "Remove this photo").click().run()
    assert tiles(page) == ["0.jpg", "[2.jpg]", "3.jpg"]
    button(page, "Next").click().run()
    button(page, "Remove this photo").click().run()
    assert tiles(page) == ["0.jpg", "[2.jpg]"], "the last one has none"
    assert len(page.session_state["photos"]) == len(page.session_state["outcomes"]) == 2
    for _ in range(2):
        button(page, "Remove this photo").click().run()
    assert not page.exception
    assert not page.session_state["photos"] and not page.session_state["outcomes"]
    assert service.requests == 4, "nothing was sent again"


def test_all_that_failed_is_tried_again_at_once(page: AppTest, service: Service) -> None:
    service.busy = 2
    upload(page, *numbered(4))
    assert "2 of 4 photos could not be read." in texts(page)
    button(page, "Try again").click().run()
    assert "could not be read" not in texts(page)
    assert service.requests == 6, "those that were read are not sent again"
    assert list(page.dataframe[0].value["expressions"]) == ["happy"] * 4


def test_photos_beyond_the_bound_of_a_session_are_not_taken(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.session.MOST_PHOTOS", 2)
    upload(page, *((f"{n}.jpg", photo_bytes("smiling") + bytes([n])) for n in range(3)))
    assert page.warning[0].value.startswith(r"- 2\.jpg\: there is no room\; at most 2 photos")
    assert len(page.session_state["photos"]) == 2


def test_photos_in_a_zip_are_read_and_others_named(page: AppTest) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("trip/a.jpg", photo_bytes("smiling"))
        archive.writestr("trip/b.jpg", photo_bytes("serious"))
    upload(page, ("trip.zip", file.getvalue()), ("broken.zip", b"no zip"))
    assert not page.exception
    assert tiles(page) == ["[a.jpg]", "b.jpg"]
    assert page.warning[0].value == r"- broken\.zip\: this file is damaged\."


def test_of_a_moving_picture_it_is_said_that_only_the_first_is_read(page: AppTest, smiling: Image.Image) -> None:
    upload_one(page, encoded(smiling, "GIF", save_all=True, append_images=[smiling.rotate(90)]), "moving.gif")
    assert "Only the first picture in this file was read." in texts(page)


def button(page: AppTest, label: str) -> Button:
    (found,) = (each for each in page.button if each.label == label)
    return found


def test_no_face_gives_a_hint(page: AppTest, service: Service) -> None:
    service.answer(200, analysis())
    upload_one(page, photo_bytes("landscape"))
    assert "No face was found" in page.info[0].value


REFUSALS = {
    "broken": (400, {"error": {"code": "truncated_image", "message": "the JPEG file ends early"}}),
    "busy": (503, b""),
    "token": (401, b""),
    "large": (413, b""),
}


@pytest.mark.parametrize(
    ("refusal", "message", "advice"),
    [
        ("broken", "The end of this file is missing.", "Try another photo"),
        ("busy", "The service is overloaded or restarting (status 503).", "Wait a few seconds"),
        ("token", "The service refused the token (status 401).", "EMOTION_TOKEN"),
        ("large", "The file is larger than the service accepts.", "16 MB"),
    ],
)
def test_an_error_is_shown_with_what_to_do(
    page: AppTest, service: Service, refusal: str, message: str, advice: str
) -> None:
    service.answer(*REFUSALS[refusal])
    upload_one(page, photo_bytes("smiling"))
    assert not page.exception
    assert message in page.error[0].value
    assert advice in page.error[0].value
    assert ("Try again" in {each.label for each in page.button}) == (refusal == "busy"), (
        "only what may be gone on the next try can be tried again"
    )


def test_trying_again_after_an_outage_answers(page: AppTest, service: Service) -> None:
    service.busy = 1
    upload_one(page, photo_bytes("smiling"))
    assert "overloaded" in page.error[0].value
    button(page, "Try again").click().run()
    assert not page.error
    assert read(page) == ["1 · happy 90%"]


def test_a_photo_that_only_the_service_can_read_is_explained(page: AppTest) -> None:
    upload_one(page, b"no photo for Pillow")
    assert not page.exception
    assert "the page cannot show it" in page.error[0].value


def test_a_server_away_is_shown_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_SERVER", "http://127.0.0.1:9")
    monkeypatch.setenv("EMOTION_RETRIES", "0")
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    page.button[0].click().run()
    upload_one(page, photo_bytes("smiling"))
    assert not page.exception
    assert "make run" in page.error[0].value
    switch(page, "service")
    assert "no connection" in page.error[0].value and "127.0.0.1" not in page.error[0].value


def sample_button(page: AppTest, title: str) -> Button:
    return page.button(key=f"sample{list(samples()).index(title)}")


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


def test_the_camera_is_asked_for_only_when_it_is_chosen(page: AppTest) -> None:
    assert not page.get("camera_input")
    page.button_group[0].set_value("Camera").run()
    assert page.get("camera_input")


def test_outcomes_are_counted(page: AppTest, service: Service) -> None:
    def counts() -> list[float]:
        return [
            counted("emotion_client_requests_total", outcome="ok"),
            counted("emotion_client_faces_total"),
            counted("emotion_client_images_total"),
            counted("emotion_client_latency_seconds_count"),
            counted("emotion_client_requests_total", outcome="busy"),
        ]

    before = counts()
    service.answer(200, analysis(face(), face("sad")))
    upload_one(page, photo_bytes("smiling"))
    service.busy = 1
    upload_one(page, photo_bytes("serious"), "other.jpg")
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [1, 2, 1, 1, 1]


def test_performance_shows_the_committed_reports(page: AppTest) -> None:
    report, compression = load_report(Settings().reports), load_compression(Settings().reports)
    assert report is not None and compression is not None, "the reports of the served model are committed"
    switch(page, "performance")
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["Accuracy"] == f"{report.accuracy:.1%}"
    assert set(shown) == {"Accuracy", "Precision", "Recall", "F1"}
    assert len(page.get("vega_lite_chart")) == 6
    classes, conditions, networks = (table.value for table in page.dataframe)
    assert set(classes["emotion"]) == set(EMOTIONS)
    stress, peer = load_stress(Settings().reports), load_peer_stress(Settings().reports)
    assert stress is not None and peer is not None
    assert list(conditions["condition"]) == [each.name for each in stress.conditions]
    assert list(conditions["fer"]) == [f"{row[2]:.1%}" for row in peer.conditions.values()]
    assert f"{stress.middle.accuracy:.1%} of them on average" in texts(page)
    assert f"{compression.shipped} (served)" in set(networks["network"])


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
    assert page.get("download_button")[0].proto.label == "OpenAPI document"


def test_privacy_has_the_full_text(page: AppTest) -> None:
    switch(page, "privacy")
    for word in ("forgets them", "not a feeling", "Article 5", "Article 50", "hiring", "no telemetry"):
        assert word in texts(page)


def test_a_wrong_setting_is_shown_instead_of_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_SERVER", "nowhere")
    page = AppTest.from_file(str(APP), default_timeout=30).run()
    assert not page.exception
    assert "EMOTION_SERVER is 'nowhere'" in page.error[0].value
