"""README's pictures of the page, made anew: `python -m bench.pictures`. Look at them before they are committed."""

import argparse

from playwright.sync_api import Page

from bench.client import add_ports, browser, open_uploader, service_and_page
from bench.common import ROOT

FOLDER = ROOT / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_ports(parser)
    with service_and_page(parser.parse_args().ports) as (_, _, url), browser() as chromium:
        tab = chromium.new_page(viewport={"width": 1366, "height": 1000})
        open_uploader(tab, url)
        tab.get_by_role("button", name="A group").click()
        tab.get_by_text("5 faces, largest first").wait_for()
        take(tab, "page.png")
        tab.set_viewport_size({"width": 1100, "height": 1000})
        tab.goto(f"{url}/performance")
        tab.get_by_role("heading", name="How good is the model?").wait_for()
        # The page scrolls in a part of its own, so that a picture of all of it needs a window as high.
        tab.wait_for_load_state("networkidle")
        height = tab.get_by_test_id("stMainBlockContainer").bounding_box()
        tab.set_viewport_size({"width": 1100, "height": round(height["height"] if height else 1000)})
        take(tab, "performance.png")


def take(tab: Page, name: str) -> None:
    """Once everything that moves stands still."""
    tab.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    tab.mouse.move(0, 0)
    tab.wait_for_timeout(2000)
    tab.screenshot(path=FOLDER / name)


if __name__ == "__main__":
    main()
