"""What people do on the page, done in Chromium."""

import base64
import io
import json
import re
import time
from pathlib import Path
from typing import Literal

import pytest
import requests
from PIL import Image, ImageFilter
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect

from tests.browser.conftest import (
    LAPTOP,
    PHONE,
    SCHEMES,
    begin,
    cards,
    choose,
    go,
    screenshot,
    unfold,
    violations,
)
from tests.conftest import ROOT, encoded, photo_bytes

SAMPLES = ROOT / "client" / "samples"
PAGES = ("Analyse", "Model performance", "API", "Live service", "Privacy and limits")


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_after_an_upload_the_result_is_above_the_fold(tab: Page, size: ViewportSize) -> None:
    tab.set_viewport_size(size)
    choose(tab, SAMPLES / "Eileen-Collins.jpg")
    photo = tab.get_by_role("img", name=re.compile("The photo with 1 marked face"))
    expect(photo).to_be_in_viewport(ratio=1)
    expect(tab.get_by_role("button", name="Clear everything")).to_be_in_viewport()
    expect(tab.get_by_test_id("stFileUploaderDropzone")).not_to_be_visible()
    screenshot(tab, f"fold-{size['width']}", whole=False)
    unfold(tab)
    choose(tab, SAMPLES / "Both.jpg")
    expect(tab.get_by_text("2 photos · 3 faces")).to_be_visible()
    expect(tab.get_by_test_id("stFileUploaderDropzone")).to_have_count(1)  # the old one goes when all is drawn
    expect(tab.get_by_test_id("stFileUploaderDropzone")).not_to_be_visible()


def test_a_blurred_face_says_why_not_to_believe_it(tab: Page, tmp_path: Path) -> None:
    blurred = tmp_path / "blurred.jpg"
    sharp = Image.open(io.BytesIO(photo_bytes("smiling"))).convert("RGB")
    blurred.write_bytes(encoded(sharp.filter(ImageFilter.GaussianBlur(5)), "JPEG"))
    choose(tab, blurred)
    expect(tab.get_by_text("Not reliable: the face is too blurred.")).to_be_visible()
    expect(cards(tab)).to_contain_text(["Uncertain"])
    expect(tab.get_by_text(re.compile("Most likely happy, .*%"))).to_be_visible()
    screenshot(tab, "not-reliable")


def test_cleared_and_removed_photos_leave_memory(tab: Page, page_url: str, tmp_path: Path) -> None:
    photos = [tmp_path / f"{number}.jpg" for number in range(3)]
    for number, photo in enumerate(photos):
        photo.write_bytes((SAMPLES / "Both.jpg").read_bytes() + bytes(10**6 + number))
    before = held(page_url)
    choose(tab, *photos)
    expect(tab.get_by_text("3 photos · 6 faces")).to_be_visible()
    # Once: as given and as sent are the same bytes here, and Streamlit's uploader keeps no further copy.
    wait_until_held(page_url, before + 2.6e6, before + 4.5e6)  # a tab of before may go meanwhile
    tab.get_by_role("button", name="Remove this photo").click()
    expect(tab.get_by_text("2 photos · 4 faces")).to_be_visible()
    wait_until_held(page_url, before + 1.5e6, before + 3e6)
    tab.get_by_role("button", name="Clear everything").click()
    expect(tab.get_by_text("an example, read beforehand")).to_be_visible()
    wait_until_held(page_url, 0, before + 2e5)


@pytest.mark.parametrize("how", ["closed", "reloaded"])
def test_a_tab_that_goes_takes_its_photos_along(tab: Page, page_url: str, tmp_path: Path, how: str) -> None:
    """A minute later, where people use it; the tests' page waits five seconds for the tab to come back."""
    photo = tmp_path / "large.jpg"
    photo.write_bytes((SAMPLES / "Both.jpg").read_bytes() + bytes(3 * 10**6))
    before = held(page_url)
    choose(tab, photo)
    expect(tab.get_by_text(re.compile("2 faces, largest first · "))).to_be_visible()
    wait_until_held(page_url, before + 2.5e6, before + 4e6)
    if how == "closed":
        tab.close()
    else:
        tab.reload()
        tab.get_by_role("button", name="I understand").wait_for()
    wait_until_held(page_url, 0, before + 2e5)


def wait_until_held(page_url: str, least: float, most: float) -> None:
    """Streamlit counts anew every five seconds only."""
    deadline = time.monotonic() + 30
    while not least < (now := held(page_url)) < most:
        assert time.monotonic() < deadline, f"{now:,.0f} bytes are held, not {least:,.0f} to {most:,.0f}"
        time.sleep(1)


def held(page_url: str) -> float:
    """Bytes that the page's server holds for open sessions, uploads included, by Streamlit's own count."""
    lines = requests.get(f"{page_url}/_stcore/metrics", timeout=20).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("cache_memory_bytes{"))


def test_a_photo_is_pasted(tab: Page) -> None:
    tab.evaluate(
        """async (url) => {
            const data = new DataTransfer();
            const blob = await (await fetch(url)).blob();
            data.items.add(new File([blob], "pasted.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }""",
        data_url(photo_bytes("smiling")),
    )
    expect(cards(tab)).to_have_count(1)
    screenshot(tab, "pasted")


def test_the_camera_takes_a_picture(tab: Page) -> None:
    tab.get_by_role("radio", name="Camera", exact=True).click()
    tab.wait_for_function("document.querySelector('video')?.readyState >= 2")  # before, a click takes nothing
    tab.get_by_role("button", name="Take Photo").click()
    # Chromium's fake camera shows a green picture with a moving disc.
    expect(tab.get_by_text("No face was found")).to_be_visible()
    screenshot(tab, "camera")


def test_the_threshold_turns_answers_into_uncertain(tab: Page) -> None:
    choose(tab, SAMPLES / "Grace-Hopper.jpg")
    expect(cards(tab)).to_have_count(1)
    unfold(tab)
    tab.get_by_role("slider").focus()
    tab.keyboard.press("End")
    expect(cards(tab)).to_contain_text(["1 · Uncertain"])
    screenshot(tab, "uncertain")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_on_any_page(tab: Page, scheme: Literal["light", "dark"]) -> None:
    tab.emulate_media(color_scheme=scheme)
    found = {"before a photo": violations(tab)}
    choose(tab, SAMPLES / "Both.jpg")
    expect(cards(tab)).to_have_count(2)
    unfold(tab)
    for name in PAGES:
        go(tab, name)
        expect(tab).to_have_title(f"{name} · Emotion detection")
        expect(tab.get_by_role("heading", level=1)).to_be_visible()
        tab.wait_for_load_state("networkidle")
        expect(tab.get_by_test_id("stSkeleton")).to_have_count(0)
        found[name] = violations(tab)
        if scheme == SCHEMES[0]:
            screenshot(tab, name.lower().replace(" ", "-"))
    assert not any(found.values()), json.dumps(found, indent=1)


def test_the_theme_is_switched_in_the_menu(tab: Page) -> None:
    choose(tab, SAMPLES / "Both.jpg")
    expect(cards(tab)).to_have_count(2)
    background = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    before = tab.evaluate(background)
    tab.get_by_test_id("stMainMenu").click()
    screenshot(tab, "menu")
    tab.get_by_text("Dark").click()
    tab.keyboard.press("Escape")
    expect(cards(tab)).to_have_count(2)
    tab.wait_for_function(f"before => {background} !== before", arg=before)
    screenshot(tab, "switched-to-dark")


def test_outcomes_are_on_the_metrics_port(tab: Page, metrics_url: str) -> None:
    choose(tab, SAMPLES / "Both.jpg")
    expect(cards(tab)).to_have_count(2)
    text = requests.get(metrics_url, timeout=5).text
    values = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}
    assert values['emotion_client_requests_total{outcome="ok"}'] >= 1
    assert values["emotion_client_faces_total"] >= 2
    assert values["emotion_client_latency_seconds_count"] == values["emotion_client_images_total"]


def test_nothing_is_asked_of_any_other_host(context: BrowserContext, page_url: str) -> None:
    asked: set[str] = set()
    tab = context.new_page()
    tab.on("request", lambda request: asked.add(request.url))
    tab.on("websocket", lambda socket: asked.add(socket.url))
    begin(tab, page_url)
    choose(tab, SAMPLES / "Both.jpg")
    expect(cards(tab)).to_have_count(2)
    host = page_url.removeprefix("http://")
    elsewhere = [url for url in asked if not re.match(rf"(http|ws)://{host}/|data:|blob:", url)]
    assert not elsewhere


def data_url(photo: bytes) -> str:
    """A PNG as a URL, at a size that fits into one."""
    small = Image.open(io.BytesIO(photo)).convert("RGB").resize((400, 400))
    return "data:image/png;base64," + base64.b64encode(encoded(small)).decode()
