"""Memory of the page's server under photographs as phones make them: `python -m bench.page_memory`.

In real headless Chromium against a real service: forty photos at once, then "Clear everything"; then three people with
fifty each, one after the other, and once more all at once.
"""

import argparse
import io
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from playwright.sync_api import Browser, Page

from bench.client import add_ports, browser, open_uploader, service_and_page
from bench.service import one_face
from client.encoding import encoded

AT_ONCE, SESSIONS, EACH = 40, 3, 50
WIDTH, HEIGHT, GRAIN = 4000, 3000, 10.0
PATIENCE = 240_000
"""Milliseconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_ports(parser)
    with (
        service_and_page(parser.parse_args().ports) as (_, pid, url),
        browser() as chromium,
        photos(EACH) as files,
    ):
        print(f"{WIDTH}×{HEIGHT} photos of {files[0].stat().st_size / 1e6:.1f} MB", flush=True)
        for bench in (forty_at_once, three_sessions):
            bench(chromium, url, Memory(pid), files)


@contextmanager
def photos(count: int) -> Iterator[list[Path]]:
    """So many files of one photo with the grain of a camera, without which it would have a third of the bytes."""
    picture = np.asarray(Image.open(io.BytesIO(one_face(WIDTH, HEIGHT))))
    grain = np.random.default_rng(0).normal(0, GRAIN, picture.shape)
    noisy = encoded(Image.fromarray(np.clip(picture + grain, 0, 255).astype(np.uint8)), "JPEG", quality=90)
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as folder:
        files = [Path(folder) / f"{number:02}.jpg" for number in range(count)]
        for each in files:
            each.write_bytes(noisy)
        yield files


class Memory:
    """MiB that only the process with this id holds."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.peak = 0.0

    def now(self) -> float:
        return float(self.process.memory_full_info().uss) / 2**20

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Looks ten times a second for the `peak`."""
        self.peak, done = 0.0, threading.Event()

        def look() -> None:
            while not done.wait(0.1):
                self.peak = max(self.peak, self.now())

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def settled(self) -> float:
        """Once it has not fallen for two seconds."""
        least = self.now()
        while True:
            time.sleep(2)
            if (now := self.now()) >= least - 1:
                return now
            least = now


def forty_at_once(chromium: Browser, url: str, memory: Memory, files: Sequence[Path]) -> None:
    tab, other = new_tab(chromium, url), new_tab(chromium, url)
    for each in (tab, other):  # once, so that what is loaded at first use is there
        give(each, files[:2])
        clear(each)
    before = memory.settled()
    with memory.watched():
        started = time.perf_counter()
        choose(tab, files[:AT_ONCE])
        time.sleep(1)
        give(other, files[:1])
        beside = time.perf_counter() - started - 1
        read(tab, AT_ONCE)
        took = time.perf_counter() - started
    print(f"{AT_ONCE} at once: {took:.1f} s; another person's photo meanwhile {beside:.1f} s", flush=True)
    started = time.perf_counter()
    tab.get_by_role("button", name="Next", exact=True).click()
    tab.get_by_text(f"2 of {AT_ONCE}").wait_for()
    turned = time.perf_counter() - started
    held = memory.settled()
    for each in (tab, other):
        clear(each)
    after = memory.settled()
    print(f"the next photo is shown after {turned * 1000:.0f} ms")
    print(
        f"memory: {before:.0f} MiB before, {held:.0f} with all ({memory.peak:.0f} at most), "
        f"{after:.0f} after “Clear everything”: {after / before - 1:+.0%}",
        flush=True,
    )
    for each in (tab, other):
        each.close()


def three_sessions(chromium: Browser, url: str, memory: Memory, files: Sequence[Path]) -> None:
    tabs = [new_tab(chromium, url) for _ in range(SESSIONS)]
    for words, at_once in (("one after the other", False), ("all at once", True)):
        with memory.watched():
            for tab in tabs:
                choose(tab, files)
                if not at_once:
                    read(tab, EACH)
            for tab in tabs:
                read(tab, EACH)
            held = memory.settled()
        print(f"{SESSIONS} sessions of {EACH}, {words}: {held:.0f} MiB, {memory.peak:.0f} at most", flush=True)
        for tab in tabs:
            clear(tab)
        print(f"after “Clear everything”: {memory.settled():.0f} MiB", flush=True)


def new_tab(chromium: Browser, url: str) -> Page:
    """Of a person of their own."""
    tab = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    tab.set_default_timeout(PATIENCE)
    open_uploader(tab, url)
    return tab


def give(tab: Page, files: Sequence[Path]) -> None:
    choose(tab, files)
    read(tab, len(files))


def choose(tab: Page, files: Sequence[Path]) -> None:
    tab.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(files)


def read(tab: Page, count: int) -> None:
    """Wait until so many photos have their answers, and the page is drawn to its end."""
    if count > 1:
        tab.get_by_text(f"{count} photos · {count} faces").wait_for()
    tab.get_by_role("button", name="Remove this photo").wait_for()
    tab.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


def clear(tab: Page) -> None:
    tab.get_by_role("button", name="Clear everything").click()
    tab.get_by_text("choose them, drop them here").wait_for()
    tab.get_by_role("button", name="Remove this photo").wait_for(state="detached")


if __name__ == "__main__":
    main()
