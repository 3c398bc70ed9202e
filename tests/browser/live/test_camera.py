"""The live camera before the real service."""

import csv
import io
import re

import numpy as np
import pytest
import requests
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import LAPTOP, PHONE, SCREENSHOTS, downloaded, go, screenshot, violations
from tests.browser.live.watching import longest_pause, overlays, stands_still, start, wait_for_overlays
from tests.integration.watching import eventually


def test_faces_are_read_while_the_camera_runs(tab: Page) -> None:
    start(tab)
    for attempt in range(3):
        tab.wait_for_function(
            """() => window.overlays.length > 40 && ["happy", "neutral"].every(
                (emotion) => window.overlays.some(({ people }) => people[0]?.shown === emotion))"""
        )
        # Where the machine stands still: a frame without an answer for three seconds counts as refused, and after five
        # seconds a face has a new number. A camera that is started anew counts anew.
        if longest_pause(tab) < 2_000 or attempt == 2:
            break
        tab.get_by_role("button", name="Stop the camera").click()
        tab.evaluate("() => { window.overlays = []; window.begun = undefined; }")
        tab.get_by_role("button", name="Start the camera").click()
    seen = overlays(tab)
    assert {len(overlay["people"]) for overlay in seen[3:]} == {1}
    assert {overlay["people"][0]["person"] for overlay in seen[3:]} == {1}, "a face that stays keeps its number"
    measured = re.compile(r"^[0-9.]+ frames a second · [0-9]+ ms from camera to overlay · 0 refused$")
    expect(tab.get_by_text(measured)).to_be_visible()
    expect(tab.get_by_role("heading", name=re.compile("^Face 1 · (happy|neutral|uncertain|sad)\\b"))).to_be_visible()
    expect(tab.get_by_role("img", name=re.compile("^Seen: face 1: "))).to_be_visible()
    expect(tab.locator(".live [aria-live=polite]")).to_have_text(re.compile("^Seen: face 1: "))
    expect(tab.get_by_text("−60 s")).to_be_visible()
    assert violations(tab) == []
    screenshot(tab, "live")
    name, picture = downloaded(tab, "Picture of the moment")
    image = Image.open(io.BytesIO(picture))
    assert (name, image.size) == ("emotions-live.png", (640, 480))
    (SCREENSHOTS / "live-moment.png").write_bytes(picture)
    name, table = downloaded(tab, "Curve as CSV")
    lines = list(csv.DictReader(io.StringIO(table.decode())))
    assert len(lines) > 40 and {line["face"] for line in lines} == {"1"}
    times = [float(line["seconds"]) for line in lines]
    assert times == sorted(times)
    assert sum(float(lines[-1][each]) for each in list(lines[-1])[4:]) == pytest.approx(1, abs=0.01)


def test_pause_mirror_and_stop(tab: Page) -> None:
    start(tab)
    tab.get_by_role("button", name="Pause").click()
    expect(tab.get_by_text("Paused: no frame is sent.")).to_be_visible()
    assert stands_still(tab, under_way=1)
    tab.get_by_role("button", name="Go on").click()
    wait_for_overlays(tab)
    for _ in range(20):
        under_way = tab.locator(".live .measured").evaluate(
            "({ textContent }) => window.sent - window.overlays.length - textContent.match(/([0-9]+) refused/)[1]"
        )
        assert under_way <= 1, "one frame is under way at a time"
    _, mirrored = downloaded(tab, "Picture of the moment")
    tab.get_by_role("checkbox", name="Mirror").uncheck()
    _, straight = downloaded(tab, "Picture of the moment")
    assert (ends_of_clock(mirrored), ends_of_clock(straight)) == (("white", "black"), ("black", "white"))
    tab.get_by_role("button", name="Stop the camera").click()
    expect(tab.get_by_text("The camera is off.").first).to_be_visible()
    assert stands_still(tab)
    tab.get_by_role("button", name="Start the camera").click()
    wait_for_overlays(tab)


def ends_of_clock(picture: bytes) -> tuple[str, str]:
    """The first and the last field of the clock along the lower edge."""
    image = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
    left, right = ("white" if image[472, x] > 127 else "black" for x in (20, 620))
    return left, right


def test_the_camera_stops_when_the_page_is_hidden_or_left(tab: Page) -> None:
    start(tab)
    tab.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { value: true, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
            delete document.hidden;
        }"""
    )
    expect(tab.get_by_text("The camera was stopped because the page was hidden.")).to_be_visible()
    assert stands_still(tab)
    tab.get_by_role("button", name="Start the camera").click()
    wait_for_overlays(tab)
    go(tab, "Privacy and limits")
    expect(tab.get_by_text("What happens to a photo")).to_be_visible()
    expect(tab.locator(".live")).to_have_count(0)  # the old page goes when the new one is drawn
    assert stands_still(tab, under_way=1)
    go(tab, "Analyse")
    expect(tab.get_by_text("The camera was stopped because the page was left.")).to_be_visible()
    expect(tab.get_by_role("button", name="Start the camera")).to_be_visible()


def test_settings_are_changed_while_the_camera_runs(tab: Page) -> None:
    start(tab)
    tab.get_by_text("Settings").click()
    slider = tab.get_by_role("slider", name="Mark as uncertain below")
    slider.press("End")
    tab.wait_for_function("window.overlays.at(-1).people[0]?.shown === 'uncertain'")
    expect(tab.get_by_text("The camera is on.")).to_be_visible()


def test_frames_are_counted_and_cameras_too(tab: Page, metrics_url: str) -> None:
    def value(name: str) -> float:
        return float(re.findall(rf"^{name} (\S+)$", requests.get(metrics_url, timeout=10).text, re.MULTILINE)[0])

    before = value("emotion_client_images_total")
    start(tab)
    eventually(lambda: value("emotion_client_cameras") == 1, 30)  # an earlier test's may not have ended yet
    assert value("emotion_client_images_total") > before + 2
    tab.get_by_role("button", name="Stop the camera").click()
    eventually(lambda: value("emotion_client_cameras") == 0, 30)


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_live_picture_is_above_the_fold(tab: Page, size: dict[str, int]) -> None:
    tab.set_viewport_size(size)  # type: ignore[arg-type]
    start(tab)
    expect(tab.get_by_role("img", name=re.compile("^Seen: |^No face"))).to_be_in_viewport(ratio=1)
    expect(tab.get_by_role("button", name="Stop the camera")).to_be_in_viewport(ratio=1)
    expect(tab.get_by_text("The camera is on.")).to_be_in_viewport(ratio=1)
    tab.wait_for_timeout(1000)
    tab.screenshot(path=SCREENSHOTS / f"live-{size['width']}.png")
