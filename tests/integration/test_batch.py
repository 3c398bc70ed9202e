"""The batch command against the real service, stopped half-way."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from serving.addresses import Addresses
from tests.conftest import ROOT, photo_bytes
from tests.integration.test_service import metrics
from tests.integration.watching import at_rest

PHOTOS = 120
"""So many that some seconds are left after the first quarter, in which the signal is sent."""


@pytest.fixture
def folder(tmp_path: Path, smiling: Image.Image) -> Path:
    """Files that hold the same photo, and one that holds none."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(PHOTOS):
        (photos / f"{number:03}.jpg").write_bytes(photo_bytes("serious"))
    (photos / "broken.jpg").write_bytes(b"no photo")
    return photos


def start(folder: Path, out: Path, server: Addresses) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "client.batch", str(folder), "--out", str(out), "--concurrency", "4"]
    environment = os.environ | {"EMOTION_SERVER": server.url}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def lines(out: Path) -> list[dict[str, str]]:
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def analysed(server: Addresses) -> float:
    """Photos the service has analysed so far; it counts by way of its log, so this waits until the count rests."""
    return at_rest(lambda: metrics(server).get(("emotion_images_analysed", ()), 0.0))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_half_way_and_started_again_no_photo_is_analysed_twice(
    folder: Path, tmp_path: Path, server: Addresses, number: signal.Signals
) -> None:
    out = tmp_path / "results.csv"
    before = analysed(server)
    with start(folder, out, server) as batch:
        while not out.exists() or len(lines(out)) < PHOTOS // 4:
            assert batch.poll() is None, "it ended before it was half-way"
            time.sleep(0.01)
        batch.send_signal(number)
        _, message = batch.communicate(timeout=30)
    assert batch.returncode == 1
    assert "the same command goes on from" in message
    done = len(lines(out))
    assert PHOTOS // 4 <= done < PHOTOS
    with start(folder, out, server) as batch:
        _, message = batch.communicate(timeout=120)
    assert batch.returncode == 1, "for the broken one"
    assert "1 photos could not be analysed" in message
    assert sorted(row["file"] for row in lines(out)) == sorted(path.name for path in folder.iterdir())
    assert analysed(server) - before == PHOTOS
