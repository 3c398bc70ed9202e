"""Nothing of a photo that was given to the page stands anywhere on the machine: neither what is in it nor its name."""

import pytest
from playwright.sync_api import Browser, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.browser.conftest import choose
from tests.integration.commands import running
from tests.integration.conftest import free_addresses, free_ports
from tests.integration.test_privacy import MARK, contents, disguises, marked, scraped


def test_nothing_of_a_photo_or_its_name_is_kept(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path = tmp_path_factory.mktemp("privacy")  # short: a worker's socket lies below it
    addresses = free_addresses()
    page_port, metrics_port = free_ports(2)
    monkeypatch.setenv("EMOTION_METRICS_PORT", str(metrics_port))
    photos = [tmp_path / f"{MARK}.jpg", tmp_path / f"{MARK} broken.jpg"]
    photos[0].write_bytes(marked())
    photos[1].write_bytes(marked()[:4000])
    home = tmp_path / "home"
    home.mkdir()
    folder = tmp_path / "service"
    folder.mkdir()
    with running(folder, addresses, "serving.run", f"--page-port={page_port}", HOME=str(home)) as command:
        tab = chromium.new_page()
        tab.goto(f"http://127.0.0.1:{page_port}")
        tab.get_by_role("button", name="I understand").click()
        choose(tab, *photos)
        expect(tab.get_by_text(MARK).first).to_be_visible()
        expect(tab.get_by_text("2 photos · 1 face")).to_be_visible()
        expect(tab.get_by_text("1 of 2 photos could not be read")).to_be_visible()
        tab.close()
        with pytest.raises(InvalidStatus):
            connect(f"ws://127.0.0.1:{page_port}/_stcore/stream", origin=Origin(f"https://{MARK}.example"), proxy=None)
        places = {
            "the log": command.log.read_bytes(),
            "the page's metrics": scraped(metrics_port),
            "TorchServe's metrics": scraped(addresses.metrics),
            "the door's metrics": scraped(addresses.door_metrics),
            **{str(each): contents(each) for each in (*(folder / "tmp").rglob("*"), *home.rglob("*"))},
        }
    assert b"handled request" in places["the log"]
    assert b"emotion_client_images" in places["the page's metrics"]
    for place, content in places.items():
        for mark in (*disguises(MARK.encode()), marked()[:64]):
            assert mark not in content, f"{place} holds {mark!r}"
