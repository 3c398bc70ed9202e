"""Pictures out of a video file that lies in memory: nothing of it is written to a disk, and no other file is opened.

PyAV reads from memory where OpenCV wants a file's name.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
import av.container
from PIL import Image

from emotion.contract import MAX_PIXELS

MEDIA_TYPES = {"mp4": "video/mp4", "webm": "video/webm", "mov": "video/quicktime"}
"""What is accepted, by suffix."""

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"
"""FFmpeg's names of the formats. Others are never tried: a playlist names further files, which it would open."""

LONGEST_SIDE = 1280
"""Pixels of a picture; larger ones are scaled down before they are sent."""

MOST_BYTES, MOST_SECONDS = 200 * 10**6, 600.0

NEARLY = 1e-4
"""Seconds by which a file's times may be rounded."""

MOST_STREAMS = 64
"""Of a file: phones write a handful, with sound, subtitles and what the sensors saw."""

MOST_FRAMES_A_SECOND = 240
"""Of a file; one with more is meant to keep the decoder busy."""

RATES = range(1, 11)
"""Pictures a second that can be asked for."""

TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    -180: Image.Transpose.ROTATE_180,
    -90: Image.Transpose.ROTATE_270,
}
"""By degrees counterclockwise, as the file says how it must be turned to stand upright."""


class VideoError(Exception):
    """The video cannot be read; the message is for the person who gave it."""


@dataclass(frozen=True)
class Picture:
    """One picture of a video: RGB and upright, its sides at most `LONGEST_SIDE`.

    `at`: seconds from the first picture; `scale`: its sides divided by the video's own, at most 1.
    """

    at: float
    image: Image.Image
    scale: float


@dataclass(frozen=True)
class Bounds:
    """What is read of a video at most."""

    size: int = MOST_BYTES
    seconds: float = MOST_SECONDS


def pictures(data: bytes, rate: float, bounds: Bounds = Bounds()) -> Iterator[Picture]:
    """`rate` pictures a second of the video in a file's bytes: the first, then the first of each further interval.

    Raises `VideoError`, before the first picture where the file says enough about itself. A file that turns out to be
    too long, or to be broken further on, raises it after the pictures before that place.
    """
    with _opened(data, bounds) as (container, stream):
        begun: float | None = None
        following = latest = 0.0
        for count, frame in enumerate(_decoded(container, stream), start=1):
            at = frame.time if frame.time is not None else latest + (begun or 0.0)
            begun = at if begun is None else begun
            latest = at - begun
            if latest > bounds.seconds or count > bounds.seconds * MOST_FRAMES_A_SECOND:
                raise VideoError(f"the video goes on after {_minutes(bounds.seconds)}, the limit")
            if latest + NEARLY >= following:
                following = (int((latest + NEARLY) * rate) + 1) / rate
                yield _picture(latest, frame)
        if begun is None:
            raise VideoError("the video holds no picture that can be decoded")


def picture_at(data: bytes, at: float) -> Picture:
    """The picture that `pictures` gave at `at` seconds. Raises `VideoError`."""
    with _opened(data, Bounds(len(data))) as (container, stream):
        begun = next((frame.time for frame in _decoded(container, stream)), None) or 0.0
        if stream.time_base is not None:
            container.seek(int((begun + at) / stream.time_base), stream=stream)  # to a key picture before it
        for frame in _decoded(container, stream):
            if frame.time is None or frame.time - begun + NEARLY >= at:
                return _picture(at, frame)
    raise VideoError(f"the video holds no picture at {at:.1f} s")


def length(data: bytes, bounds: Bounds = Bounds()) -> float | None:
    """Seconds that the video takes, if its file says so. Raises `VideoError`."""
    with _opened(data, bounds) as (container, stream):
        return _length(container, stream)


@contextmanager
def _opened(data: bytes, bounds: Bounds) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """The file and its video stream."""
    if not data:
        raise VideoError("the file is empty")
    if len(data) > bounds.size:
        raise VideoError(f"the file has {len(data) / 1e6:.0f} MB; the limit is {bounds.size / 1e6:.0f} MB")
    allowed = {"format_whitelist": FORMATS, "protocol_whitelist": "", "max_streams": str(MOST_STREAMS)}
    # Else FFmpeg decodes pictures of all streams to know more of each: as many large ones lie in memory at once.
    looking = {"skip_frame": "all"}
    file = io.BytesIO(data)
    with (
        _readable(),
        av.open(file, "r", options=looking, container_options=allowed, metadata_errors="replace") as container,
    ):
        if not container.streams.video:
            raise VideoError("the file holds no moving picture, only sound" if container.streams.audio else NO_VIDEO)
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise VideoError("the video is in a coding that cannot be read here")
        seconds = _length(container, stream)
        if seconds is not None and seconds > bounds.seconds:
            raise VideoError(f"the video takes {_minutes(seconds)}; the limit is {_minutes(bounds.seconds)}")
        context = stream.codec_context
        if context.width * context.height > MAX_PIXELS:
            raise VideoError(
                f"the picture is {context.width}×{context.height}; the limit is {MAX_PIXELS / 1e6:.0f} Mpx"
            )
        # A picture may also grow on the way, and the decoder itself refuses that.
        context.options = {"max_pixels": str(MAX_PIXELS)}
        context.thread_type = "AUTO"
        yield container, stream


NO_VIDEO = f"the file is no video that can be read here ({', '.join(f'.{suffix}' for suffix in MEDIA_TYPES)})"


@contextmanager
def _readable() -> Iterator[None]:
    """FFmpeg's errors as ours."""
    try:
        yield
    except (av.FFmpegError, OverflowError) as error:
        raise VideoError(f"{NO_VIDEO}, or it is damaged") from error


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """The frames that can be decoded: after a damaged one the next whole one is looked for."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue


def _length(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration is not None else None


def _picture(at: float, frame: av.VideoFrame) -> Picture:
    scale = min(LONGEST_SIDE / max(frame.width, frame.height), 1.0)
    width, height = (max(round(side * scale), 1) for side in (frame.width, frame.height))
    image: Image.Image = frame.to_image(width=width, height=height)  # type: ignore[no-untyped-call]
    turn = TURNS.get(round(frame.rotation / 90) * 90)
    return Picture(at, image if turn is None else image.transpose(turn), scale)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}".removesuffix(".0") + " minutes" if seconds >= 60 else f"{seconds:.0f} seconds"
