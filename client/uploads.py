"""Bounds on the files that Streamlit takes for its uploaders, before it takes them.

Its route takes any file for any open session, whether or not a page asked for one, up to 200 MB each and without a
bound on their number, and holds all in memory.
"""

import threading

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from client import session

ROUTE = "/_stcore/upload_file/"
"""Streamlit's, below the page's own base; session and file follow."""

MOST_BYTES = 600_000_000
"""Of all sessions together, those that are under way included: what arrives is held twice for a moment, and the page's
pod has 2 GiB."""

MOST_SESSIONS = 10_000
"""That are remembered; one that was forgotten is welcome again when its page is next drawn."""

_welcome: dict[str, None] = {}
"""Sessions whose user acknowledged the notice, the oldest first. They stay welcome when their tab is cut off for a
moment; of one that has ended Streamlit takes nothing."""
_lock = threading.Lock()


def welcome() -> None:
    """From now on files of this session are taken, as long as it lasts."""
    context = get_script_run_ctx()
    if context is None:
        return
    with _lock:
        _welcome[context.session_id] = None
        while len(_welcome) > MOST_SESSIONS:
            del _welcome[next(iter(_welcome))]


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
        owner = scope["path"].partition(ROUTE)[2].partition("/")[0]
        headers = Headers(scope=scope)
        # With both, the length says nothing of what comes (RFC 9112, 6.3).
        length = "" if "transfer-encoding" in headers else headers.get("content-length", "")
        refused = self._refusal(owner, length)
        if refused:
            status, why = refused
            await PlainTextResponse(f"{why}\n", status)(scope, receive, send)
            return
        self._coming[owner] = self._coming.get(owner, 0) + int(length)
        try:
            await self.app(scope, receive, send)
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
    manager = runtime.get_instance().uploaded_file_mgr if runtime.exists() else None
    if not isinstance(manager, MemoryUploadedFileManager):
        return {}
    held = list(manager.file_storage.items())
    return {owner: sum(len(file.data) for file in list(files.values())) for owner, files in held}
