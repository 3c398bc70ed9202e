"""Real headless Chromium, the real page, the real TorchServe."""

import contextlib
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, ViewportSize, expect, sync_playwright

from serving.addresses import Addresses
from serving.page import page
from serving.server import serving
from tests.conftest import ROOT
from tests.integration.conftest import free_addresses, free_ports

SCREENSHOTS = ROOT / "runs" / "screenshots"
"""Where each test leaves a picture for people to look at; ignored by git."""

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

OPTIONS = [
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Chromium asks Google's hosts all kinds of things at its start.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A camera that shows a moving test picture, and a person who allows it.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]

LAPTOP = ViewportSize(width=1366, height=768)
PHONE = ViewportSize(width=390, height=844)

PATIENCE = 120_000
"""Milliseconds. The tests share two cores with a browser and three servers: a moment may become many seconds."""

expect.set_options(timeout=PATIENCE)


class Service:
    """The real service, which a test may stop and start again at the same addresses."""

    def __init__(self) -> None:
        self.addresses: Addresses = free_addresses()
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        self._running.enter_context(serving(self.addresses)).wait_until_ready()

    def stop(self) -> None:
        self._running.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails says what its tabs showed."""
    report = yield
    context = getattr(item, "funcargs", {}).get("context")
    if report.when == "call" and report.failed and isinstance(context, BrowserContext):
        for tab in context.pages:
            with contextlib.suppress(Error):  # the browser may be what failed
                report.sections.append((f"What {tab.url} showed", tab.locator("body").aria_snapshot(timeout=5_000)))
    return report


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    service = Service()
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def metrics_port() -> int:
    (port,) = free_ports(1)
    return port


@pytest.fixture(scope="session")
def metrics_url(metrics_port: int) -> str:
    return f"http://127.0.0.1:{metrics_port}/metrics"


@pytest.fixture(scope="session")
def page_url(service: Service, metrics_port: int) -> Iterator[str]:
    (port,) = free_ports(1)
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:  # for that process alone, not for other tests
            environment.setenv("EMOTION_METRICS_PORT", str(metrics_port))
            environment.setenv("EMOTION_RECONNECT", "5")
            environment.setenv("STREAMLIT_SERVER_ENABLE_EXPENSIVE_MEMORY_STATS", "true")  # for `held`
            stack.enter_context(page(port, service.addresses))
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        message = "the browser tests need Chromium: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with contextlib.closing(
        chromium.new_context(viewport=LAPTOP, permissions=["camera", "clipboard-read", "clipboard-write"])
    ) as context:
        context.set_default_timeout(PATIENCE)
        yield context


@pytest.fixture
def tab(context: BrowserContext, page_url: str) -> Page:
    """A tab on the first page, the notice acknowledged."""
    return begin(context.new_page(), page_url)


def begin(tab: Page, page_url: str) -> Page:
    """Go to the page and acknowledge the notice, and wait until it takes photos."""
    tab.goto(page_url)
    tab.get_by_role("button", name="I understand").click()
    tab.locator("section[role=group]").wait_for()  # the uploader is watched
    return tab


def screenshot(tab: Page, name: str, *, whole: bool = True) -> None:
    """The page, or only the window, as a picture in light and one in dark.

    Streamlit scrolls inside the window, so for the whole page the window is made as tall as it is.
    """
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    size = tab.viewport_size
    assert size is not None
    if whole:
        height = tab.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        tab.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
    for scheme in SCHEMES:
        tab.emulate_media(color_scheme=scheme)
        tab.wait_for_function("scheme => matchMedia(`(prefers-color-scheme: ${scheme})`).matches", arg=scheme)
        tab.screenshot(path=SCREENSHOTS / f"{name}-{scheme}.png", animations="disabled")
    tab.emulate_media(color_scheme="light")
    tab.set_viewport_size(size)


def choose(tab: Page, *photos: Path) -> None:
    """Give the photos to the uploader, as choosing them in the dialog does."""
    tab.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(list(photos))


def go(tab: Page, name: str) -> None:
    """To another page, by its link."""
    tab.get_by_role("link", name=name).first.click()


def unfold(tab: Page) -> None:
    """Open what folds after an upload."""
    tab.get_by_text("More photos, samples and settings").click()


def settled(tab: Page) -> None:
    """Wait until nothing is being drawn."""
    tab.locator("[data-test-script-state=notRunning]").wait_for()


def cards(tab: Page) -> Locator:
    """The cards of the shown photo's faces."""
    return tab.get_by_role("list", name="Faces").get_by_role("listitem")


def titles(tab: Page) -> list[str]:
    """What the cards say first, such as `1 · Happy 85%`."""
    return [" ".join(card.get_by_role("button").inner_text().split()) for card in cards(tab).all()]


def violations(tab: Page) -> list[str]:
    """What axe-core finds with all its rules, a line each.

    It looks up to three times: what has just been drawn may still be fading in, and is too pale meanwhile.
    """
    tab.mouse.move(0, 0)  # a tooltip is no part of the page
    found: list[str] = []
    for look in range(3):
        if look:
            tab.wait_for_timeout(1_000)
        settled(tab)
        found = [
            f"{rule['id']}: {rule['help']}: {node['target']} {node['any'][0]['message'] if node['any'] else ''}"
            for rule in Axe().run(tab).response["violations"]
            for node in rule["nodes"]
        ]
        if not found:
            break
    return found


def downloaded(tab: Page, name: str) -> tuple[str, bytes]:
    """Name and content of the file that the button `name` gives."""
    with tab.expect_download() as download:
        tab.get_by_role("button", name=name).click()
    return download.value.suggested_filename, download.value.path().read_bytes()
