"""Pictures out of a video file that lies in memory: nothing of it is written to a disk, and no other file is opened.

PyAV reads from memory where OpenCV wants a file's name.
"""

import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
import av.container
from av.stream import Disposition
from PIL import Image

from client.cuts import Cuts
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

MISSING = 1.0
"""Seconds before the end that a file names, from which on one that ends there is said to be cut off: its last picture
may be shown for long."""

MOST_STREAMS = 64
"""Of a file: phones write a handful, with sound, subtitles and what the sensors saw."""

MOST_FRAMES_A_SECOND, MOST_PIXELS_A_SECOND = 240, 3840 * 2160 * 60
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

    `at`: seconds from the first picture; `scale`: its sides divided by the video's own, at most 1; `read`: share of the
    file's bytes that were read by then; `after_loss`: whether something behind the picture before could not be decoded;
    `after_cut`: whether another shot began behind the picture before.
    """

    at: float
    image: Image.Image
    scale: float
    read: float
    after_loss: bool = False
    after_cut: bool = False


@dataclass(frozen=True)
class Bounds:
    """What is read of a video at most."""

    size: int = MOST_BYTES
    seconds: float = MOST_SECONDS


def pictures(
    data: bytes,
    rate: float,
    bounds: Bounds = Bounds(),
    *,
    after: float | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> Iterator[Picture]:
    """`rate` pictures a second of the video in a file's bytes: the first, then the first of each further interval.

    `after`: seconds of a picture that was had before, to go on behind it. `wanted` is asked before each part of the
    file is decoded; at the first no the pictures end.

    Raises `VideoError`, before the first picture where the file says enough about itself. A file that turns out to be
    too long, cut off or damaged raises it after the pictures that could be read.
    """
    with _opened(data, bounds) as video:
        begun: float | None = None
        following = 0.0 if after is None else _following(after, rate)
        latest, before, pixels = 0.0, after or 0.0, 0
        cuts, latest_cut = Cuts(), 0.0
        for count, frame in enumerate(video.frames(wanted), start=1):
            at = frame.time if frame.time is not None else latest + (begun or 0.0)
            begun = at if begun is None else begun
            latest = at - begun
            pixels += frame.width * frame.height
            if latest > bounds.seconds or count > bounds.seconds * MOST_FRAMES_A_SECOND:
                raise VideoError(f"the video goes on after {_minutes(bounds.seconds)}, the limit")
            if pixels > bounds.seconds * MOST_PIXELS_A_SECOND:
                raise VideoError("the video holds too many large pictures; the limit is 4K at 60 pictures a second")
            if cuts.is_before(frame):
                latest_cut = latest
            if latest + NEARLY >= following:
                following = _following(latest, rate)
                yield video.picture(latest, frame, video.latest_lost > begun + before, latest_cut > before)
                before = latest
        if not wanted():
            return
        if begun is None:
            raise VideoError("the video holds no picture that can be decoded")
        missing = video.missing(latest)
        if missing:
            raise VideoError(missing)


def _following(at: float, rate: float) -> float:
    """When the interval after the one of `at` begins."""
    return (int((at + NEARLY) * rate) + 1) / rate


def picture_at(data: bytes, at: float) -> Picture:
    """The picture that `pictures` gave at `at` seconds. Raises `VideoError`."""
    with _opened(data, Bounds(len(data))) as video:
        begun = next((frame.time for frame in video.frames()), None) or 0.0
        if video.stream.time_base is not None:
            video.container.seek(int((begun + at) / video.stream.time_base), stream=video.stream)  # key picture before
        for frame in video.frames():
            if frame.time is None or frame.time - begun + NEARLY >= at:
                return video.picture(at, frame)
    raise VideoError(f"the video holds no picture at {at:.1f} s")


def length(data: bytes, bounds: Bounds = Bounds()) -> float | None:
    """Seconds that the video takes, if its file says so. Raises `VideoError`."""
    with _opened(data, bounds) as video:
        return video.length


class _Video:
    """An open file and its moving picture.

    `lost`: how many parts could not be decoded, `latest_lost`: the latest one's time in the file; `reached`: the latest
    time in the file, of picture or sound.
    """

    def __init__(
        self, file: io.BytesIO, container: av.container.InputContainer, stream: av.VideoStream, size: int
    ) -> None:
        self.container, self.stream = container, stream
        self.lost, self.latest_lost = 0, -math.inf
        self.reached = 0.0
        self._file, self._size = file, size

    @property
    def length(self) -> float | None:
        """Seconds, if the file says so."""
        if self.stream.duration is not None and self.stream.time_base is not None:
            return float(self.stream.duration * self.stream.time_base)
        return self.container.duration / av.time_base if self.container.duration is not None else None

    def frames(self, wanted: Callable[[], bool] = lambda: True) -> Iterator[av.VideoFrame]:
        """The frames that can be decoded: after a damaged one the next whole one is looked for."""
        before = 0.0
        for packet in self.container.demux():
            if not wanted():
                return
            is_picture = packet.stream_index == self.stream.index
            if packet.pts is not None:
                at = float(packet.pts * packet.time_base)
                # Some files give pictures no duration: each stands as long as the one before.
                stands = (
                    float(packet.duration * packet.time_base) if packet.duration else at - before if is_picture else 0
                )
                self.reached = max(self.reached, at + stands)
                before = at if is_picture else before
            if not is_picture:
                continue
            try:
                yield from packet.decode()  # type: ignore[misc]
            except av.InvalidDataError:
                self.lost += 1
                at = self.reached if packet.pts is None else float(packet.pts * packet.time_base)
                self.latest_lost = max(self.latest_lost, at)

    def missing(self, latest: float) -> str:
        """What the file lacks after it was read up to its end, the latest picture at `latest`; "" if nothing."""
        said = []
        if self.length is not None and self.reached < self.length - MISSING:
            said.append(f"the video ends after {latest:.1f} of {self.length:.1f} s, its file may be cut off")
        if self.lost:
            parts = (
                "1 damaged part of the video is" if self.lost == 1 else f"{self.lost} damaged parts of the video are"
            )
            said.append(f"{parts} left out")
        return "; ".join(said)

    def picture(self, at: float, frame: av.VideoFrame, after_loss: bool = False, after_cut: bool = False) -> Picture:
        """A frame as it is sent."""
        scale = min(LONGEST_SIDE / max(frame.width, frame.height), 1.0)
        width, height = (max(round(side * scale), 1) for side in (frame.width, frame.height))
        image: Image.Image = frame.to_image(width=width, height=height)  # type: ignore[no-untyped-call]
        turn = TURNS.get(round(frame.rotation / 90) * 90)
        upright = image if turn is None else image.transpose(turn)
        return Picture(at, upright, scale, self._file.tell() / self._size, after_loss, after_cut)


@contextmanager
def _opened(data: bytes, bounds: Bounds) -> Iterator[_Video]:
    """A video that lies in memory."""
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
        moving = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
        if not moving:  # but perhaps the cover of a record
            raise VideoError("the file holds no moving picture, only sound" if container.streams.audio else NO_VIDEO)
        stream = moving[0]
        if stream.codec_context is None:
            raise VideoError("the video is in a coding that cannot be read here")
        video = _Video(file, container, stream, len(data))
        if video.length is not None and video.length > bounds.seconds:
            raise VideoError(f"the video takes {_minutes(video.length)}; the limit is {_minutes(bounds.seconds)}")
        context = stream.codec_context
        if context.width * context.height > MAX_PIXELS:
            raise VideoError(
                f"the picture is {context.width}×{context.height}; the limit is {MAX_PIXELS / 1e6:.0f} Mpx"
            )
        # A picture may also grow on the way, and the decoder itself refuses that.
        context.options = {"max_pixels": str(MAX_PIXELS)}
        context.thread_type = "AUTO"
        yield video


NO_VIDEO = f"the file is no video that can be read here ({', '.join(f'.{suffix}' for suffix in MEDIA_TYPES)})"


@contextmanager
def _readable() -> Iterator[None]:
    """FFmpeg's errors as ours."""
    try:
        yield
    except (av.FFmpegError, OverflowError) as error:
        raise VideoError(f"{NO_VIDEO}, or it is damaged") from error


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}".removesuffix(".0") + " minutes" if seconds >= 60 else f"{seconds:.0f} seconds"
