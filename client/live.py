"""The live camera's frames: a WebSocket beside Streamlit's own, because a rerun of the page for each would be too slow.

The browser sends a `Greeting`, then a JPEG at a time; each is answered with the people in it, or with what went wrong,
before the next is read. Only the page of a session whose user acknowledged the notice has a ticket for it. Frames are
kept nowhere; what is known of the people ends with the connection.
"""

import asyncio
import contextlib
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any, TypeVar
from urllib.parse import urlparse

import streamlit as st
from pydantic import BaseModel, ConfigDict, Field
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.web.server.server_util import is_url_from_allowed_origins

from client import metrics, session, settings, words
from client.api import EmotionClient, ServiceError
from client.results import shown_emotion, why_unreliable
from client.settings import Settings
from client.tracking import Followed, Tracker
from emotion.contract import STANDARD, Detail

MOST_BYTES = 1_000_000
"""Of a frame; the browser's, at 640 pixels, have a tenth of it."""

MOST_SAID = 1000
"""Characters of a greeting or of wishes; they have a tenth of it."""

MOST_CAMERAS = 16
"""Of one page at once, since each keeps a thread busy."""

MOST_OF_ONE = 8
"""Connections of one session: the latest is its camera, the others have not ended yet."""

PATIENCE = 10.0
"""Seconds for the greeting."""

TIMEOUT = 3.0
"""Seconds; an answer that takes longer is of no use to a moving picture."""

REFUSED, TOO_MANY = 4001, 4002
"""Why a connection is closed: it has no valid ticket; there are too many cameras."""

_pool = ThreadPoolExecutor(MOST_CAMERAS, "camera")
_sessions: dict[str, str] = {}
"""The Streamlit session of each ticket."""


@dataclass
class _Camera:
    """Of one session, which cannot have two: that one person cannot take them all.

    A connection may outlast the camera's stop by seconds; so what a new one sends waits for the frame of the one
    before, which is told that it is no longer wanted.
    """

    connections: list[WebSocket] = field(default_factory=list)
    """The last one counts."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


_on: dict[str, _Camera] = {}
"""The camera of each session that has one on."""
metrics.CAMERAS.set_function(lambda: len(_on))


class Wishes(BaseModel):
    """What the person chose; may be sent anew at any time."""

    model_config = ConfigDict(extra="forbid")

    smoothing: Annotated[float, Field(ge=0, le=10)] = 0.5
    """Seconds of the exponential average."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Confidence below which an emotion is uncertain."""
    detail: Detail = STANDARD


class Greeting(Wishes):
    """The first message of a connection."""

    ticket: str


Message = TypeVar("Message", bound=Wishes)


def path() -> str:
    """Of the route, below the page's own base."""
    base = str(st.get_option("server.baseUrlPath")).strip("/")
    return f"/{base}/live" if base else "/live"


def ticket() -> str:
    """Lets this session's page send frames, as long as the session lasts; only once the notice is acknowledged."""
    context = get_script_run_ctx()
    if context is None:
        raise RuntimeError("there is a ticket only for a page's session")
    for old, owner in list(_sessions.items()):  # a copy: other sessions' threads add theirs
        if not session.lives(owner):
            _sessions.pop(old, None)
    kept: str = st.session_state.setdefault("ticket", secrets.token_urlsafe(24))
    _sessions[kept] = context.session_id
    return kept


async def answer_frames(socket: WebSocket) -> None:
    """The route."""
    if not _same_origin(socket):
        await socket.close()
        return
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        try:
            greeting = _said(Greeting, await asyncio.wait_for(socket.receive_text(), PATIENCE))
        except (ValueError, KeyError, TimeoutError):
            await socket.close(REFUSED)
            return
        owner = _sessions.get(greeting.ticket, "")
        if not session.lives(owner):
            await socket.close(REFUSED)
        elif len(_on[owner].connections) >= MOST_OF_ONE if owner in _on else len(_on) >= MOST_CAMERAS:
            await socket.close(TOO_MANY)
        else:
            camera = _on.setdefault(owner, _Camera())
            camera.connections.append(socket)
            try:
                await _converse(socket, owner, camera, greeting)
            finally:
                camera.connections.remove(socket)
                if not camera.connections:
                    del _on[owner]


def _same_origin(socket: WebSocket) -> bool:
    """As Streamlit decides it for its own connection: another site's page must not use a visitor's."""
    origin = socket.headers.get("origin")
    if origin is None:  # no browser
        return True
    return urlparse(origin).netloc == socket.headers.get("host") or is_url_from_allowed_origins(origin)


async def _converse(socket: WebSocket, owner: str, camera: _Camera, wishes: Wishes) -> None:
    client = _client(settings.from_environment())
    tracker = Tracker(wishes.smoothing)
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        async with camera.turn:
            if camera.connections[-1] is not socket or not session.lives(owner):
                await socket.close(REFUSED)
                return
            if (text := message.get("text")) is not None:
                try:
                    wishes = _said(Wishes, text)
                except ValueError:
                    await socket.close(REFUSED)
                    return
                tracker.time_constant = wishes.smoothing
            else:
                await socket.send_json(await _answer(client, tracker, wishes, message["bytes"]))


def _said(kind: type[Message], text: str) -> Message:
    """Raises `ValueError`, as which pydantic's own errors count."""
    if len(text) > MOST_SAID:  # JSON that is taken apart needs a hundred times its memory
        raise ValueError(f"a message has at most {MOST_SAID} characters")
    return kind.model_validate_json(text)


@cache
def _client(chosen: Settings) -> EmotionClient:
    """A frame is never sent again: the next one is newer."""
    chosen = replace(chosen, timeout=min(chosen.timeout, TIMEOUT))
    return EmotionClient(chosen.server, chosen.timeout, token=chosen.token)


async def _answer(client: EmotionClient, tracker: Tracker, wishes: Wishes, frame: bytes) -> dict[str, Any]:
    if len(frame) > MOST_BYTES:
        return {"error": f"the frame has {len(frame) / 1e6:.1f} MB; the limit is {MOST_BYTES / 1e6:g} MB"}
    at = time.monotonic()
    try:
        answer = await asyncio.get_running_loop().run_in_executor(_pool, client.analyse, frame, wishes.detail)
    except ServiceError as error:
        metrics.record(error)
        return {"error": f"{words.of_error(error)}. {error.advice.replace('`', '')}"}  # plain text, no Markdown
    metrics.record(answer)
    return {"people": [_person(each, wishes.threshold) for each in tracker.follow(at, answer.analysis.faces)]}


def _person(followed: Followed, threshold: float) -> dict[str, Any]:
    """What the browser draws of a person; the box is in pixels of the frame."""
    face, box = followed.smoothed, followed.face.box
    return {
        "person": followed.person,
        "box": [box.x, box.y, box.width, box.height],
        "shown": shown_emotion(face, threshold),
        "confidence": face.confidence,
        "probabilities": face.probabilities,
        "why": why_unreliable(face),
    }
