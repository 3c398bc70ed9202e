"""Bounds on the files that Streamlit takes for its uploaders, and what it holds of them until the page is drawn.

Its route takes any file for any open session, whether or not a page asked for one, up to 200 MB each and without a
bound on their number, and holds all in memory. The page is drawn when the last of the files that were chosen together
has come; by then the others, if they are photos, are small enough to be sent on.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

from client import photos, session
from client.given import AT_ONCE, Given

ROUTE = "/_stcore/upload_file/"
"""Streamlit's, below the page's own base; session and file follow."""

MOST_BYTES = 600_000_000
"""Of all sessions together, those that are under way included: what arrives is held twice for a moment, and the page's
pod has 2 GiB."""

MOST_SESSIONS = 10_000
"""That are remembered; one that was forgotten is welcome again when its page is next drawn."""

LONGEST_SILENCE = 30.0
"""Seconds between two pieces of a file: what is under way counts for everybody."""

LEAST_RATE = 50_000
"""Bytes a second at which a whole file must come, on top of `LONGEST_SILENCE`."""

_welcome: dict[str, None] = {}
"""Sessions whose user acknowledged the notice, the oldest first. They stay welcome when their tab is cut off for a
moment; of one that has ended Streamlit takes nothing."""
_lock = threading.Lock()

_pool = ThreadPoolExecutor(AT_ONCE, "photo")


class MadeReady(UploadedFileRec):
    """What Streamlit holds of a photo in place of its file, which is `photo`'s."""

    photo: Given


def welcome() -> None:
    """From now on files of this session are taken, as long as it lasts."""
    context = get_script_run_ctx()
    if context is None:
        return
    with _lock:
        _welcome[context.session_id] = None
        while len(_welcome) > MOST_SESSIONS:
            del _welcome[next(iter(_welcome))]


def keep_addresses() -> None:
    """Let no file be lost that was given at the moment at which its page begins to be drawn anew.

    The browser asks to what address it shall send a file. Streamlit throws the answer away with all others that wait
    when a page begins, as it does when another file of the same choice was refused, and the file then never comes.
    """
    clear = ForwardMsgQueue.clear

    def clear_but_addresses(
        queue: ForwardMsgQueue, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: list[str] | None = None
    ) -> None:
        waiting = [each for each in queue._queue if each.WhichOneof("type") == "file_urls_response"]
        clear(queue, retain_lifecycle_msgs, fragment_ids_this_run)
        if retain_lifecycle_msgs:
            queue._queue += [each for each in waiting if not any(each is kept for kept in queue._queue)]

    ForwardMsgQueue.clear = clear_but_addresses  # type: ignore[method-assign, assignment]


class BoundedUploads:
    """ASGI middleware that refuses an upload which would be too much, or for which no page asked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._coming: dict[str, int] = {}
        """Bytes under way by session."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in {"DELETE", "OPTIONS"} or ROUTE not in scope["path"]:
            await self.app(scope, receive, send)
            return
        owner, _, file = scope["path"].partition(ROUTE)[2].partition("/")
        headers = Headers(scope=scope)
        # With both, the length says nothing of what comes (RFC 9112, 6.3).
        length = "" if "transfer-encoding" in headers else headers.get("content-length", "")
        refused = self._refusal(owner, length)
        if refused:
            status, why = refused
            await PlainTextResponse(f"{why}\n", status)(scope, receive, send)
            return

        async def send_when_ready(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300:
                await _make_ready(owner, file)  # the browser sends a few at a time: the next one waits for this
            await send(message)

        until = asyncio.get_running_loop().time() + LONGEST_SILENCE + int(length) / LEAST_RATE

        async def receive_in_time() -> Message:
            left = until - asyncio.get_running_loop().time()
            try:
                return await asyncio.wait_for(receive(), max(min(left, LONGEST_SILENCE), 0))
            except TimeoutError:
                return {"type": "http.disconnect"}

        self._coming[owner] = self._coming.get(owner, 0) + int(length)
        try:
            await self.app(scope, receive_in_time, send_when_ready)
        except ClientDisconnect:
            await PlainTextResponse("The file did not come in time.\n", 408)(scope, receive, send)
        finally:
            left = self._coming.pop(owner, 0) - int(length)
            if left > 0:
                self._coming[owner] = left

    def _refusal(self, owner: str, length: str) -> tuple[int, str] | None:
        """Status and reason, if there is one."""
        if owner not in _welcome:
            return 403, "Files are taken once the notice on the page is acknowledged."
        if not length.isdecimal():
            return 411, "A file must say how long it is; send Content-Length."
        held = _held()
        for whose, bytes_held, most in (
            ("this tab", held.get(owner, 0) + self._coming.get(owner, 0), session.MOST_BYTES),
            ("all tabs", sum(held.values()) + sum(self._coming.values()), MOST_BYTES),
        ):
            if bytes_held + int(length) > most:
                return 413, (
                    f"The file has {int(length) / 1e6:.1f} MB, the files of {whose} {bytes_held / 1e6:.1f} MB; "
                    f"the limit is {most / 1e6:.0f} MB together. Remove some, or try again later."
                )
        return None


def _held() -> dict[str, int]:
    """Bytes that Streamlit holds, by session."""
    manager = _manager()
    held = [] if manager is None else list(manager.file_storage.items())
    return {owner: sum(map(_size, list(files.values()))) for owner, files in held}


def _size(record: UploadedFileRec) -> int:
    return record.photo.size if isinstance(record, MadeReady) else len(record.data)


async def _make_ready(owner: str, file: str) -> None:
    """Where a file that came is a photo, hold it as it will be sent."""
    manager = _manager()
    if manager is None:
        return
    for record in manager.get_files(owner, [file]):
        if not record.name.lower().endswith(photos.SUFFIXES):
            continue
        ready = MadeReady(record.file_id, record.name, record.type, b"")
        ready.photo = Given(record.name, record.data)
        await asyncio.get_running_loop().run_in_executor(_pool, ready.photo.photo)
        if manager.get_files(owner, [file]) == [record]:  # the person or the whole tab may have gone meanwhile
            manager.add_file(owner, ready)


def taken(upload: UploadedFile) -> Given:
    """A file that came, which Streamlit then holds no longer."""
    context, manager = get_script_run_ctx(), _manager()
    if context is None or manager is None:
        return Given(upload.name, upload.getvalue())
    records = manager.get_files(context.session_id, [upload.file_id])
    manager.remove_file(context.session_id, upload.file_id)
    ready = [record.photo for record in records if isinstance(record, MadeReady)]
    return ready[0] if ready else Given(upload.name, upload.getvalue())


def _manager() -> MemoryUploadedFileManager | None:
    manager = runtime.get_instance().uploaded_file_mgr if runtime.exists() else None
    return manager if isinstance(manager, MemoryUploadedFileManager) else None
