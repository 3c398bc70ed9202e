"""What the page's server holds of people's photos."""

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
import streamlit as st
from PIL import Image

from client import given, session
from client.given import Given
from tests.conftest import encoded


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "_all", type(given._all)())


def test_beyond_the_bound_of_all_people_photos_are_kept_as_they_were_sent(
    smiling: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(smiling.resize((2600, 2600)), "JPEG")
    monkeypatch.setattr(given, "MOST_OWN", 2 * len(data))
    first, second, third = (Given(f"{number}.jpg", data) for number in range(3))
    assert first.photo().original == second.photo().original == data
    assert third.photo().original == b"" and third.photo().size == (2600, 2600)
    assert (first.size, third.size) == (len(data) + len(first.photo().data), len(third.photo().data))
    del first
    gc.collect()
    assert Given("4.jpg", data).photo().original == data, "what somebody cleared makes room"


def test_a_photo_is_made_ready_once(smiling: Image.Image) -> None:
    data = encoded(smiling, "JPEG")
    photo = Given("a.jpg", data)
    assert photo.size == len(data)
    assert photo.photo() is photo.photo()
    assert photo.size == len(data), "sent as it is, so it is held once"


def test_threads_that_ask_at_once_get_the_same_photo(smiling: Image.Image) -> None:
    photo = Given("a.jpg", encoded(smiling.resize((3000, 3000)), "JPEG"))
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: photo.photo(), range(4)))
    assert all(each is made[0] for each in made) and made[0].thumbnail is not None


def test_all_people_together_give_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(given, "MOST_HELD", 1000)
    others = Given("other.jpg", bytes(600))
    assert session.add_photo(Given("first.jpg", bytes(300)))
    assert not session.add_photo(Given("second.jpg", bytes(101)))
    del others
    gc.collect()
    assert session.add_photo(Given("second.jpg", bytes(101))), "what somebody cleared makes room"


@pytest.mark.parametrize("made", [False, True])
def test_a_photo_is_renamed(smiling: Image.Image, made: bool) -> None:
    photo = Given("camera-input-2026-01-31T12_00_00.000Z.jpg", encoded(smiling, "JPEG"))
    if made:
        photo.photo()
    photo.rename("camera-1.jpg")
    assert photo.name == photo.photo().name == "camera-1.jpg"
