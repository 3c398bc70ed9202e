"""A clip for Chromium's fake camera: portraits that take turns, and in each frame a clock that a script can read.

The clock is the frame's number in binary, as black and white fields along the lower edge, between a black one at the
left and a white one at the right.
"""

from pathlib import Path

import av
from av.video.stream import VideoStream
from PIL import Image, ImageDraw

from client.encoding import encoded
from client.samples import FOLDER

RATE = 30
"""Frames a second at which Chromium plays a `.mjpeg` file, over and over."""

SIZE = (640, 480)
BITS, FIELD, HEIGHT = 8, 64, 20
"""Bits of the clock, and pixels of each of its fields."""

PORTRAITS = {"Eileen-Collins.jpg": (226, 120, 92), "Grace-Hopper.jpg": (267, 221, 185)}
"""By file: where the middle of the face is, and its width, in pixels. One smiles, one does not."""

FACE, MIDDLE = 160, (320, 220)
"""Width of each face in the clip, and its place: the same for all, as if one person changed her expression."""


def write_clip(path: Path, seconds_each: float = 4.0) -> None:
    """Write an `.mjpeg` file in which each portrait is shown for `seconds_each`."""
    shown = [still for still in stills() for _ in range(round(RATE * seconds_each))]
    with path.open("wb") as file:
        for number, still in enumerate(shown):
            file.write(_frame(still, number))


def stills(size: tuple[int, int] = SIZE) -> list[Image.Image]:
    """The portraits, their faces at one place."""
    found = []
    for name, (x, y, width) in PORTRAITS.items():
        with Image.open(FOLDER / name) as image:
            scale = width / FACE
            left, top = x - MIDDLE[0] * scale, y - MIDDLE[1] * scale
            corners = (round(left), round(top), round(left + SIZE[0] * scale), round(top + SIZE[1] * scale))
            found.append(image.convert("RGB").crop(corners).resize(size, Image.Resampling.BICUBIC))
    return found


def _frame(still: Image.Image, number: int) -> bytes:
    frame = still.copy()
    draw = ImageDraw.Draw(frame)
    fields = [False, *(bool(number >> bit & 1) for bit in range(BITS)), True]
    for place, white in enumerate(fields):
        corners = (place * FIELD, SIZE[1] - HEIGHT, (place + 1) * FIELD, SIZE[1])
        draw.rectangle(corners, fill="white" if white else "black")
    return encoded(frame, "JPEG", quality=85)


def write_video(path: Path, seconds: float) -> None:
    """Write an `.mp4` of the portraits in 720p, taking turns every three seconds while the picture moves slowly."""
    wide = [still.resize((1440, 810)) for still in stills((960, 720))]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number in range(round(seconds * RATE)):
            still = wide[number // (3 * RATE) % len(wide)]
            left = number % 160
            picture = still.crop((left, 45, left + 1280, 765))
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))  # type: ignore[no-untyped-call]
        container.mux(stream.encode())


def frames_in(seconds_each: float = 4.0) -> int:
    """After how many frames the clip begins anew."""
    return len(PORTRAITS) * round(RATE * seconds_each)


READ_CLOCKS = """(loop) => {
    const [bits, field, height] = [%d, %d, %d];
    const canvas = new OffscreenCanvas(640, 480);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const read = (picture) => {
        pen.drawImage(picture, 0, 0, 640, 480);
        const middle = pen.getImageData(field, 480 - height / 2, bits * field, 1).data;
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
