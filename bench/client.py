"""What the client adds: `python -m bench.client`, or `make bench-client`.

The page in real headless Chromium, from choosing a file to its annotated picture, and the batch command's throughput
next to that of the load generator of `bench.load`, all against one real service. With `--against`, the page of another
checkout, with its own service, is visited by turns with this one, so that what else the machine does falls on both.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from bench.common import FIRST_PORT, addresses_from
from bench.load import Request, saturate
from bench.service import one_face
from client.api import EmotionClient
from client.batch import CONCURRENCY, analyse_folder
from serving.addresses import Addresses
from serving.page import page, wait_until_up
from serving.processes import running
from serving.server import Service, serving

PHOTOS = {"1 Mpx": (1152, 864), "12 Mpx": (4000, 3000)}
ROUNDS, WARM_UP, FOLDER = 15, 2, 200

WAIT_FOR_PICTURE = """() => {
    const marked = () => document.querySelector('img[alt^="The photo with 1 marked face"]')
        ?? document.querySelector(".st-key-faces-in-photo [data-testid=stBidiComponentIsolated]")?.shadowRoot
            ?.querySelector('img[alt^="The photo with 1 marked face"]');
    const before = marked()?.src;
    let started;
    window.addEventListener("change", () => { started ??= performance.now(); }, { capture: true });
    window.annotated = new Promise((resolve) => {
        const look = () => {
            const picture = marked();
            if (picture && picture.src !== before && picture.complete && picture.naturalWidth)
                requestAnimationFrame(() => resolve(performance.now() - started));
            else requestAnimationFrame(look);
        };
        look();
    });
}"""
"""The page shows a sample before. Before version 2.2 the boxes were drawn into the picture; since then its component
draws both at once."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="photos of each size on the page")
    parser.add_argument(
        "--against", type=Path, help="root of a checkout before 2.2, with its model archive built; only the page then"
    )
    add_ports(parser)
    arguments = parser.parse_args()
    with ExitStack() as others:
        pages: dict[str, str] = {}
        if arguments.against:
            pages["theirs"] = others.enter_context(their_page(arguments.against.resolve(), arguments.ports + 10))
        service, _, pages["page"] = others.enter_context(service_and_page(arguments.ports))
        if not arguments.against:
            bench_batch(service.addresses)
        with browser() as chromium:
            bench_page(chromium, pages, arguments.rounds)


def add_ports(parser: argparse.ArgumentParser) -> None:
    """The option that says where what is measured listens."""
    parser.add_argument("--ports", type=int, default=FIRST_PORT, help="the first of those that are used")


@contextmanager
def service_and_page(ports: int) -> Iterator[tuple[Service, int, str]]:
    """The service and the page, ready, the page as its process and address; `ports`: the first one."""
    port = ports + 6
    with serving(addresses_from(ports)) as service, page(port, service.addresses) as process:
        service.wait_until_ready()
        yield service, process.pid, f"http://127.0.0.1:{port}"


@contextmanager
def their_page(root: Path, ports: int) -> Iterator[str]:
    """The address of the page of another checkout, with its service; before version 2.2 there was no door."""
    names, port = ("inference", "management", "metrics"), ports + 3
    options = [word for number, name in enumerate(names) for word in (f"--{name}-port", str(ports + number))]
    command = [sys.executable, "-m", "serving.run", *options, "--page-port", str(port)]
    with running(command, folder=root) as process:
        wait_until_up(process, port, timeout=120)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def browser(*options: str) -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", *options])
        yield chromium
        chromium.close()


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


def bench_page(chromium: Browser, pages: dict[str, str], rounds: int) -> None:
    """Seconds from choosing a file to its annotated picture, measured inside the browser; `pages`: their addresses."""
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as scratch:
        for size, (width, height) in PHOTOS.items():
            photo = Path(scratch) / f"{width}.jpg"
            photo.write_bytes(one_face(width, height))
            times: dict[str, list[float]] = {name: [] for name in pages}
            for _ in range(rounds + WARM_UP):
                for name, url in pages.items():
                    times[name].append(choose_and_wait(chromium, url, photo))
            for name, measured in times.items():
                kept = measured[WARM_UP:]
                print(
                    f"{name}, {size} photo of {photo.stat().st_size / 1e6:.1f} MB: median "
                    f"{statistics.median(kept):.0f} ms, slowest {max(kept):.0f} ms of {rounds}"
                )
            if "theirs" in times:
                middle = {name: statistics.median(measured[WARM_UP:]) for name, measured in times.items()}
                print(f"{size}: {middle['page'] / middle['theirs']:.2f} times theirs", flush=True)


def choose_and_wait(chromium: Browser, url: str, photo: Path) -> float:
    """Milliseconds from choosing `photo` in a fresh tab until its annotated picture is there."""
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    open_uploader(tab, url)
    tab.evaluate(WAIT_FOR_PICTURE)
    tab.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(photo)
    milliseconds: float = tab.evaluate("window.annotated")
    tab.close()
    return milliseconds


def open_uploader(tab: Page, url: str) -> None:
    """The page, quiet, with its notice acknowledged."""
    tab.goto(url)
    tab.get_by_role("button", name="I understand").click()
    tab.get_by_text("choose them, drop them here").wait_for()
    tab.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main()
