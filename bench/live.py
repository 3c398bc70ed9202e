"""Live camera and videos: `python -m bench.live`.

In real headless Chromium the camera plays portraits with a clock in each frame, so that the time from camera to overlay
is read from the picture itself. One camera, then two with an upload in between, with `--minutes 5` the memory of page
and browser. Then the command `client.video` with a minute of 720p.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page

from bench.camera import RATE, READ_CLOCKS, frames_in, write_clip, write_video
from bench.client import add_ports, browser, choose_and_wait, service_and_page
from client.samples import FOLDER
from serving.addresses import Addresses

WARM_UP = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    parser.add_argument("--minutes", type=float, default=0, help="for which memory is watched")
    add_ports(parser)
    arguments = parser.parse_args()
    with service_and_page(arguments.ports) as (addresses, pid, url):
        with browser_with_camera() as chromium:
            first = camera(chromium, url)
            say("one camera", measure([first], arguments.seconds))
            if arguments.minutes:
                watch_memory(first, pid, arguments.minutes)
            second = camera(chromium, url)
            say("two cameras", measure([first, second], arguments.seconds))
            took = choose_and_wait(chromium, url, FOLDER / "Grace-Hopper.jpg")
            print(f"an upload beside two cameras: answered after {took:.0f} ms")
        video(addresses)


@contextmanager
def browser_with_camera() -> Iterator[Browser]:
    """Chromium with the clip as its camera."""
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as scratch:
        clip = Path(scratch) / "clip.mjpeg"
        write_clip(clip)
        with browser("--use-fake-ui-for-media-stream", *as_camera(clip)) as chromium:
            yield chromium


def as_camera(clip: Path) -> list[str]:
    return ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={clip}"]


def camera(chromium: Browser, url: str) -> Page:
    """A tab whose live camera is on."""
    tab = chromium.new_context(viewport={"width": 1280, "height": 900}, permissions=["camera"]).new_page()
    tab.goto(url)
    tab.get_by_role("button", name="I understand").click()
    tab.get_by_role("radio", name="Live camera").click()
    tab.evaluate(READ_CLOCKS, frames_in())
    tab.get_by_role("button", name="Start the camera").click()
    tab.wait_for_function("window.overlays.length > 2")
    return tab


def measure(tabs: list[Page], seconds: float) -> list[list[dict[str, Any]]]:
    """The overlays of each tab during these seconds."""
    time.sleep(WARM_UP)
    for tab in tabs:
        tab.evaluate("window.overlays.length = 0")
    time.sleep(seconds)
    return [tab.evaluate("window.overlays") for tab in tabs]


def say(what: str, measured: list[list[dict[str, Any]]]) -> None:
    for number, overlays in enumerate(measured, start=1):
        took = (overlays[-1]["at"] - overlays[0]["at"]) / 1000
        behind = sorted(overlay["behind"] * 1000 / RATE for overlay in overlays)
        faces = statistics.mean(len(overlay["people"]) for overlay in overlays)
        print(
            f"{what}, camera {number}: {(len(overlays) - 1) / took:.1f} frames a second, camera to overlay median "
            f"{statistics.median(behind):.0f} ms, 95 % within {behind[int(len(behind) * 0.95)]:.0f} ms; "
            f"{faces:.2f} faces a frame"
        )


def watch_memory(tab: Page, pid: int, minutes: float) -> None:
    """Print what the page's server and the browser's script hold, a minute after the other."""
    session = tab.context.new_cdp_session(tab)
    for minute in range(round(minutes) + 1):
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"] / 2**20
        tab.evaluate("window.overlays.length = 0")
        held = psutil.Process(pid).memory_full_info().uss / 2**20
        print(f"minute {minute}: the page's server holds {held:.1f} MiB, the tab's script {heap:.1f} MiB", flush=True)
        if minute < round(minutes):
            time.sleep(60)


def video(addresses: Addresses) -> None:
    """Print how long the command takes for a minute of 720p at two pictures a second."""
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as scratch:
        clip = Path(scratch) / "clip.mp4"
        write_video(clip, 60)
        command = [sys.executable, "-m", "client.video", str(clip), "--out", f"{scratch}/results.csv", "--rate", "2"]
        started = time.perf_counter()
        subprocess.run(command, env=os.environ | {"EMOTION_SERVER": addresses.url}, check=True, capture_output=True)
        took = time.perf_counter() - started
        lines = len((Path(scratch) / "results.csv").read_text(encoding="utf-8").splitlines()) - 1
    print(f"client.video, 60 s of 720p at 2 pictures a second: {took:.1f} s, {lines} faces")


if __name__ == "__main__":
    main()
