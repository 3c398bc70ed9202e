"""Forgets what the page holds of a tab that has gone.

Streamlit keeps the session of a tab that was closed or reloaded, photos and all, in case the tab was only cut off and
comes back. It lets go of it after two minutes at the soonest, and then only when another tab goes.
"""

import threading
import time

from streamlit.runtime import Runtime
from streamlit.runtime.runtime import RuntimeState


def start(seconds: float) -> None:
    """From now on, in a thread that ends with this process, close each session whose tab is away for `seconds`."""
    threading.Thread(target=_watch, args=(seconds,), name="forgetting", daemon=True).start()


def _watch(seconds: float) -> None:
    away: dict[str, float] = {}
    while True:
        time.sleep(min(seconds / 4, 5.0))
        _look(away, seconds)


def _look(away: dict[str, float], seconds: float) -> None:
    if Runtime.exists() and (runtime := Runtime.instance()).state is not RuntimeState.INITIAL:
        # Sessions belong to the thread of the runtime's own loop; there is no public way to list them.
        runtime._get_async_objs().eventloop.call_soon_threadsafe(_close, runtime, away, seconds)


def _close(runtime: Runtime, away: dict[str, float], seconds: float) -> None:
    """`away`: since when each session has had no tab, by its id; kept from call to call."""
    manager, now = runtime._session_mgr, time.monotonic()
    gone = {each.session.id for each in manager.list_sessions()}
    gone -= {each.session.id for each in manager.list_active_sessions()}
    for returned in away.keys() - gone:
        del away[returned]
    for session in gone:
        if now - away.setdefault(session, now) >= seconds:
            manager.close_session(session)
            del away[session]
