"""The HTTP contract as an OpenAPI 3.1 document.

python -m emotion.openapi [--out docs/openapi.json]
"""

import argparse
import json
import sys
from collections.abc import Sequence
from http import HTTPStatus
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

import emotion
from emotion import contract

Json = dict[str, Any]

ANSWERS = (contract.Analysis, contract.ErrorAnswer, contract.Health)
REQUESTS = (contract.FormRequest, contract.JsonRequest)

ANALYSIS: Json = {
    "model": {"name": "emotion", "version": emotion.__version__, "runtime": "onnxruntime int8"},
    "image": {"width": 640, "height": 480},
    "faces": [
        {
            "box": {"x": 210.4, "y": 88.0, "width": 120.5, "height": 150.2},
            "detection_confidence": 0.98,
            "landmarks": {"left_eye": [251.0, 140.2], "right_eye": [301.7, 138.9], "nose": [277.3, 171.0]},
            "emotion": "happy",
            "confidence": 0.93,
            "probabilities": {
                "angry": 0.01,
                "disgusted": 0.0,
                "fearful": 0.01,
                "happy": 0.93,
                "sad": 0.01,
                "surprised": 0.02,
                "neutral": 0.02,
            },
            "quality": {
                "size": 120.5,
                "sharpness": 0.24,
                "noise": 3.9,
                "brightness": 131.2,
                "contrast": 52.6,
                "clipped": 0.0,
                "covered": 0.03,
                "roll": -1.5,
                "turn": 0.04,
                "inside": 1.0,
            },
            "reliable": True,
            "reasons": [],
            "withheld": None,
        }
    ],
    "timings_ms": {"decode": 2.1, "detect": 8.0, "align": 0.8, "classify": 1.9},
    "detail": "standard",
    "turned": 0,
    "left_out": 0,
    "policy": None,
}
"""The example answer in the document; the README shows the same."""

REQUEST_ID = "X-Request-Id"

GREY_PNG = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAAEUlEQVR4nGNsYEAFTAwjWgAAmZAAoC0n3a4AAAAASUVORK5CYII="
"""A complete photo of 16×16 pixels, as the example of the JSON form."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the HTTP contract as an OpenAPI document.")
    parser.add_argument("--out", type=Path, help="by default it is printed")
    out: Path | None = parser.parse_args().out
    if out is None:
        sys.stdout.write(text())
    else:
        out.write_text(text(), encoding="utf-8")


def text() -> str:
    """`document()` as the text of the file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> Json:
    """The whole document."""
    binary: Json = {"application/octet-stream": {}} | {each.media_type: {} for each in contract.FORMATS}
    form: Json = {
        "schema": _ref("FormRequest"),
        "encoding": {"data": {"contentType": ", ".join(binary)}},
    }
    as_json: Json = {"schema": _ref("JsonRequest"), "example": {"image": GREY_PNG}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Emotion detection",
            "summary": "The faces in a photo and the emotion each one shows, with calibrated confidence.",
            "description": "Later versions may add fields to an answer; they rename and remove none.",
            "version": emotion.__version__,
        },
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "paths": {
            "/predictions/emotion": {
                "post": _analyse("analyse", binary | {"multipart/form-data": form, "application/json": as_json}),
                "put": _analyse("analyse_upload", binary),
            },
            "/ping": {"get": _ping()},
        },
        "components": {
            "schemas": _schemas(ANSWERS, "serialization") | _schemas(REQUESTS, "validation"),
            "parameters": _parameters(),
            "responses": _responses(),
        },
    }


def _analyse(name: str, content: Json) -> Json:
    return {
        "operationId": name,
        "summary": "Find the faces in a photo and read the emotion of each",
        "parameters": [{"$ref": f"#/components/parameters/{each}"} for each in _parameters()] + [_detail()],
        "requestBody": {
            "description": f"The photo: {contract.ACCEPTED}, with sides of {contract.MIN_SIDE} to "
            f"{contract.MAX_SIDE:,} pixels.",
            "required": True,
            "content": content,
        },
        "responses": {status: {"$ref": f"#/components/responses/{status}"} for status in _responses()},
    }


def _detail() -> Json:
    return {
        "name": "detail",
        "in": "query",
        "description": "How closely to look for faces: `fast` finds the largest ones only; `standard` those from 20 "
        "pixels or 2 % of the long side on, whichever is more; `thorough` smaller ones, too, and takes longest.",
        "schema": {"type": "string", "enum": list(contract.DETAILS), "default": contract.STANDARD},
    }


def _ping() -> Json:
    healthy = {"application/json": {"schema": _ref("Health"), "example": {"status": "Healthy"}}}
    return {
        "operationId": "ping",
        "summary": "Whether a photo would be answered",
        "parameters": [{"$ref": f"#/components/parameters/{each}"} for each in _parameters()],
        "responses": {
            "200": {"description": "A worker can answer", "headers": _headers(), "content": healthy},
            "503": _error((contract.NOT_READY,)),
        },
    }


def _parameters() -> Json:
    return {
        "RequestId": {
            "name": REQUEST_ID,
            "in": "header",
            "description": "Stands in the log lines of the photo and in its answer; one of another form is replaced.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        },
    }


def _headers(status: int = HTTPStatus.OK) -> Json:
    """Of an answer with that status."""
    request_id = {"description": "The request's id, as it was sent or made", "schema": {"type": "string"}}
    later = {"description": "Seconds after which to try again", "schema": {"type": "integer"}}
    return {REQUEST_ID: request_id} | ({"Retry-After": later} if status == HTTPStatus.SERVICE_UNAVAILABLE else {})


def _responses() -> Json:
    """One for an analysis, and one for each status of `contract.ERRORS`."""
    analysis = {
        "description": "The faces, of which there may be none",
        "headers": _headers(),
        "content": {"application/json": {"schema": _ref("Analysis"), "example": ANALYSIS}},
    }
    by_status = groupby(contract.ERRORS, lambda kind: kind.status)
    return {"200": analysis} | {str(status): _error(tuple(kinds)) for status, kinds in by_status}


def _error(kinds: Sequence[contract.ErrorKind]) -> Json:
    """The response for kinds that share a status."""
    status = kinds[0].status
    described = "; ".join(f"`{kind.code}`: {kind.when}" for kind in kinds)
    codes = {"properties": {"error": {"properties": {"code": {"enum": [kind.code for kind in kinds]}}}}}
    content = {
        "schema": {"allOf": [_ref("ErrorAnswer"), codes]},
        "examples": {kind.code: {"value": {"error": {"code": kind.code, "message": kind.when}}} for kind in kinds},
    }
    return {
        "description": f"{HTTPStatus(status).phrase}: {described}",
        "headers": _headers(status),
        "content": {"application/json": content},
    }


def _schemas(models: Sequence[type[BaseModel]], mode: JsonSchemaMode) -> Json:
    _, schemas = models_json_schema(
        [(model, mode) for model in models],
        ref_template="#/components/schemas/{model}",
        schema_generator=_WithoutFieldTitles,
    )
    found: Json = schemas["$defs"]
    return found


class _WithoutFieldTitles(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never, as titles would only repeat the fields' names."""
        return False


def _ref(model: str) -> Json:
    return {"$ref": f"#/components/schemas/{model}"}


if __name__ == "__main__":
    main()
