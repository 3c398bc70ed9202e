"""The contract: written once, answered to the last digit, and the same in every file that repeats it."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from client.frames import MOST_BYTES
from client.giving import LARGEST_FILE
from emotion import errors, openapi
from emotion.alignment import Landmarks
from emotion.answer import answer
from emotion.contract import (
    ERRORS,
    EXPIRED,
    IMAGE_ERRORS,
    IMAGE_TOO_LARGE,
    MAX_BODY,
    MAX_PIXELS,
    MAX_SIDE,
    MAX_WAITING,
    MIN_SIDE,
    TRUNCATED_IMAGE,
    UPLOAD_SECONDS,
    Analysis,
    JsonRequest,
)
from emotion.detection import Detection
from emotion.image import decode
from emotion.pipeline import Face, Result
from emotion.quality import Quality
from tests.conftest import ROOT, png_header

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "answers.json").read_text(encoding="utf-8"))
"""What the pipeline found in photos, at full precision, with the bodies that version 2.1.0 answered."""

QUALITY = Quality(92.33, 0.5, 4.0, 120.0, 50.0, 0.0, 0.03, 3.7, 0.0, 1.0)

CLASSIFIER: Any = SimpleNamespace(**RECORDED["model"])


def result(recorded: dict[str, Any]) -> Result:
    faces = tuple(
        Face(Detection(**face["detection"]), Landmarks(**face["landmarks"]), QUALITY, tuple(face["probabilities"]))
        for face in recorded["faces"]
    )
    return Result(recorded["width"], recorded["height"], faces, recorded["timings_ms"])


@pytest.mark.parametrize("photo", RECORDED["answers"])
def test_an_answer_has_what_2_1_had_to_the_last_digit(photo: str) -> None:
    """Later versions add fields; they change and remove none."""
    recorded = RECORDED["answers"][photo]
    body = json.loads(answer(result(recorded["result"]), CLASSIFIER).to_json())
    assert json.dumps(known(body, json.loads(recorded["body"]))) == recorded["body"]


def known(value: Any, before: Any) -> Any:
    """`value` with only those fields that `before` has."""
    if isinstance(value, dict):
        return {name: known(each, before[name]) for name, each in value.items() if name in before}
    if isinstance(value, list):
        return [known(*pair) for pair in zip(value, before, strict=True)]
    return value


@pytest.mark.parametrize("photo", RECORDED["answers"])
def test_a_client_reads_all_of_an_answer(photo: str) -> None:
    body = answer(result(RECORDED["answers"][photo]["result"]), CLASSIFIER).to_json()
    assert Analysis.model_validate_json(body).to_json() == body


@pytest.mark.parametrize("photo", RECORDED["answers"])
def test_a_client_reads_an_answer_of_2_1(photo: str) -> None:
    """While a new version is rolled out, new pages meet old services."""
    body = RECORDED["answers"][photo]["body"]
    for face in Analysis.model_validate_json(body).faces:
        assert (face.quality, face.reliable, face.reasons) == (None, True, ())


@pytest.mark.parametrize("sent", RECORDED["errors"])
def test_an_error_is_the_same_to_the_last_letter(sent: str) -> None:
    recorded = RECORDED["errors"][sent]
    error: errors.ImageError = getattr(errors, recorded["error"])(recorded["message"])
    assert answer(error, CLASSIFIER).to_json() == recorded["body"]
    assert error.kind.status == recorded["status"]


def test_every_image_error_stands_in_the_table_and_no_code_twice() -> None:
    kinds = [error.kind for error in errors.ImageError.__subclasses__()]
    assert sorted(kinds) == sorted((*IMAGE_ERRORS, EXPIRED)), "what is left undone is no fault of the photo"
    assert set(IMAGE_ERRORS) <= set(ERRORS)
    assert len({kind.code for kind in ERRORS}) == len(ERRORS)
    assert sorted(ERRORS, key=lambda kind: kind.status) == list(ERRORS), "responses are grouped by status"


@pytest.mark.parametrize(
    ("width", "height", "error"),
    [
        (5000, MAX_PIXELS // 5000, errors.InvalidImage),  # within the limits; but the file holds no pixels
        (5000, MAX_PIXELS // 5000 + 1, errors.ImageTooLarge),
        (MAX_SIDE, MIN_SIDE, errors.InvalidImage),
        (MAX_SIDE + 1, MIN_SIDE, errors.ImageTooLarge),
        (MIN_SIDE, MAX_SIDE + 1, errors.ImageTooLarge),
    ],
)
def test_the_limits_themselves_are_allowed(width: int, height: int, error: type[errors.ImageError]) -> None:
    with pytest.raises(error, match="damaged" if error is errors.InvalidImage else "limit|longest side"):
        decode(png_header(width, height))


def test_what_is_below_the_smallest_side_is_refused() -> None:
    with pytest.raises(errors.InvalidImage, match="the shortest side must be 16 or more"):
        decode(png_header(MIN_SIDE - 1, 100))


def test_a_client_needs_nothing_of_the_pipeline() -> None:
    program = "import sys, client.batch, emotion.openapi; print(*(name for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    ours = {name for name in loaded if name.partition(".")[0] == "emotion"}
    assert ours == {"emotion", "emotion.contract", "emotion.labels", "emotion.openapi"}
    assert not loaded & {"cv2", "dlib", "numpy", "onnxruntime"}


def test_torchserve_and_the_page_have_the_same_limits() -> None:
    properties = (ROOT / "config.properties").read_text(encoding="utf-8")
    assert re.search(rf"^max_request_size={MAX_BODY}$", properties, re.MULTILINE)
    workers = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text(encoding="utf-8"))
    assert workers["jobQueueSize"] == MAX_WAITING
    door = (ROOT / "serving" / "Caddyfile").read_text(encoding="utf-8")
    assert set(re.findall(r"(?:max_size|>) ([0-9]+)", door)) == {str(MAX_BODY)}
    assert f"DOOR_UPLOAD:{UPLOAD_SECONDS}s" in door
    page = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert page["server"]["maxUploadSize"] == MOST_BYTES // 10**6 >= LARGEST_FILE


def test_the_door_has_the_contracts_errors() -> None:
    """Those that are not about the photo itself, and a body that is too large or ends too soon."""
    door = (ROOT / "serving" / "Caddyfile").read_text(encoding="utf-8")
    rules = re.findall(r"^\t\t\t(?:\S+|\".+\") ([0-9]{3}) ([a-z_]+) \"", door, re.MULTILINE)
    said = {(int(status), code) for status, code in rules}
    not_the_doors = (*set(IMAGE_ERRORS) - {IMAGE_TOO_LARGE, TRUNCATED_IMAGE}, EXPIRED)
    assert said == {kind[:2] for kind in ERRORS if kind not in not_the_doors}


def test_a_refused_request_is_not_quoted() -> None:
    """Errors end up in logs, and a photo must not."""
    with pytest.raises(ValidationError) as caught:
        JsonRequest.model_validate_json(b'{"image": "c2VjcmV0!"}')
    assert "c2VjcmV0" not in str(caught.value)


def test_the_openapi_document_is_made_from_this_contract() -> None:
    assert (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8") == openapi.text(), "run `make openapi`"


def test_the_documents_examples_are_true() -> None:
    assert json.loads(Analysis.model_validate(openapi.ANALYSIS).to_json()) == openapi.ANALYSIS
    assert decode(JsonRequest(image=openapi.GREY_PNG).image).shape == (16, 16, 3)  # type: ignore[arg-type]


def test_the_readme_says_the_same() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", readme, re.DOTALL))
    assert example == openapi.ANALYSIS
    table = "\n".join(f"| {kind.status} | `{kind.code}` | {kind.when} |" for kind in ERRORS)
    assert f"| status | code | when |\n|---|---|---|\n{table}\n\n" in readme, f"expected this table:\n{table}"
