"""TorchServe's side of the service: bytes in, statuses and JSON out, metrics.

The only file that imports `ts`. The pipeline knows nothing of requests; this file processes no images.
"""

import os
import re
import time
from collections import Counter
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ts.context import Context
from ts.metrics.metric_type_enum import MetricTypes
from ts.torch_handler.base_handler import BaseHandler

from emotion import policy
from emotion.answer import answer
from emotion.contract import (
    DEFAULT_TIMEOUT,
    DETAILS,
    EXPIRED,
    FORMAT_NAMES,
    IMAGE_ERRORS,
    REASONS,
    STAGES,
    STANDARD,
    TIMEOUT_HEADER,
    Detail,
    JsonRequest,
)
from emotion.errors import EmptyBody, Expired, ImageError, InvalidImage, InvalidParameter
from emotion.labels import LABELS
from emotion.pipeline import Pipeline, Result
from handler import forms, tracing
from handler.connections import Connections

Row = dict[str, Any]
"""One request as TorchServe hands it over: parameter names and values."""

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

REQUEST_START = re.compile(r"(?:t=)?([0-9]{10}\.[0-9]{1,6})")
"""`X-Request-Start` as the door writes it: seconds since 1970."""

SECONDS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6})?")
"""A client's patience, as `X-Request-Timeout` gives it."""

LONGEST_REQUEST = 300.0
"""Seconds; a start further back, or in the future, means a wrong clock, and is ignored."""

JSON_FORM = '{"image": "<base64>"}'

MOST_JSON_MARKS = 1000
"""Most brackets, braces and commas of a JSON body. Base64 has none, and what is not looked at would be taken apart all
the same: 16 MiB of nested lists take two gigabytes."""


# No class: TorchServe refuses a handler's file that holds a second one.
Photo = tuple[bytes | bytearray, Detail]
"""An encoded image, and how closely to look at it."""

WORKER_NICENESS = 10
"""How far workers stand behind the front door and Java, where they share cores (`nice(2)`): at four times the load that
the service can take, a refusal takes a twentieth of the time."""

BOUNDARY_HEADER = "X-Form-Boundary"
"""Where the door writes a multipart form's boundary; it is empty for every other body."""

CONNECTION_HEADER = "X-Connection"
"""Where the door writes both ends of the client's connection."""

DETAIL_HEADER = "X-Detail"
"""Where the door writes `detail` of the address's query, which TorchServe does not hand on."""


class EmotionHandler(BaseHandler):  # type: ignore[misc]
    """Answers a batch of requests; each gets its own status, so one bad image does not fail the others."""

    def initialize(self, context: Context) -> None:
        """Load the models from the unpacked archive."""
        # Who takes photos, and refuses what is too much, must not wait until a worker has had its share of a core.
        os.nice(WORKER_NICENESS)
        self.pipeline = Pipeline.load(Path(context.system_properties["model_dir"]))
        self.pipeline.warm_up()
        self.policy = policy.from_environment()
        self.connections = Connections()
        self.tracing = tracing.from_environment()
        self.announced = False
        self.initialized = True

    def handle(self, data: list[Row], context: Context) -> list[str]:
        """One JSON text for each request; statuses go into `context`."""
        started = time.perf_counter()
        self.context = context
        self._announce()
        images = self.preprocess(data)
        results = self.inference(images)
        answers = self.postprocess(results)
        self._trace(results, started)
        self._metric("emotion_batch_seconds", MetricTypes.HISTOGRAM, time.perf_counter() - started)
        return answers

    def preprocess(self, data: list[Row]) -> list[Photo | ImageError]:
        """The photo of each request, or the error that stands in its place."""
        return [self._photo(index, row) for index, row in enumerate(data)]

    def _photo(self, index: int, row: Row) -> Photo | ImageError:
        patience = self._patience(index)
        if (since := self._seconds_since_start(index)) is not None and since > patience:
            return Expired(f"the photo waited longer than {patience:g} seconds; it was not looked at")
        if self.connections.gone(self._header(index, CONNECTION_HEADER)):
            return Expired("whoever sent the photo has hung up; it was not looked at")
        asked = self._header(index, DETAIL_HEADER) or STANDARD
        # Looked for among the allowed values, so that it has their type.
        detail = next((allowed for allowed in DETAILS if allowed == asked), None)
        if detail is None:
            return InvalidParameter(f"detail must be one of {', '.join(DETAILS)}")
        image = _image_bytes(row, self._header(index, BOUNDARY_HEADER))
        return image if isinstance(image, ImageError) else (image, detail)

    def inference(self, data: list[Photo | ImageError]) -> list[Result | ImageError]:
        """Run the pipeline over those requests that hold a photo."""
        photos = [item for item in data if not isinstance(item, ImageError)]
        results = iter(self.pipeline([image for image, _ in photos], [detail for _, detail in photos]))
        return [item if isinstance(item, ImageError) else next(results) for item in data]

    def postprocess(self, data: list[Result | ImageError]) -> list[str]:
        """The bodies that the HTTP contract describes; also logs and counts each outcome."""
        return [self._logged(index, result) for index, result in enumerate(data)]

    def _logged(self, index: int, result: Result | ImageError) -> str:
        """The answer; also prints one log line with id, status, number of faces and time, nothing of the image."""
        if isinstance(result, ImageError):
            outcome = f"status={result.kind.status} error={result.kind.code}"
        else:
            outcome = f"status=200 faces={len(result.faces)} ms={sum(result.timings_ms.values()):.1f}"
        # TorchServe takes a worker's output as its log; log4j2.xml lets lines of this form pass.
        print(f"request id={self._request_id(index)} {outcome}", flush=True)
        if (since := self._seconds_since_start(index)) is not None:
            self._metric("emotion_request_seconds", MetricTypes.HISTOGRAM, since)
        return self._answer(index, result)

    def _trace(self, results: list[Result | ImageError], started: float) -> None:
        if self.tracing is None:
            return
        for index, result in enumerate(results):
            since = self._seconds_since_start(index)
            arrived = None if since is None else time.time() - since
            self.tracing.photo(self._header(index, "Traceparent"), self._request_id(index), arrived, started, result)

    def _patience(self, index: int) -> float:
        """Seconds after which nobody waits for the answer any more."""
        sent = self._header(index, TIMEOUT_HEADER)
        return float(sent) if SECONDS.fullmatch(sent) else DEFAULT_TIMEOUT

    def _seconds_since_start(self, index: int) -> float | None:
        """Seconds since the request arrived at the door, by its header; includes TorchServe's queue.

        TorchServe itself reports only the sum of its waits, and its own histogram buckets end at ten milliseconds.
        """
        sent = REQUEST_START.fullmatch(self._header(index, "X-Request-Start"))
        since = time.time() - float(sent[1]) if sent else -1.0
        return since if 0 <= since <= LONGEST_REQUEST else None

    def _request_id(self, index: int) -> str:
        """The client's `X-Request-Id` if it is fit for a log line, otherwise TorchServe's own id."""
        sent = self._header(index, "X-Request-Id")
        return sent if REQUEST_ID.fullmatch(sent) else str(self.context.get_request_id(index))

    def _header(self, index: int, name: str) -> str:
        """The header's value, "" if there is none; a form's part of the same name would replace it."""
        value = self.context.get_request_header(index, name)
        return value if isinstance(value, str) else ""

    def _answer(self, index: int, result: Result | ImageError) -> str:
        self.context.set_response_content_type(index, "application/json")
        # The door lets no answer pass without it: TorchServe's own may quote a request.
        self.context.set_response_header(index, "X-Answered-By", "emotion")
        if isinstance(result, ImageError):
            self.context.set_response_status(result.kind.status, HTTPStatus(result.kind.status).phrase, index)
            self._metric("emotion_images_rejected", MetricTypes.COUNTER, 1, result.kind.code)
        else:
            self._count(result)
        return answer(result, self.pipeline.classifier, self.policy).to_json()

    def _count(self, result: Result) -> None:
        self._metric("emotion_images_analysed", MetricTypes.COUNTER, 1)
        self._metric("emotion_faces_per_image", MetricTypes.HISTOGRAM, len(result.faces))
        for stage in STAGES:
            self._metric("emotion_stage_seconds", MetricTypes.HISTOGRAM, result.timings_ms[stage] / 1000, stage)
        reliable = [face for face in result.faces if face.reliable]
        for emotion, count in Counter(face.emotion for face in reliable).items():
            self._metric("emotion_faces", MetricTypes.COUNTER, count, emotion)
        for face in reliable:
            self._metric("emotion_confidence", MetricTypes.HISTOGRAM, face.confidence)
        for reason, count in Counter(reason for face in result.faces for reason in face.reasons).items():
            self._metric("emotion_faces_unreliable", MetricTypes.COUNTER, count, reason)

    def _announce(self) -> None:
        """Start every labelled counter at zero: a series that first appears at one shows no increase in Prometheus."""
        if not self.announced:
            self.announced = True
            for emotion in LABELS:
                self._metric("emotion_faces", MetricTypes.COUNTER, 0, emotion)
            for kind in (*IMAGE_ERRORS, EXPIRED):
                self._metric("emotion_images_rejected", MetricTypes.COUNTER, 0, kind.code)
            for reason in REASONS:
                self._metric("emotion_faces_unreliable", MetricTypes.COUNTER, 0, reason)
            self._metric("emotion_images_analysed", MetricTypes.COUNTER, 0)

    def _metric(self, name: str, kind: MetricTypes, value: float, *dimensions: str) -> None:
        # TorchServe reads the number back from a log line and cannot read exponents: 1e-05 would be lost.
        self.context.metrics.get_metric(name, kind).add_or_update(round(value, 4), list(dimensions))


def _image_bytes(row: Row, boundary: str) -> bytes | bytearray | ImageError:
    """A raw body, the multipart field `data`, or `{"image": "<base64>"}`."""
    body = row.get("data")
    if body is None:
        body = row.get("body")
    if body is None:
        return EmptyBody("the request holds no image; send it as the body or as the multipart field 'data'")
    if isinstance(body, str):
        body = body.encode()
    if boundary and isinstance(body, (bytes, bytearray)):
        body = forms.photo_of(body, boundary)
        if isinstance(body, ImageError):
            return body
    if isinstance(body, (bytes, bytearray)) and body[:100].lstrip()[:1] != b"{":
        return body
    return _image_in_json(body)


def _image_in_json(body: Any) -> bytes | ImageError:
    """`body` is a dict where TorchServe knew that it is JSON and took it apart."""
    if isinstance(body, (bytes, bytearray)) and sum(map(body.count, b"[{,")) > MOST_JSON_MARKS:
        return InvalidImage(f"the JSON body holds too much beside the photo; expected {JSON_FORM}")
    read = JsonRequest.model_validate_json if isinstance(body, (bytes, bytearray)) else JsonRequest.model_validate
    try:
        return read(body).image
    except ValidationError as error:
        if error.errors(include_input=False)[0]["type"] == "json_invalid":
            return InvalidImage(f"the JSON body cannot be read; expected {JSON_FORM}")
        return InvalidImage(f"the JSON body must be {JSON_FORM}, with plain base64 of a {FORMAT_NAMES} file")
