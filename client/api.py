"""The HTTP contract as a typed Python client.

    answer = EmotionClient("http://127.0.0.1:8080").analyse(Path("photo.jpg").read_bytes())
    for face in answer.analysis.faces:
        print(face.emotion, face.confidence)

Nothing here needs Streamlit.
"""

import time
from dataclasses import dataclass

import requests
from pydantic import BaseModel, ConfigDict, ValidationError

EMOTIONS = ("happy", "surprised", "neutral", "sad", "fearful", "angry", "disgusted")


class _Part(BaseModel):
    # Fields that a newer server adds are no reason to fail.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Model(_Part):
    """Which model answered."""

    name: str
    version: str


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
    emotion: str
    confidence: float
    probabilities: dict[str, float]


class Analysis(_Part):
    """The service's answer for one image; faces largest first."""

    model: Model
    image: Size
    faces: tuple[Face, ...]
    timings_ms: dict[str, float]


@dataclass(frozen=True)
class Answer:
    """An analysis and the seconds from sending the image to having it."""

    analysis: Analysis
    round_trip: float


class ServiceError(Exception):
    """The service did not answer with a result; the message is written for the person who asked."""


class ServerAway(ServiceError):
    """No connection, or no answer in time."""


class ServerBusy(ServiceError):
    """The queue is full, or no worker could answer."""


class ImageRefused(ServiceError):
    """The service looked at the image and refused it; `code` is the contract's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EmotionClient:
    """Talks to one service; keeps its connection, so it is best reused."""

    def __init__(self, server: str, timeout: float = 10.0) -> None:
        self._url = f"{server.rstrip('/')}/predictions/emotion"
        self._timeout = timeout
        self._session = requests.Session()

    def analyse(self, image: bytes) -> Answer:
        """The faces in a JPEG or PNG file's bytes. Raises a subclass of `ServiceError`."""
        started = time.perf_counter()
        try:
            response = self._session.post(
                self._url, data=image, headers={"Content-Type": "application/octet-stream"}, timeout=self._timeout
            )
        except requests.Timeout as error:
            raise ServerAway(f"the service did not answer within {self._timeout:g} seconds") from error
        except requests.RequestException as error:
            raise ServerAway(f"no connection to the service at {self._url}") from error
        round_trip = time.perf_counter() - started
        if response.status_code == requests.codes.ok:
            try:
                return Answer(Analysis.model_validate_json(response.content), round_trip)
            except ValidationError as error:
                raise ServiceError(
                    "the service's answer does not follow the contract; is its version newer?"
                ) from error
        raise _error(response)


def _error(response: requests.Response) -> ServiceError:
    if response.status_code == requests.codes.request_entity_too_large and not response.content:
        return ImageRefused("image_too_large", "the file is larger than the service accepts")
    try:
        error = response.json()["error"]
        return ImageRefused(error["code"], error["message"])
    except (ValueError, KeyError, TypeError):
        pass
    if response.status_code >= requests.codes.server_error:
        return ServerBusy(f"the service is overloaded or restarting (status {response.status_code})")
    return ServiceError(f"the service answered with status {response.status_code}")
