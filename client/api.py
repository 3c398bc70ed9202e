"""The HTTP contract as a typed Python client.

    client = EmotionClient("http://127.0.0.1:8080")
    answer = client.analyse(Path("photo.jpg").read_bytes())
    for face in answer.analysis.faces:
        print(face.emotion, face.confidence)

Nothing here needs Streamlit.
"""

import io
import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import requests
from pydantic import BaseModel, ConfigDict, ValidationError

Emotion = Literal["happy", "surprised", "neutral", "sad", "fearful", "angry", "disgusted"]
EMOTIONS: tuple[str, ...] = get_args(Emotion)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds before a photo is sent again; the pause doubles from the first to the longest."""


class _Part(BaseModel):
    # Fields that a newer server adds are no reason to fail.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Model(_Part):
    """Which model answered, and what runs it."""

    name: str
    version: str
    runtime: str = ""


class Size(_Part):
    """Of the upright image, in pixels."""

    width: int
    height: int


class Box(_Part):
    """In pixels of the upright image, origin top left; may reach over the image's edge."""

    x: float
    y: float
    width: float
    height: float


class Face(_Part):
    """One face; `probabilities` by emotion, summing to 1."""

    box: Box
    detection_confidence: float
    emotion: Emotion
    confidence: float
    probabilities: dict[Emotion, float]


class Analysis(_Part):
    """The service's answer for one image; faces largest first."""

    model: Model
    image: Size
    faces: tuple[Face, ...]
    timings_ms: dict[str, float]


@dataclass(frozen=True)
class Answer:
    """An analysis, and how long it took.

    `round_trip`: seconds from sending the image to having the answer, of which `upload` went by until the last byte
    was handed to the network. `request_id`: stands in the service's log line too.
    """

    analysis: Analysis
    round_trip: float
    upload: float
    request_id: str

    @property
    def waiting(self) -> float:
        """Seconds that neither the upload nor the service's stages account for: queue, batching, network."""
        stages = sum(self.analysis.timings_ms.values()) / 1000
        return max(self.round_trip - self.upload - stages, 0.0)


class ServiceError(Exception):
    """The service did not answer with a result; the message is written for the person who asked."""


class ServerAway(ServiceError):
    """There is no connection."""


class ServerSlow(ServiceError):
    """There was no answer in time."""


class ServerBusy(ServiceError):
    """The queue is full, or no worker could answer."""


class TokenRefused(ServiceError):
    """Whoever guards the service wants another token."""


class ImageRefused(ServiceError):
    """The service looked at the image and refused it; `code` is the contract's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EmotionClient:
    """Talks to one service; keeps its connections, so it is best reused. Threads may share it."""

    def __init__(self, server: str, timeout: float = 10.0, *, retries: int = 0, token: str = "") -> None:
        """`timeout`: seconds for an answer. `retries`: times a photo is sent again while the service is away or busy.

        Sending again is safe, since the service keeps nothing. After a timeout it is not done: a service that is too
        slow gets no faster by more work.
        """
        self._server = server.rstrip("/")
        self._timeout = timeout
        self._retries = retries
        self._session = requests.Session()
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
        self._session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=64))
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def analyse(self, image: bytes) -> Answer:
        """The faces in a JPEG or PNG file's bytes. Raises a subclass of `ServiceError`."""
        for pause in _pauses(self._retries):
            try:
                return self._analyse_once(image)
            except (ServerAway, ServerBusy):
                time.sleep(pause)
        return self._analyse_once(image)

    def health(self) -> float:
        """Seconds that the service takes to say it is healthy. Raises a subclass of `ServiceError`."""
        started = time.perf_counter()
        response = self._send("GET", f"{self._server}/ping")
        if response.status_code != requests.codes.ok:
            raise _error(response)
        return time.perf_counter() - started

    def _analyse_once(self, image: bytes) -> Answer:
        request_id = uuid.uuid4().hex
        body = _Body(image)
        headers = {
            "Content-Type": "application/octet-stream",
            "X-Request-Id": request_id,
            "X-Request-Start": f"t={time.time():.3f}",
        }
        started = time.perf_counter()
        response = self._send("POST", f"{self._server}/predictions/emotion", data=body, headers=headers)
        round_trip = time.perf_counter() - started
        if response.status_code != requests.codes.ok:
            raise _error(response)
        try:
            analysis = Analysis.model_validate_json(response.content)
        except ValidationError as error:
            raise ServiceError("the service's answer does not follow the contract; is its version newer?") from error
        return Answer(analysis, round_trip, max(body.last_read - started, 0.0), request_id)

    def _send(self, method: str, url: str, **options: object) -> requests.Response:
        try:
            return self._session.request(method, url, timeout=self._timeout, **options)  # type: ignore[arg-type]
        except requests.Timeout as error:
            raise ServerSlow(f"the service did not answer within {self._timeout:g} seconds") from error
        except requests.RequestException as error:
            raise ServerAway(f"no connection to the service at {self._server}") from error


class _Body(io.BytesIO):
    """An image that remembers when its last byte was taken for sending."""

    last_read = 0.0

    def read(self, size: int | None = -1, /) -> bytes:
        part = super().read(size)
        if part:
            self.last_read = time.perf_counter()
        return part


def _pauses(count: int) -> Iterator[float]:
    """Doubling pauses, each varied by up to a half so that many clients do not come back in step."""
    for done in range(count):
        yield min(FIRST_PAUSE * 2**done, LONGEST_PAUSE) * random.uniform(0.5, 1.5)  # noqa: S311 - no secret


def _error(response: requests.Response) -> ServiceError:
    status = response.status_code
    if status in {requests.codes.unauthorized, requests.codes.forbidden}:
        return TokenRefused(f"the service refused the token (status {status})")
    if status >= requests.codes.server_error or status == requests.codes.too_many_requests:
        return ServerBusy(f"the service is overloaded or restarting (status {status})")
    if status == requests.codes.request_entity_too_large and not response.content:
        return ImageRefused("image_too_large", "the file is larger than the service accepts")
    try:
        error = response.json()["error"]
        return ImageRefused(error["code"], error["message"])
    except (ValueError, KeyError, TypeError):
        pass
    return ServiceError(f"the service answered with status {status}")
