"""The live camera in Chromium, whose camera plays a clip of portraits that take turns."""

import csv
import io
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from bench.camera import READ_CLOCKS, frames_in, write_clip
from bench.live import as_camera
from emotion.labels import LABELS
from tests.browser.conftest import LAPTOP, OPTIONS, PHONE, SCREENSHOTS, downloaded, go, screenshot, violations
from tests.conftest import tool

SECONDS_EACH = 2.0


@pytest.fixture(scope="module")
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
    context.set_default_timeout(30_000)
    tab = context.new_page()
    tab.goto(page_url)
    tab.get_by_role("button", name="I understand").click()
    yield tab
    context.close()


def start(tab: Page) -> None:
    """Live camera, on."""
    choose_live(tab)
    tab.get_by_role("button", name="Start the camera").click()
    wait_for_overlays(tab)


def choose_live(tab: Page) -> None:
    """Live camera, off; from then on overlays and frames are counted."""
    tab.get_by_role("radio", name="Live camera").click()
    tab.get_by_role("button", name="Start the camera").wait_for()
    tab.evaluate(READ_CLOCKS, frames_in(SECONDS_EACH))
    tab.evaluate(
        """() => {
            window.sent = 0;
            const { send } = WebSocket.prototype;
            WebSocket.prototype.send = function (message) {
                if (message instanceof Blob) window.sent += 1;
                send.call(this, message);
            };
        }"""
    )


def wait_for_overlays(tab: Page, more: int = 3) -> None:
    before = len(overlays(tab))
    tab.wait_for_function(f"window.overlays.length >= {before + more}")


Answers = Callable[[int], Sequence[dict[str, Any]] | str | None]
"""For the frame with this number from 0: the people in it, or what went wrong; None for no answer."""


def answer(tab: Page, answers: Answers) -> list[WebSocketRoute]:
    """Answer the tab's frames in place of the page's server; returns the connections, to which more are added."""
    connections: list[WebSocketRoute] = []
    numbers = count()

    def connected(socket: WebSocketRoute) -> None:
        connections.append(socket)
        socket.on_message(received)

    def received(message: str | bytes) -> None:
        if isinstance(message, bytes) and (said := answers(next(numbers))) is not None:
            connections[-1].send(json.dumps({"error": said} if isinstance(said, str) else {"people": said}))

    tab.route_web_socket("**/live", connected)
    return connections


def person(number: int = 1, shown: str = "happy") -> dict[str, Any]:
    """As the server sends one; six have room beside each other."""
    box = [20 + 205 * ((number - 1) % 3), 60 + 200 * ((number - 1) // 3 % 2), 120, 140]
    probabilities = {name: 0.9 if name == shown else 0.1 / 6 for name in LABELS}
    return {"person": number, "box": box, "shown": shown, "confidence": 0.9, "probabilities": probabilities, "why": ""}


def is_drawn_over(tab: Page) -> bool:
    drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    return bool(tab.locator("canvas.overlay").evaluate(drawn))


def overlays(tab: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tab.evaluate("window.overlays")
    return found


def stands_still(tab: Page) -> bool:
    tab.wait_for_timeout(300)  # an answer may be under way
    before = len(overlays(tab))
    tab.wait_for_timeout(1000)
    return len(overlays(tab)) == before


def test_faces_are_read_while_the_camera_runs(tab: Page) -> None:
    start(tab)
    tab.wait_for_function(
        """() => window.overlays.length > 40 && ["happy", "neutral"].every(
            (emotion) => window.overlays.some(({ people }) => people[0]?.shown === emotion))"""
    )
    seen = overlays(tab)
    assert {len(overlay["people"]) for overlay in seen[3:]} == {1}
    assert {overlay["people"][0]["person"] for overlay in seen[3:]} == {1}, "a face that stays keeps its number"
    measured = re.compile(r"^[0-9.]+ frames a second · [0-9]+ ms from camera to overlay · 0 refused$")
    expect(tab.get_by_text(measured)).to_be_visible()
    expect(tab.get_by_role("heading", name=re.compile("^Face 1 · (happy|neutral|uncertain|sad) "))).to_be_visible()
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
    assert stands_still(tab)
    tab.get_by_role("button", name="Go on").click()
    wait_for_overlays(tab)
    for _ in range(20):
        assert tab.evaluate("window.sent - window.overlays.length") <= 1, "one frame is under way at a time"
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
    assert stands_still(tab)
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
    assert value("emotion_client_cameras") == 1
    assert value("emotion_client_images_total") > before + 2
    tab.get_by_role("button", name="Stop the camera").click()
    deadline = time.monotonic() + 10
    while value("emotion_client_cameras") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert value("emotion_client_cameras") == 0


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_live_picture_is_above_the_fold(tab: Page, size: dict[str, int]) -> None:
    tab.set_viewport_size(size)  # type: ignore[arg-type]
    start(tab)
    expect(tab.get_by_role("img", name=re.compile("^Seen: |^No face"))).to_be_in_viewport(ratio=1)
    expect(tab.get_by_role("button", name="Stop the camera")).to_be_in_viewport(ratio=1)
    expect(tab.get_by_text("The camera is on.")).to_be_in_viewport(ratio=1)
    tab.wait_for_timeout(1000)
    tab.screenshot(path=SCREENSHOTS / f"live-{size['width']}.png")


def test_what_was_said_of_a_picture_does_not_stand_on_later_ones(tab: Page) -> None:
    answer(tab, lambda number: [person()] if number < 3 else "The service is overloaded.")
    start(tab)
    expect(tab.get_by_text("A frame was refused: The service is overloaded.")).to_be_in_viewport()
    assert not is_drawn_over(tab)
    expect(tab.get_by_role("img", name="The last frame was refused")).to_be_visible()
    expect(tab.get_by_role("heading", name="Face 1 · the last frame was refused")).to_be_visible()
    for refused in (1, 2):
        expect(tab.get_by_text(f"· {refused} refused")).to_be_visible()


def test_after_a_refused_frame_and_a_stop_the_camera_can_be_started(tab: Page) -> None:
    refusing = True
    answer(tab, lambda number: "The service is overloaded." if number > 2 and refusing else [person()])
    start(tab)
    tab.locator(".live").evaluate(  # in the pause after a refused frame, which may be over when a test's click comes
        """(live) => new Promise((done) => {
            new MutationObserver((_, observer) => {
                if (live.querySelector(".measured").textContent.endsWith("· 0 refused")) return;
                observer.disconnect();
                live.querySelector(".start").click();
                done();
            }).observe(live.querySelector(".measured"), { childList: true, characterData: true, subtree: true });
        })"""
    )
    expect(tab.get_by_role("button", name="Start the camera")).to_be_visible()
    assert stands_still(tab), "for longer than that pause"
    refusing = False
    tab.evaluate(  # pictures come before the connection does
        """() => {
            const { mediaDevices } = navigator;
            const enumerate = mediaDevices.enumerateDevices.bind(mediaDevices);
            mediaDevices.enumerateDevices = async () => {
                await new Promise((done) => setTimeout(done, 500));
                return enumerate();
            };
        }"""
    )
    tab.get_by_role("button", name="Start the camera").click()
    wait_for_overlays(tab)


def test_a_pause_before_the_connection_is_there_does_not_end_the_camera(tab: Page) -> None:
    choose_live(tab)
    tab.evaluate(
        """() => {
            window.WebSocket = class {
                static OPEN = 1;
                readyState = 0;
                constructor() { window.socket = this; }
                close() {}
                send(message) {
                    if (this.readyState !== 1) throw new DOMException("", "InvalidStateError");
                    if (message instanceof Blob) setTimeout(() => this.onmessage({ data: '{"people": []}' }));
                }
            };
        }"""
    )
    tab.get_by_role("button", name="Start the camera").click()
    tab.wait_for_function("Boolean(window.socket)")
    tab.locator(".live").evaluate(
        """(live) => {
            live.querySelector(".pause").click();
            live.querySelector(".pause").click();
            setTimeout(() => { // after some frames
                window.socket.readyState = 1;
                window.socket.onopen();
            }, 1_000);
        }"""
    )
    wait_for_overlays(tab)


def test_what_is_said_after_a_pause_stays(tab: Page) -> None:
    connections = answer(tab, lambda number: [person()] if number < 3 else None)
    start(tab)
    tab.wait_for_function("window.sent === 4")
    tab.get_by_role("button", name="Pause").click()
    expect(tab.locator(".live [aria-pressed]")).to_have_count(0)  # a name that changes says enough
    connections[0].send('{"error": "The service is overloaded."}')
    expect(tab.get_by_text("· 1 refused")).to_be_visible()
    expect(tab.get_by_text("Paused: no frame is sent.")).to_be_visible()


def test_boxes_go_when_the_network_falls_silent_and_the_page_connects_anew(tab: Page) -> None:
    connections = answer(tab, lambda number: None if number == 3 else [person()])
    start(tab)
    assert is_drawn_over(tab)
    expect(tab.get_by_text("No answer for 5 seconds: the network is slow or gone.")).to_be_visible()
    assert not is_drawn_over(tab)
    expect(tab.get_by_role("img", name="No answer")).to_be_visible()
    wait_for_overlays(tab)
    expect(tab.get_by_text("The camera is on.")).to_be_visible()
    assert len(connections) == 2
    # Counted from one again: whether this is the face of before is not known.
    expect(tab.get_by_role("img", name="Seen: face 2: happy, 90%")).to_be_visible()


def test_many_faces_have_steady_cards_and_all_are_kept(tab: Page) -> None:
    all_six, last_four = [person(number) for number in range(1, 7)], [person(number) for number in range(3, 7)]
    gone = False
    answer(tab, lambda _: last_four if gone else all_six)
    start(tab)
    cards = tab.locator(".live .people h2")
    expect(cards).to_have_text([f"Face {number} · happy 90%" for number in range(1, 5)])
    expect(tab.get_by_text("2 more faces: the CSV has them all.")).to_be_visible()
    tab.locator(".live .people").evaluate(
        """(people) => {
            window.changes = 0;
            new MutationObserver((found) => (window.changes += found.length)).observe(people, {
                childList: true, subtree: true,
            });
        }"""
    )
    wait_for_overlays(tab, 20)
    assert tab.evaluate("window.changes") == 0
    screenshot(tab, "live-six")
    tab.set_viewport_size(PHONE)
    screenshot(tab, "live-six-phone")
    gone = True
    expect(cards).to_have_text([f"Face {number} · happy 90%" for number in (5, 6, 3, 4)])
    _, table = downloaded(tab, "Curve as CSV")
    assert {line["face"] for line in csv.DictReader(io.StringIO(table.decode()))} == set("123456")


def test_what_is_said_ends_with_the_camera(tab: Page) -> None:
    answer(tab, lambda _: [person()])
    start(tab)
    expect(tab.get_by_role("img", name="Seen: face 1: happy, 90%")).to_be_visible()
    expect(tab.locator(".live [aria-live=polite]")).to_have_text("Seen: face 1: happy, 90%")
    tab.get_by_role("button", name="Stop the camera").click()
    expect(tab.get_by_role("img", name="The camera is off")).to_be_visible()
    expect(tab.get_by_role("heading", name="Face 1 · the camera is off")).to_be_visible()
    expect(tab.locator(".live .measured")).to_be_empty()
    expect(tab.locator(".live [aria-live=polite]")).to_be_empty()


def test_what_is_seen_is_read_out_every_five_seconds_at_most(tab: Page) -> None:
    # Of seven, so that what is read out after five seconds is hardly ever the same, which would not be read out again.
    answer(tab, lambda number: [person(shown=LABELS[number // 3 % len(LABELS)])])
    choose_live(tab)
    tab.locator(".live [aria-live=polite]").evaluate(
        """(spoken) => {
            window.spoken = [];
            new MutationObserver(() => window.spoken.push([performance.now(), spoken.textContent])).observe(spoken, {
                childList: true, characterData: true, subtree: true,
            });
        }"""
    )
    tab.get_by_role("button", name="Start the camera").click()
    tab.wait_for_function("window.spoken.length >= 3")
    (first, words), (second, _), (third, _) = tab.evaluate("window.spoken")[:3]
    assert re.fullmatch(f"Seen: face 1: ({'|'.join(LABELS)}), 90%", words)
    assert second - first > 4_900 and third - second > 4_900


def test_times_are_those_at_which_the_camera_saw_it(tab: Page) -> None:
    answer(tab, lambda _: [person()])
    choose_live(tab)
    tab.evaluate(
        """() => {
            const { requestVideoFrameCallback } = HTMLVideoElement.prototype;
            HTMLVideoElement.prototype.requestVideoFrameCallback = function (work) {
                return requestVideoFrameCallback.call(this, (now, metadata) => {
                    const captureTime = Math.floor((performance.now() - 5_000) / 100) * 100;
                    work(now, { ...metadata, captureTime });
                });
            };
        }"""
    )
    tab.get_by_role("button", name="Start the camera").click()
    wait_for_overlays(tab, 10)
    expect(tab.get_by_text(re.compile("· [5-9][0-9]{3} ms from camera to overlay"))).to_be_visible()
    _, table = downloaded(tab, "Curve as CSV")
    times = [line["seconds"] for line in csv.DictReader(io.StringIO(table.decode()))]
    assert times[0] == "0.000" and all(time.endswith("00") for time in times)


def test_a_picture_can_be_taken_before_the_first_answer(tab: Page) -> None:
    answer(tab, lambda _: None)
    choose_live(tab)
    tab.get_by_role("button", name="Start the camera").click()
    _, picture = downloaded(tab, "Picture of the moment")
    assert Image.open(io.BytesIO(picture)).size == (640, 480)


def test_smoothing_is_chosen_while_the_camera_runs(tab: Page) -> None:
    answer(tab, lambda _: [person()])
    choose_live(tab)
    tab.evaluate(
        """() => {
            window.wishes = [];
            const { send } = WebSocket.prototype;
            WebSocket.prototype.send = function (message) {
                if (typeof message === "string") window.wishes.push(JSON.parse(message));
                send.call(this, message);
            };
        }"""
    )
    tab.get_by_role("button", name="Start the camera").click()
    wait_for_overlays(tab)
    slider = tab.get_by_role("slider", name="Smoothing")
    slider.press("ArrowRight")
    expect(tab.locator(".live output")).to_have_text("0.6 s")
    slider.press("Home")
    expect(tab.locator(".live output")).to_have_text("0.0 s")
    assert [wish["smoothing"] for wish in tab.evaluate("window.wishes")] == [0.5, 0.6, 0]


def test_without_smoothing_no_box_flashes(tab: Page) -> None:
    # Every frame another emotion, and every second one without a face.
    answer(tab, lambda number: [person(shown=("happy", "angry")[number // 2 % 2])] if number % 2 else [])
    choose_live(tab)
    tab.evaluate(
        """() => {
            window.colours = [];
            addEventListener("overlay", (event) => {
                const canvas = event.composedPath()[0].querySelector("canvas.overlay");
                const [red, green, blue, alpha] = canvas.getContext("2d").getImageData(500, 130, 1, 1).data;
                const colour = `${red} ${green} ${blue} ${alpha}`;
                if (window.colours.at(-1)?.colour !== colour) {
                    window.colours.push({ at: performance.now(), colour });
                }
            });
        }"""
    )
    tab.get_by_role("button", name="Start the camera").click()
    wait_for_overlays(tab, 60)
    changes = [change["at"] for change in tab.evaluate("window.colours")]
    assert len(changes) > 4, "it does change"
    assert all(later - at > 1_000 for at, later in zip(changes, changes[4:], strict=False)), "3 a second at most"


def test_another_camera_can_be_chosen(tab: Page) -> None:
    answer(tab, lambda _: [person()])
    start(tab)
    tab.evaluate(
        """() => {
            const { mediaDevices } = navigator;
            const enumerate = mediaDevices.enumerateDevices.bind(mediaDevices);
            const get = mediaDevices.getUserMedia.bind(mediaDevices);
            const other = { kind: "videoinput", deviceId: "other", label: "The other camera" };
            mediaDevices.enumerateDevices = async () => [...(await enumerate()), other];
            mediaDevices.getUserMedia = (wanted) => {
                window.wanted = wanted.video.deviceId;
                return get({ video: true });
            };
            mediaDevices.dispatchEvent(new Event("devicechange"));
        }"""
    )
    tab.get_by_role("combobox", name="Camera").select_option("The other camera")
    wait_for_overlays(tab)
    assert tab.evaluate("window.wanted") == {"exact": "other"}
