"""A Chromium whose camera plays a clip of portraits that take turns."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from bench.camera import write_clip
from bench.live import as_camera
from tests.browser.conftest import LAPTOP, OPTIONS, PATIENCE
from tests.browser.live.watching import SECONDS_EACH
from tests.conftest import tool


@pytest.fixture(scope="package")
def with_camera(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Another Chromium, which has the clip as its camera."""
    played = tmp_path_factory.mktemp("camera") / "clip.mjpeg"
    write_clip(played, SECONDS_EACH)
    options = [option for option in OPTIONS if "fake-device" not in option] + as_camera(played)
    browser = chromium.browser_type.launch(executable_path=tool("chromium", "chromium"), args=options)
    yield browser
    browser.close()


@pytest.fixture
def tab(with_camera: Browser, page_url: str) -> Iterator[Page]:
    """A tab on the first page, the notice acknowledged."""
    context = with_camera.new_context(viewport=LAPTOP, permissions=["camera"])
    context.set_default_timeout(PATIENCE)
    tab = context.new_page()
    tab.goto(page_url)
    tab.get_by_role("button", name="I understand").click()
    yield tab
    context.close()
