"""The HTTP contract as a typed Python client.

    client = EmotionClient("http://127.0.0.1:8080")
    answer = client.analyse(Path("photo.jpg").read_bytes())
    for face in answer.analysis.faces:
        print(face.emotion, face.confidence)

Nothing here needs Streamlit.
"""

import contextlib
import io
import math
import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import requests
from pydantic import ValidationError

from emotion.contract import (
    ACCEPTED,
    EXPIRED,
    IMAGE_ERRORS,
    IMAGE_TOO_LARGE,
    NOT_ANSWERED,
    STANDARD,
    TIMEOUT_HEADER,
    UPLOAD_TIMEOUT,
    Analysis,
    Detail,
    ErrorAnswer,
)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds before a photo is sent again; the pause doubles from the first to the longest."""


@dataclass(frozen=True)
class Answer:
    """An analysis, and how long it took.

    `round_trip`: seconds from sending the image to having the answer; `upload`: the part of them until the last byte
    was handed to the network. `request_id`: also in the service's log line. `body`: the answer as it came.
    """

    outcome: ClassVar[str] = "ok"
    """In the client's metrics."""

    analysis: Analysis
    round_trip: float
    upload: float
    request_id: str
    body: bytes = b"{}"

    @property
    def waiting(self) -> float:
        """Seconds that neither the upload nor the service's stages account for: queue, batching, network."""
        stages = sum(self.analysis.timings_ms.values()) / 1000
        return max(self.round_trip - self.upload - stages, 0.0)


class ServiceError(Exception):
    """The service did not answer with a result; the message is written for the person who asked.

    The attributes of each subclass say how to react to it; callers read them instead of testing for subclasses.
    """

    outcome: ClassVar[str] = "error"
    """The kind's name in the client's metrics."""
    code: str = "error"
    """The status of the photo in tables of results."""
    passes: ClassVar[bool] = False
    """Whether the same photo may succeed a little later."""
    resends: ClassVar[float] = 0
    """How often at most the client sends the photo again by itself."""
    every_photo: ClassVar[bool] = False
    """Whether all other photos would fail too."""
    advice: ClassVar[str] = ""
    """What the person at the page can do."""


class ServerAway(ServiceError):
    """There is no connection."""

    outcome = "away"
    passes = every_photo = True
    resends = math.inf
    advice = "Try again in a minute. If you run this: start it with `make run`, or set `EMOTION_SERVER` to its address."


class ServerSlow(ServiceError):
    """There was no answer in time; the photo is not sent again, because more work would slow the service further."""

    outcome = "slow"
    passes = every_photo = True
    advice = "It may be overloaded. Try again in a minute. If you run this: `EMOTION_TIMEOUT` sets how long to wait."


class ServerBusy(ServiceError):
    """The queue is full, or no worker could answer."""

    outcome = "busy"
    passes = every_photo = True
    resends = math.inf
    advice = "Wait a few seconds and try again."


class NotAnswered(ServiceError):
    """The service lost this photo. It may be the photo that ends a worker, so it is sent once more and no oftener."""

    outcome = code = NOT_ANSWERED.code
    passes = True
    resends = 1
    advice = "Try again once; if it fails again, try another photo."


class UploadTimeout(ServiceError):
    """The photo did not arrive in time."""

    outcome = code = UPLOAD_TIMEOUT.code
    passes = True
    resends = 1
    advice = "Try a smaller photo, or a faster connection."


class Redirected(ServiceError):
    """The service, or what stands in its place, names another address."""

    outcome = "redirected"
    every_photo = True
    advice = "If you run this: set `EMOTION_SERVER` to the address of the service itself, often the one with https://."


class TokenRefused(ServiceError):
    """The service, or the edge in front of it, refused the token."""

    outcome = "token_refused"
    every_photo = True
    advice = "If you run this: set `EMOTION_TOKEN` to one that the service accepts, and start it again."


class ImageRefused(ServiceError):
    """The service looked at the image and refused it; `code` is the contract's."""

    outcome = "image_refused"
    advice = f"Try another photo: {ACCEPTED}."

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


BY_CODE: dict[str, type[ServiceError]] = {
    NOT_ANSWERED.code: NotAnswered,
    UPLOAD_TIMEOUT.code: UploadTimeout,
    EXPIRED.code: ServerSlow,
}


class EmotionClient:
    """Talks to one service; keeps its connections, so reuse it, and close it or use it in `with`. Threads may share it.

    A redirect is never followed: the photo would go, or be asked for, where nobody meant it to.
    """

    def __init__(
        self, server: str, timeout: float = 10.0, *, connect_timeout: float = 3.0, retries: int = 0, token: str = ""
    ) -> None:
        """`timeout`: seconds for an answer, which the service hears of too, so that it does not work for nobody.
        `connect_timeout`: seconds for a connection. `retries`: times a photo is sent again while the service is away or
        busy.

        Sending again is safe, since the service keeps nothing.
        """
        self._server = server.rstrip("/")
        self._timeout, self._connect_timeout = timeout, connect_timeout
        self._retries = retries
        self._session = requests.Session()
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
        self._session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=64))
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def analyse(self, image: bytes, detail: Detail = STANDARD) -> Answer:
        """The faces in a JPEG, PNG or WebP file's bytes; `detail`: how closely to look for them.

        Raises a subclass of `ServiceError`.
        """
        for sent_again, pause in enumerate(_pauses(self._retries)):
            try:
                return self._analyse_once(image, detail)
            except ServiceError as error:
                if sent_again >= error.resends:
                    raise
                time.sleep(pause)
        return self._analyse_once(image, detail)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._session.close()

    def __enter__(self) -> "EmotionClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def health(self) -> float:
        """Seconds that the service takes to say it is healthy. Raises a subclass of `ServiceError`."""
        started = time.perf_counter()
        response = self._send("GET", f"{self._server}/ping")
        if response.status_code != requests.codes.ok:
            raise _error(response)
        return time.perf_counter() - started

    def _analyse_once(self, image: bytes, detail: Detail) -> Answer:
        request_id = uuid.uuid4().hex
        body = _Body(image)
        headers = {
            "Content-Type": "application/octet-stream",
            "X-Request-Id": request_id,
            TIMEOUT_HEADER: f"{self._timeout:.3f}",
        }
        started = time.perf_counter()
        address = f"{self._server}/predictions/emotion"
        try:
            response = self._send("POST", address, params={"detail": detail}, data=body, headers=headers)
        except ServerAway as error:
            if body.last_read:  # there was a connection: this photo may have ended the whole pod
                raise NotAnswered("the connection to the service ended before its answer") from error
            raise
        round_trip = time.perf_counter() - started
        if response.status_code != requests.codes.ok:
            raise _error(response)
        if not response.content:  # the door's word, now and then, for an upload that took too long
            raise UploadTimeout("the answer is empty; the photo may not have arrived in time")
        try:
            analysis = Analysis.model_validate_json(response.content)
        except ValidationError as error:
            raise ServiceError("the service's answer does not follow the contract; is its version newer?") from error
        return Answer(analysis, round_trip, max(body.last_read - started, 0.0), request_id, response.content)

    def _send(self, method: str, url: str, **options: object) -> requests.Response:
        try:
            response = self._session.request(
                method,
                url,
                timeout=(self._connect_timeout, self._timeout),
                allow_redirects=False,
                **options,  # type: ignore[arg-type]
            )
        except requests.ConnectTimeout as error:
            raise ServerAway(
                f"no connection to the service at {self._server} within {self._connect_timeout:g} seconds"
            ) from error
        except requests.Timeout as error:
            raise ServerSlow(f"the service did not answer within {self._timeout:g} seconds") from error
        except requests.RequestException as error:
            raise ServerAway(f"no connection to the service at {self._server}") from error
        if response.is_redirect:
            raise Redirected(f"{self._server} answers with a redirect (status {response.status_code})")
        return response


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
    """The kind of error that an answer is, by its code, or by its status where a proxy answered in the service's place.

    A 502 without a code is a proxy's that finds no service.
    """
    status = response.status_code
    code, message = _contract_error(response.content)
    if code in BY_CODE:
        return BY_CODE[code](message)
    if code in {kind.code for kind in IMAGE_ERRORS}:
        return ImageRefused(code, message)
    if status in {requests.codes.unauthorized, requests.codes.forbidden}:
        return TokenRefused(f"the service refused the token (status {status})")
    if status >= requests.codes.server_error or status == requests.codes.too_many_requests:
        return ServerBusy(f"the service is overloaded or restarting (status {status})")
    if status == IMAGE_TOO_LARGE.status:
        return ImageRefused(IMAGE_TOO_LARGE.code, "the file is larger than the service accepts")
    return ServiceError(f"the service answered with status {status}")


def _contract_error(body: bytes) -> tuple[str, str]:
    """Code and message of an answer in the contract's form, otherwise two empty texts."""
    with contextlib.suppress(ValidationError):
        error = ErrorAnswer.model_validate_json(body).error
        return error.code, error.message
    return "", ""
