"""What the page remembers of a session."""

import pytest
import streamlit as st

from client import session


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})


def test_photos_that_are_on_their_way_are_expected() -> None:
    session.add_photo("a.jpg", b"a")
    assert session.expected() == 1
    session.expect(20)
    session.add_photo("b.jpg", b"b")
    assert session.expected() == 21
