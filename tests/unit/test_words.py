"""What the page says of a face and of an error, in people's words."""

import pytest
from PIL import Image

from client.api import ImageRefused, Redirected, ServerAway, ServerBusy, ServiceError
from client.photos import Photo, prepare
from client.report import Report, load_report
from client.results import named
from client.settings import Settings
from client.words import of_answer, of_error, of_face, of_no_face, of_photo, plain
from emotion.contract import Analysis, Face
from tests.conftest import encoded
from tests.unit.local_service import analysis, face


def one(**changes: object) -> Face:
    confidence = changes.pop("confidence", 0.9)
    assert isinstance(confidence, float)
    (found,) = Analysis.model_validate(analysis(face(confidence=confidence) | changes)).faces
    return found


@pytest.fixture
def report() -> Report:
    report = load_report(Settings().reports)
    assert report is not None
    return report


def test_darkness_is_named_where_no_face_is_found(smiling: Image.Image) -> None:
    assert "very dark" not in of_no_face(prepare("photo.jpg", encoded(smiling, "JPEG")))
    night = smiling.point(lambda grey: grey // 12)
    assert "very dark" in of_no_face(prepare("photo.jpg", encoded(night, "JPEG")))


def test_uncertain_stands_without_a_percentage() -> None:
    assert named(one(), 0.5) == "happy 90%"
    assert named(one(), 0.95) == named(one(reliable=False, reasons=["too_small"]), 0.5) == "uncertain"
    assert of_photo([one(), one(confidence=0.4)], 0.5).endswith("Face 1: happy, 90%; Face 2: uncertain")


def test_how_often_such_faces_are_right_comes_from_the_report(report: Report) -> None:
    for each in report.reliability:
        if each.accuracy_interval:
            said = of_face(one(confidence=each.confidence), 0.0, report)
            assert said[-1] == f"Faces read like this are right in {round(each.accuracy * 100)} of 100 cases."
    assert of_face(one(confidence=0.15), 0.0, report) == [], "too few faces were read so"
    assert of_face(one(), 0.4, None) == []


@pytest.mark.parametrize(
    ("left_out", "policy", "said"),
    [
        (0, {"most_faces": 2}, ""),
        (1, None, "1 smaller face was found and not shown."),
        (3, {"withhold": ["sad"]}, "3 smaller faces were found and not shown."),
        (3, {"most_faces": 2}, "3 smaller faces were found and not shown, because of this service's policy."),
        (3, {"smallest_face": 40}, "3 smaller faces were found and not shown, because of this service's policy."),
    ],
)
def test_faces_that_are_not_shown_are_counted(left_out: int, policy: dict[str, object] | None, said: str) -> None:
    answer = Analysis.model_validate(analysis(face()) | {"left_out": left_out, "policy": policy})
    photo = Photo("a.jpg", b"", 1.0, None)
    assert of_answer(answer, photo) == said


def test_the_runner_up_is_named_where_it_is_near() -> None:
    near = {"happy": 0.5, "neutral": 0.44, "sad": 0.06}
    assert of_face(one(confidence=0.5, probabilities=near), 0.4, None) == ["Could also be neutral, 44%."]
    assert of_face(one(confidence=0.5, probabilities=near), 0.6, None) == ["Most likely happy, 50%; or neutral, 44%."]
    assert of_face(one(confidence=0.9), 0.4, None) == []


def test_an_unreliable_face_says_why_and_promises_nothing(report: Report) -> None:
    said = of_face(one(reliable=False, reasons=["too_small", "too_blurred"]), 0.4, report)
    assert said == ["Most likely happy, 90%.", "Not reliable: the face is too small, too blurred."]


def test_a_withheld_emotion_is_not_told() -> None:
    said = of_face(one(emotion=None, probabilities={}, confidence=0.0), 0.4, None)
    assert said == ["The service's policy withholds the emotion."]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImageRefused("empty_body", "the request holds no image; send the bytes"), "This file is empty"),
        (ImageRefused("image_too_large", "image is 9000×9000"), "Image is 9000×9000"),
        (ServerAway("no connection to the service at http://10.0.0.7:8080"), "There is no connection to the service"),
        (Redirected("http://10.0.0.7 answers"), "The service is not at the address that this page was given"),
        (ServerBusy("the service is overloaded"), "The service is overloaded"),
    ],
)
def test_errors_are_told_to_people_without_internal_addresses(error: ServiceError, said: str) -> None:
    assert of_error(error) == said


def test_a_files_name_means_nothing_in_markdown() -> None:
    assert plain("a*b_c[1].jpg") == r"a\*b\_c\[1\]\.jpg"
    assert plain("Grüße – „2“…") == "Grüße – „2“…", "a backslash would be seen before what is not ASCII"
