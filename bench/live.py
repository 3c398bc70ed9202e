"""Live camera and videos: `python -m bench.live`.

In real headless Chromium the camera plays portraits with a clock in each frame, so that the time from camera to overlay
is read from the picture itself. One camera, then two with an upload in between, with `--minutes 5` the memory of page,
service and browser. Then the command `client.video` with a minute of 720p. Ends with 1 if a bound of the live camera is
missed.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, CDPSession, Page

from bench.camera import RATE, READ_CLOCKS, frames_in, write_clip, write_video
from bench.client import add_ports, browser, choose_and_wait, service_and_page
from client.samples import FOLDER
from serving.addresses import Addresses

WARM_UP = 3.0

UPLOADS = 5

LEAST_RATE, MOST_BEHIND, MOST_UPLOAD, MOST_GROWTH = 8.0, 250.0, 1000.0, 0.03
"""One camera's frames a second, its milliseconds from camera to overlay at the median, milliseconds of an upload beside
two cameras, and by which share memory may grow after the first minute, which the curve takes to be full."""

Memory = dict[str, float]
"""MiB by who holds them."""


@dataclass(frozen=True)
class Seen:
    """A camera's overlays: how many a second, milliseconds from camera to overlay in ascending order, faces a frame."""

    rate: float
    behind: list[float]
    faces: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    parser.add_argument("--minutes", type=float, default=0, help="for which memory is watched")
    add_ports(parser)
    arguments = parser.parse_args()
    with service_and_page(arguments.ports) as (service, pid, url):
        with browser_with_camera() as chromium:
            first = camera(chromium, url)
            one = measure([first], arguments.seconds)
            say("one camera", one)
            servers = {"the page's server": [pid], "the service": [service.torchserve.pid, service.door.pid]}
            memory = watch_memory(chromium, first, servers, arguments.minutes) if arguments.minutes else []
            second = camera(chromium, url)
            two = measure([first, second], arguments.seconds)
            say("two cameras", two)
            uploads = [choose_and_wait(chromium, url, FOLDER / "Grace-Hopper.jpg") for _ in range(UPLOADS)]
            took = statistics.median(uploads)
            print(f"an upload beside two cameras: shown after {took:.0f} ms, the slowest of {UPLOADS} after", end=" ")
            print(f"{max(uploads):.0f} ms", flush=True)
        video(service.addresses)
    if missed := judge(one[0], two, took, memory):
        sys.exit("\n".join(f"missed: {each}" for each in missed))


def judge(one: Seen, two: list[Seen], upload: float, memory: list[Memory]) -> list[str]:
    """Which bounds are missed, in words. `upload`: milliseconds; `memory`: by minute, the first at minute 0."""
    slowest, behind = min(each.rate for each in two), statistics.median(one.behind)
    missed = {
        f"{one.rate:.1f} frames a second; {LEAST_RATE:g} at least": one.rate < LEAST_RATE,
        f"{behind:.0f} ms from camera to overlay; {MOST_BEHIND:g} at most": behind > MOST_BEHIND,
        f"{slowest:.1f} frames a second of one of two cameras; half of {one.rate:.1f} at least": slowest < one.rate / 2,
        f"an upload shown after {upload:.0f} ms; {MOST_UPLOAD:g} at most": upload > MOST_UPLOAD,
    }
    for name, before in memory[1].items() if len(memory) > 1 else ():
        growth = memory[-1][name] / before - 1
        missed[f"{name} holds {growth:+.1%} since minute 1; {MOST_GROWTH:+.0%} at most"] = growth > MOST_GROWTH
    return [words for words, is_missed in missed.items() if is_missed]


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


def measure(tabs: list[Page], seconds: float) -> list[Seen]:
    """What each tab showed during these seconds."""
    time.sleep(WARM_UP)
    for tab in tabs:
        tab.evaluate("window.overlays.length = 0")
    time.sleep(seconds)
    return [seen(tab.evaluate("window.overlays")) for tab in tabs]


def seen(overlays: list[dict[str, Any]]) -> Seen:
    took = (overlays[-1]["at"] - overlays[0]["at"]) / 1000
    behind = sorted(overlay["behind"] * 1000 / RATE for overlay in overlays)
    return Seen((len(overlays) - 1) / took, behind, statistics.mean(len(overlay["people"]) for overlay in overlays))


def say(what: str, cameras: list[Seen]) -> None:
    for number, each in enumerate(cameras, start=1):
        print(
            f"{what}, camera {number}: {each.rate:.1f} frames a second, camera to overlay median "
            f"{statistics.median(each.behind):.0f} ms, 95 % within {each.behind[int(len(each.behind) * 0.95)]:.0f} ms; "
            f"{each.faces:.2f} faces a frame",
            flush=True,
        )


def watch_memory(chromium: Browser, tab: Page, servers: dict[str, list[int]], minutes: float) -> list[Memory]:
    """Print what the servers, by the ids of their processes, and the browser's only tab hold, a minute after the other;
    returns it."""
    script = tab.context.new_cdp_session(tab)
    processes = chromium.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [each for each in processes if each["type"] == "renderer"]  # Chromium may keep another one ready
    renderer = max(renderers, key=lambda each: float(each["cpuTime"]))["id"]
    watched = []
    for minute in range(round(minutes) + 1):
        if minute:
            time.sleep(60)
        tab.evaluate("window.overlays.length = 0")
        watched.append(
            {name: sum(map(held, ids)) for name, ids in servers.items()}
            | {"the tab's script": heap(script), "the tab's renderer process": held(renderer)}
        )
        holdings = ", ".join(f"{name} {mib:.1f} MiB" for name, mib in watched[-1].items())
        print(f"memory at minute {minute}: {holdings}", flush=True)
    return watched


def heap(script: CDPSession) -> float:
    """MiB of a tab's script, without garbage."""
    script.send("HeapProfiler.collectGarbage")
    return float(script.send("Runtime.getHeapUsage")["usedSize"]) / 2**20


def held(pid: int) -> float:
    """MiB that only the process with this id and those that it started hold."""
    process = psutil.Process(pid)
    return sum(float(each.memory_full_info().uss) for each in (process, *process.children(recursive=True))) / 2**20


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
