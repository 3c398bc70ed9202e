"""Videos in Chromium: a clip of portraits that take turns."""

import contextlib
import csv
import io
import json
import re
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from bench.camera import stills
from tests.browser.conftest import downloaded, screenshot, settled, violations
from tests.conftest import tool
from tests.drill.privacy import written_files
from tests.unit.clips import clip, shown


def test_a_file_that_is_no_video_is_refused_in_words(tab: Page, tmp_path: Path) -> None:
    (tmp_path / "film.avi").write_bytes(b"RIFF")
    tab.get_by_role("radio", name="Video").click()
    expect(tab.get_by_text("A video of at most 10 minutes")).to_be_visible()
    tab.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / "film.avi")
    expect(tab.get_by_text("film.avi: this is no video that can be read here.")).to_be_visible()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A smile of three seconds, then a serious face, then the smile again."""
    smiling, serious = stills((960, 720))
    path = tmp_path / "holiday.mp4"
    path.write_bytes(clip(shown([(smiling, 3.0), (serious, 3.0), (smiling, 3.0)], rate=20)))
    return path


def give(tab: Page, path: Path) -> None:
    """Upload a video and wait for its end."""
    expect(tab.get_by_text("A video of at most 10 minutes")).to_be_visible()
    tab.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(path)
    expect(tab.get_by_role("button", name="Another video")).to_be_visible()


def test_a_video_of_known_stills_shows_their_emotions_in_their_order(tab: Page, video: Path) -> None:
    tab.get_by_role("radio", name="Video").click()
    give(tab, video)
    expect(tab.get_by_text("18 pictures, 3 faces")).to_be_visible()
    name, table = downloaded(tab, "Results as JSON")
    content = json.loads(table)
    assert name == "holiday-emotions.json" and content["file"] == "holiday.mp4"
    emotions = [row["emotion"] for row in content["results"]]
    assert [row["time"] for row in content["results"]] == [number / 2 for number in range(18)]
    assert emotions[:6] == emotions[12:] == ["happy"] * 6 and emotions[6:12] == ["neutral"] * 6
    # Behind a cut nobody is the person who was there before.
    stretches = ("face 1 happy from 0.0 to 3.0 s", "face 2 neutral from 3.0 to 6.0 s", "face 3 happy from 6.0 to 9.0 s")
    described = f"Emotion by time for each face: {'; '.join(stretches)}"
    expect(tab.get_by_test_id("stVegaLiteChart")).to_have_attribute("aria-label", described)
    expect(tab.get_by_text("Behind a cut, or unseen for 5 seconds, a face is a new one")).to_be_visible()
    _, table = downloaded(tab, "Results as CSV")
    assert [row["emotion"] for row in csv.DictReader(io.StringIO(table.decode()))] == emotions
    expect(tab.get_by_text("At 0:00.0 · Face 1: happy")).to_be_visible()
    # A key and a click choose another picture.
    tab.get_by_role("slider", name=re.compile("Picture to show")).press("ArrowRight")
    expect(tab.get_by_text("At 0:00.5 · Face 1: happy")).to_be_visible()
    chosen = tab.get_by_text(re.compile(r"^At 0:04\.5 · Face 2: neutral"))
    for _ in range(5):  # a chart that is just being drawn anew takes no click
        settled(tab)
        # In the middle of a stretch: in front of the stretches each picture has a column of its own.
        tab.get_by_test_id("stVegaLiteChart").locator("g.mark-rect").nth(1).locator("path").nth(9).click()
        with contextlib.suppress(AssertionError):
            expect(chosen).to_be_visible(timeout=5_000)
            break
    expect(chosen).to_be_visible()
    settled(tab)
    screenshot(tab, "video")
    assert violations(tab) == []


def test_nothing_of_a_video_is_written_to_a_disk(tab: Page, video: Path, page_url: str, tmp_path: Path) -> None:
    tool("strace", "strace")
    port = int(page_url.rpartition(":")[2])
    listening = [each for each in psutil.net_connections("tcp") if each.status == "LISTEN" and each.pid]
    (pid,) = {each.pid for each in listening if tuple(each.laddr)[1:] == (port,)}
    assert pid is not None
    large = tmp_path / "large.mp4"
    large.write_bytes(video.read_bytes() + b"\0\x40\0\0free" + bytes(2**22 - 8))  # more than 1 MB, and harmless
    tab.get_by_role("radio", name="Video").click()
    give(tab, video)  # what is loaded once
    tab.get_by_role("button", name="Another video").click()
    with written_files(pid, tmp_path / "strace", page_url, "index.html") as written:
        give(tab, large)
        expect(tab.get_by_text("18 pictures, 3 faces")).to_be_visible()
    assert written == set()
