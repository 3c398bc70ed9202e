"""The bounds on files that the page's server holds, around a route that takes anything."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image
from starlette.requests import Request
from starlette.types import Receive, Scope, Send
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

from client import session, uploads
from client.given import Given
from client.photos import Photo
from client.uploads import BoundedUploads
from tests.conftest import encoded


class Page:
    """Streamlit's route for files, within the bounds."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        self.bounded = BoundedUploads(self.take)

    async def take(self, scope: Scope, receive: Receive, send: Send) -> None:
        owner = scope["path"].split("/")[-2]
        self.held[owner] = self.held.get(owner, 0) + len((await receive())["body"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def ask(self, *question: Any, **headers: Any) -> tuple[int, str]:
        """What `asked` gives."""
        return asyncio.run(self.asked(*question, **headers))

    async def asked(
        self,
        owner: str,
        size: int,
        method: str = "PUT",
        *,
        length: bool = True,
        more: Sequence[tuple[bytes, bytes]] = (),
    ) -> tuple[int, str]:
        """Status and text, of a request with its length or without it, and with `more` headers."""
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"type": "http.request", "body": bytes(size)}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [*[(b"content-length", str(size).encode())] * length, *more]
        path = f"/base/_stcore/upload_file/{owner}/1"
        await self.bounded({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)
        return sent[0]["status"], sent[1]["body"].decode()


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    page = Page()
    monkeypatch.setattr(uploads, "_held", lambda: page.held)
    monkeypatch.setattr(uploads, "_welcome", dict.fromkeys(("ann", "bob", "eve")))
    monkeypatch.setattr(session, "MOST_BYTES", 1000)
    monkeypatch.setattr(uploads, "MOST_BYTES", 2500)
    return page


def test_a_tab_and_all_tabs_hold_only_so_much(page: Page) -> None:
    assert [page.ask("ann", 500)[0] for _ in range(2)] == [204, 204]
    status, why = page.ask("ann", 1_000)
    assert status == 413 and "the files of this tab 0.0 MB; the limit is 0 MB together. Remove some" in why
    assert page.ask("bob", 1000)[0] == 204
    assert "the files of all tabs" in page.ask("eve", 501)[1]
    page.held.pop("ann")
    assert page.ask("eve", 501)[0] == 204


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_files_of_who_has_not_acknowledged_the_notice_are_not_taken(page: Page, method: str) -> None:
    assert page.ask("mallory", 10, method)[0] == 403
    assert page.held == {}


def test_a_file_of_unknown_length_is_not_taken(page: Page) -> None:
    status, why = page.ask("ann", 3, length=False)
    assert status == 411 and "Content-Length" in why


def test_a_length_beside_chunks_is_not_believed(page: Page) -> None:
    assert page.ask("ann", 3, more=[(b"transfer-encoding", b"chunked")])[0] == 411


def test_sessions_stay_welcome_and_the_oldest_of_too_many_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        session_id = ""

    monkeypatch.setattr(uploads, "get_script_run_ctx", lambda: Context)
    monkeypatch.setattr(uploads, "_welcome", {})
    monkeypatch.setattr(uploads, "MOST_SESSIONS", 2)
    for Context.session_id in ("ann", "bob", "eve"):
        uploads.welcome()
    assert list(uploads._welcome) == ["bob", "eve"]


def test_a_file_may_always_be_removed(page: Page) -> None:
    assert page.ask("mallory", 0, "DELETE")[0] == 204


def test_files_that_come_at_once_count_together(page: Page) -> None:
    async def three() -> list[int]:
        return [status for status, _ in await asyncio.gather(*(page.asked("ann", 400) for _ in range(3)))]

    assert sorted(asyncio.run(three())) == [204, 204, 413]
    page.held.clear()
    assert page.ask("ann", 1000)[0] == 204


@pytest.mark.parametrize("pause", [0.04, 10.0])
def test_a_file_that_never_comes_whole_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, pause: float) -> None:
    """What is under way counts for everybody."""
    monkeypatch.setattr(uploads, "_welcome", {"ann": None})
    monkeypatch.setattr(uploads, "LONGEST_SILENCE", 0.1)
    sent: list[Any] = []

    async def form(scope: Scope, receive: Receive, send: Send) -> None:
        async for _ in Request(scope, receive).stream():
            pass

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    bounded = BoundedUploads(form)
    scope = {"type": "http", "method": "PUT", "path": f"{uploads.ROUTE}ann/1", "headers": [(b"content-length", b"9")]}
    asyncio.run(asyncio.wait_for(bounded(scope, receive, send), 10))
    assert sent[0]["status"] == 408 and bounded._coming == {}


class Context:
    """Of a page that is being drawn."""

    session_id = "ann"


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    """What Streamlit holds, empty."""
    manager = MemoryUploadedFileManager("/upload")
    monkeypatch.setattr(uploads, "_manager", lambda: manager)
    monkeypatch.setattr(uploads, "_welcome", {"ann": None, "bob": None})
    monkeypatch.setattr(uploads, "get_script_run_ctx", lambda: Context)
    return manager


def put(manager: MemoryUploadedFileManager, name: str, data: bytes, owner: str = "ann") -> None:
    """Upload a file through the bounds into what Streamlit holds."""

    async def take(scope: Scope, receive: Receive, send: Send) -> None:
        manager.add_file(owner, UploadedFileRec(name, name, "", data))
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def send(message: Any) -> None:
        assert message["status"] == 204

    headers = [(b"content-length", str(len(data)).encode())]
    scope = {"type": "http", "method": "PUT", "path": f"/_stcore/upload_file/{owner}/{name}", "headers": headers}
    asyncio.run(BoundedUploads(take)(scope, asyncio.Event().wait, send))  # type: ignore[arg-type]


def taken(manager: MemoryUploadedFileManager, name: str) -> Given:
    """As the page takes it; Streamlit then holds nothing."""
    (record,) = manager.get_files("ann", [name])
    file = uploads.taken(UploadedFile(record, FileURLs()))
    assert manager.get_files("ann", [name]) == []
    return file


@pytest.mark.parametrize("name", ["a.jpg", "A.JPG"])
def test_a_photo_is_made_smaller_before_the_browser_sends_the_next(
    manager: MemoryUploadedFileManager, smiling: Image.Image, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("client.given.MOST_OWN", 0)
    data = encoded(smiling.resize((3000, 3000)), "JPEG", quality=95)
    put(manager, name, data)
    small = uploads._held()["ann"]
    assert 0 < small < len(data) / 2
    photo = taken(manager, name)
    assert (photo.name, photo.size, photo.data) == (name, small, b"")
    assert uploads._held() == {"ann": 0}


@pytest.mark.parametrize("name", ["a.zip", "a.mp4"])
def test_other_files_are_held_as_they_came(manager: MemoryUploadedFileManager, name: str) -> None:
    put(manager, name, b"12345")
    put(manager, name, b"123", "bob")
    assert uploads._held() == {"ann": 5, "bob": 3}
    assert taken(manager, name).data == b"12345"


def test_a_photo_that_went_while_it_was_made_ready_does_not_come_back(
    manager: MemoryUploadedFileManager, smiling: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Given.photo

    def meanwhile(photo: Given) -> Photo:
        manager.remove_session_files("ann")
        return made(photo)

    monkeypatch.setattr(Given, "photo", meanwhile)
    put(manager, "a.jpg", encoded(smiling, "JPEG"))
    assert uploads._held() == {}


def test_without_streamlit_nothing_is_held() -> None:
    assert uploads._held() == {}


@pytest.mark.parametrize("fragments", [None, ["fragment"]])
def test_the_address_for_a_file_is_not_lost_when_the_page_is_drawn_anew(
    monkeypatch: pytest.MonkeyPatch, fragments: list[str] | None
) -> None:
    monkeypatch.setattr(ForwardMsgQueue, "clear", ForwardMsgQueue.clear)  # as it was, after this test
    uploads.keep_addresses()
    queue, address, drawn = ForwardMsgQueue(), ForwardMsg(), ForwardMsg()
    address.file_urls_response.response_id = "1"
    drawn.delta.new_element.markdown.body = "of the page before"
    drawn.delta.fragment_id = "fragment"
    queue.enqueue(drawn)
    queue.enqueue(address)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=fragments)
    queue.enqueue(drawn)
    assert queue.flush() == [address, drawn] and queue.is_empty()
