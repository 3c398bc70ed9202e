"""What `python -m client` serves: the page, and beside it the route of the live camera's frames."""

from pathlib import Path

import streamlit as st
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute

from client import charts, live, memory, timeline, uploads  # noqa: F401, for what they bring
from client.hosts import OwnHosts
from client.uploads import BoundedUploads

# An upload over 1 MB would pass through a file; Streamlit itself bounds what it takes.
MultiPartParser.spool_max_size = 2**40

uploads.keep_addresses()

app = st.App(
    Path(__file__).with_name("app.py"),
    routes=[WebSocketRoute(live.path(), live.answer_frames)],
    middleware=[Middleware(OwnHosts), Middleware(BoundedUploads)],
)

# All that pages need is loaded before anybody visits.
memory.keep()
