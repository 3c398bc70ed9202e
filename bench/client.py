"""What the client adds: `python -m bench.client`, or `make bench-client`.

The page in real headless Chromium, from choosing a file to its annotated picture, and the batch command's throughput
next to that of the load generator of `bench.load`, both against one real TorchServe.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright

from bench.load import Request, saturate
from bench.service import one_face
from client.api import EmotionClient
from client.batch import CONCURRENCY, analyse_folder
from serving.addresses import Addresses
from serving.page import page
from serving.server import serving

PHOTOS = {"1 Mpx": (1152, 864), "12 Mpx": (4000, 3000)}
ROUNDS, FOLDER = 15, 200


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="photos of each size on the page")
    arguments = parser.parse_args()
    addresses = Addresses(18080, 18081, 18082, 18084, 18085)
    with serving(addresses) as service:
        service.wait_until_ready()
        bench_batch(addresses)
        with page(18501, addresses) as process:
            bench_page("http://127.0.0.1:18501", arguments.rounds)
            held = psutil.Process(process.pid).memory_full_info().uss / 2**20
            print(f"the page's process holds {held:.0f} MiB after that")


def bench_batch(addresses: Addresses) -> None:
    """The throughput of the batch command, next to that of the load generator in the same run."""
    photo = one_face(640, 480)
    best, _ = saturate(Request(addresses.door, photo), clients=16, seconds=10)
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as scratch:
        folder = Path(scratch) / "photos"
        folder.mkdir()
        for number in range(FOLDER):
            (folder / f"{number:03}.jpg").write_bytes(photo)
        client = EmotionClient(addresses.url)
        started = time.perf_counter()
        analyse_folder(client, folder, Path(scratch) / "results.csv", CONCURRENCY)
        rate = FOLDER / (time.perf_counter() - started)
    print(f"load generator, 16 clients: {best:.1f} photos a second")
    print(f"client.batch, {FOLDER} photos: {rate:.1f} a second, {rate / best:.0%} of that")


def bench_page(url: str, rounds: int) -> None:
    """Seconds from choosing a file to its annotated picture, measured inside the browser."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="emotion-bench-") as scratch:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for name, (width, height) in PHOTOS.items():
            photo = Path(scratch) / f"{width}.jpg"
            photo.write_bytes(one_face(width, height))
            times = [choose_and_wait(browser, url, photo) for _ in range(rounds + 2)][2:]
            size = photo.stat().st_size / 1e6
            print(
                f"page, {name} photo of {size:.1f} MB: median {statistics.median(times):.0f} ms, "
                f"slowest {max(times):.0f} ms of {rounds}"
            )
        browser.close()


def choose_and_wait(browser: Browser, url: str, photo: Path) -> float:
    """Milliseconds from choosing `photo` in a fresh tab until its annotated picture is there."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(url)
    tab.get_by_role("button", name="I understand").click()
    tab.get_by_text("choose them, drop them here").wait_for()
    tab.wait_for_load_state("networkidle")
    tab.evaluate(
        """() => {
            const started = {};
            const begin = () => { started.at = performance.now(); };
            window.addEventListener("change", begin, { once: true, capture: true });
            window.annotated = new Promise((resolve) => {
                const look = () => {
                    const part = document.querySelector(".st-key-faces-in-photo [data-testid^=stBidi] > div");
                    const root = part?.shadowRoot;
                    const picture = root?.querySelector('img[alt^="The photo with 1 marked face"]');
                    const drawn = picture?.complete && picture.naturalWidth && root.querySelector(".face");
                    if (drawn) resolve(performance.now() - started.at);
                    else requestAnimationFrame(look);
                };
                look();
            });
        }"""
    )
    tab.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(photo)
    milliseconds: float = tab.evaluate("window.annotated")
    tab.close()
    return milliseconds


if __name__ == "__main__":
    main()
