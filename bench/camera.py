"""A clip for Chromium's fake camera: portraits that take turns, and in each frame a clock that a script can read.

The clock is the frame's number in binary, as black and white fields along the lower edge.
"""

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from client.samples import FOLDER

RATE = 30
"""Frames a second at which Chromium plays a `.mjpeg` file, over and over."""

SIZE = (640, 480)
BITS, FIELD, HEIGHT = 10, 64, 20
"""Fields of the clock, and pixels of each."""

PORTRAITS = ("Eileen-Collins.jpg", "Grace-Hopper.jpg")


def write_clip(path: Path, seconds_each: float = 4.0) -> None:
    """Write an `.mjpeg` file in which each portrait is shown for `seconds_each`."""
    stills = [_still(FOLDER / name) for name in PORTRAITS for _ in range(round(RATE * seconds_each))]
    with path.open("wb") as file:
        for number, still in enumerate(stills):
            file.write(_frame(still, number))


def _still(path: Path) -> Image.Image:
    with Image.open(path) as image:
        portrait = ImageOps.contain(image.convert("RGB"), SIZE)
    scene = Image.new("RGB", SIZE, (90, 100, 110))
    scene.paste(portrait, ((SIZE[0] - portrait.width) // 2, 0))
    return scene


def _frame(still: Image.Image, number: int) -> bytes:
    frame = still.copy()
    draw = ImageDraw.Draw(frame)
    for bit in range(BITS):
        colour = "white" if number >> bit & 1 else "black"
        draw.rectangle((bit * FIELD, SIZE[1] - HEIGHT, (bit + 1) * FIELD, SIZE[1]), fill=colour)
    file = io.BytesIO()
    frame.save(file, "JPEG", quality=85)
    return file.getvalue()


def frames_in(seconds_each: float = 4.0) -> int:
    """After how many frames the clip begins anew."""
    return len(PORTRAITS) * round(RATE * seconds_each)


READ_CLOCKS = """(loop) => {
    const [bits, field, height] = [%d, %d, %d];
    const canvas = new OffscreenCanvas(bits * field, 480);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const read = (picture) => {
        pen.drawImage(picture, 0, 0, bits * field, 480);
        const middle = pen.getImageData(0, 480 - height / 2, bits * field, 1).data;
        let number = 0;
        for (let bit = 0; bit < bits; bit += 1) if (middle[(bit + 0.5) * field * 4] > 127) number |= 1 << bit;
        return number;
    };
    window.overlays = [];
    addEventListener("overlay", (event) => {
        const { frame, people } = event.detail;
        const video = event.composedPath()[0].querySelector("video");
        const behind = (read(video) - read(frame) + loop) %% loop;
        window.overlays.push({ at: performance.now(), behind, people });
    });
}""" % (BITS, FIELD, HEIGHT)  # noqa: UP031 - braces are JavaScript's
"""A function for the page: from then on `overlays` has each overlay: when it was drawn, how many frames of the camera
later than its own, and the people."""
