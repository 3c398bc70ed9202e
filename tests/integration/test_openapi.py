"""Requests that Schemathesis makes from docs/openapi.json, to the real service: no answer outside the document."""

import base64
import copy
import json
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from emotion.contract import MAX_PIXELS, MAX_SIDE, MIN_SIDE
from serving.addresses import Addresses
from tests.conftest import ROOT, encoded, photo_path, png_header

DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

REQUESTS = {
    ("post", "application/octet-stream", GenerationMode.POSITIVE): 80,
    ("post", "image/jpeg", GenerationMode.POSITIVE): 40,
    ("post", "image/png", GenerationMode.POSITIVE): 40,
    ("put", "application/octet-stream", GenerationMode.POSITIVE): 40,
    ("post", "multipart/form-data", GenerationMode.POSITIVE): 100,
    ("post", "multipart/form-data", GenerationMode.NEGATIVE): 60,
    ("post", "application/json", GenerationMode.POSITIVE): 80,
    ("post", "application/json", GenerationMode.NEGATIVE): 60,
}
"""How many requests of each kind, 500 in all: method, form, and whether they keep to the document's schemas."""


def files() -> st.SearchStrategy[bytes]:
    """Photos, whole, cut off and scratched; files that claim to have any size; and what is no image."""
    face = Image.open(photo_path("smiling")).convert("RGB").resize((160, 160))
    kinds = [encoded(face, "JPEG"), encoded(face), encoded(face.convert("LA")), encoded(face, "WEBP")]
    photos = st.sampled_from(kinds)
    places, scratches = st.floats(0, 1), st.binary(max_size=8)
    sides = st.sampled_from([1, MIN_SIDE - 1, MIN_SIDE, MAX_PIXELS // MAX_SIDE, MAX_SIDE, MAX_SIDE + 1])
    return st.one_of(
        photos,
        st.builds(lambda photo, place: photo[: int(len(photo) * place)], photos, places),
        st.builds(_scratched, photos, places, scratches),
        st.builds(png_header, sides, sides),
        st.binary(max_size=200),
    )


def _scratched(photo: bytes, place: float, scratch: bytes) -> bytes:
    at = int(len(photo) * place)
    return photo[:at] + scratch + photo[at + len(scratch) :]


def operation(method: str, form: str) -> Any:
    """Of the document, with requests in that form alone."""
    document = copy.deepcopy(DOCUMENT)
    body = document["paths"]["/predictions/emotion"][method]["requestBody"]
    body["content"] = {form: body["content"][form]}
    return schemathesis.openapi.from_dict(document)["/predictions/emotion"][method.upper()]


@pytest.fixture(scope="module", autouse=True)
def photos_for_schemathesis() -> None:
    """By itself it would send bytes that are no image, and see one error."""
    schemathesis.openapi.media_type(
        "application/octet-stream", files(), aliases=["image/jpeg", "image/png", "image/webp"]
    )
    schemathesis.openapi.format("byte", files().map(lambda file: base64.b64encode(file).decode()))


@pytest.mark.parametrize(("method", "form", "mode"), REQUESTS)
def test_no_answer_is_outside_the_document(
    server: Addresses, http: requests.Session, method: str, form: str, mode: GenerationMode
) -> None:
    count = REQUESTS[method, form, mode]
    statuses = []

    # Always the same ones: among a few dozen by chance there may be no photo.
    @settings(max_examples=count, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(operation(method, form).as_strategy(mode))
    def answered(case: Any) -> None:
        response = case.call_and_validate(server.url, http, checks=CHECKS, timeout=30)
        statuses.append(response.status_code)

    answered()
    assert len(statuses) >= count
    if mode is GenerationMode.POSITIVE:
        assert {200, 400} <= set(statuses), "photos and what is none"


def test_the_server_says_that_it_is_up_as_the_document_says(server: Addresses, http: requests.Session) -> None:
    document = schemathesis.openapi.from_dict(DOCUMENT)
    document.validate()
    case = document["/ping"]["GET"].Case()
    response = case.call_and_validate(server.url, http, checks=CHECKS, timeout=30)
    assert response.json() == {"status": "Healthy"}
