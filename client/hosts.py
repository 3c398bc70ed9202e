"""Whom the page answers: only those who call it by a name of its own.

A site whose name its owner points at this machine (DNS rebinding) is to a browser of the same origin as the page, and
could use whatever connection the page gives its own visitors. What a browser cannot be talked out of is the name that
it called, which it sends in `Host`; an address in place of a name belongs to nobody else.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import net_util

from client import settings

LOOPBACK = "localhost"
"""With all names below it: RFC 6761, 6.3."""


class OwnHosts:
    """ASGI middleware that refuses, with 403, every request and WebSocket for another host than the page's.

    Loopback's name and addresses are always the page's, and what `EMOTION_HOSTS` names.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host") if scope["type"] in {"http", "websocket"} else None
        # Browsers always send one.
        if host is None or is_own(host, settings.from_environment().hosts):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
        else:
            await PlainTextResponse(refusal(host), 403)(scope, receive, send)


def ask_no_stranger() -> None:
    """Let Streamlit not ask a host of Amazon's for this machine's address.

    It does at each start, and, while nobody is answered, for each WebSocket that another site's page tries to open.
    """
    net_util.get_external_ip = lambda: None


def is_own(host: str, names: tuple[str, ...]) -> bool:
    """Whether a `Host` header names the page; the port does not matter."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == LOOPBACK or name.endswith(f".{LOOPBACK}") or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def refusal(host: str) -> str:
    """What is answered."""
    return (
        f"The page was called as {host[:100]!r}; it answers to localhost, addresses and the names in EMOTION_HOSTS. "
        "If this is its name, whoever runs it sets EMOTION_HOSTS to it.\n"
    )
