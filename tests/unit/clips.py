"""Small videos, made in memory of known stills."""

import io
import struct
from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
from av.audio.stream import AudioStream
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image

MILLISECONDS = Fraction(1, 1000)
CODECS = {"mp4": "libx264", "mov": "libx264", "webm": "libvpx"}


def still(colour: str, size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new("RGB", size, colour)


def noise(seed: int = 0) -> Image.Image:
    """A still that no codec can make small."""
    return Image.fromarray(np.random.default_rng(seed).integers(256, size=(48, 64, 3), dtype=np.uint8))


def shown(stills: Iterable[tuple[Image.Image, float]], rate: int = 10) -> list[tuple[float, Image.Image]]:
    """Each still with the times at which it is shown: for so many seconds, at `rate` pictures a second."""
    frames = [image for image, seconds in stills for _ in range(round(seconds * rate))]
    return [(number / rate, image) for number, image in enumerate(frames)]


def clip(frames: Iterable[tuple[float, Image.Image]], kind: str = "mp4", **options: str) -> bytes:
    """A video file of frames with their times; `options` are the muxer's."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind, options=options) as container:
        stream = container.add_stream(CODECS[kind], rate=30)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = MILLISECONDS
        stream.codec_context.gop_size = 12
        for at, image in frames:
            if not stream.codec_context.is_open:
                stream.width, stream.height = image.size
            frame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
            frame.pts, frame.time_base = round(at * 1000), MILLISECONDS
            container.mux(stream.encode(frame))
        container.start_encoding()
        container.mux(stream.encode())
    return file.getvalue()


def sound(seconds: float = 1.0) -> bytes:
    """A file that holds only sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream: AudioStream = container.add_stream("aac", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, round(8000 * seconds)), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux([*stream.encode(frame), *stream.encode()])
    return file.getvalue()


def song_with_cover() -> bytes:
    """A file with sound and the cover of the record."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream: AudioStream = container.add_stream("aac", rate=8000)
        stream.layout = "mono"
        cover = container.add_stream("png", rate=1)
        assert isinstance(cover, VideoStream)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        cover.disposition = Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux([*stream.encode(frame), *stream.encode()])
        picture = av.VideoFrame.from_image(still("red"))  # type: ignore[no-untyped-call]
        container.mux([*cover.encode(picture), *cover.encode()])
    return file.getvalue()


def head_first(video: bytes) -> bytes:
    """An `.mp4` with its index before its pictures, so that it can be read however early it ends."""
    (pictures, _), (index, size) = (_box(video, name) for name in (b"mdat", b"moov"))
    moov = bytearray(video[index : index + size])
    begin = moov.index(b"stco") + 8
    (count,) = struct.unpack_from(">I", moov, begin)
    for place in range(begin + 4, begin + 4 + 4 * count, 4):
        struct.pack_into(">I", moov, place, struct.unpack_from(">I", moov, place)[0] + size)
    return video[:pictures] + bytes(moov) + video[pictures:index] + video[index + size :]


def with_tracks(video: bytes, count: int) -> bytes:
    """An `.mp4` with its one track so many times, all of the same pictures."""
    (movie, movie_size), (track, track_size) = (_box(video, name) for name in (b"moov", b"trak"))
    before, one, after = (
        video[movie + 8 : track],
        video[track : track + track_size],
        video[track + track_size : movie + movie_size],
    )
    content = before + one * count + after
    return video[:movie] + struct.pack(">I", 8 + len(content)) + b"moov" + content + video[movie + movie_size :]


def _box(video: bytes, name: bytes) -> tuple[int, int]:
    """Where a box begins, and its size."""
    at = video.index(name) - 4
    return at, struct.unpack(">I", video[at : at + 4])[0]


def turned(video: bytes, quarters: int) -> bytes:
    """An `.mp4` whose header says that it must be turned clockwise by so many quarters, as a phone's says."""
    a, b = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters % 4]
    matrix = struct.pack(">9i", a << 16, b << 16, 0, -b << 16, a << 16, 0, 0, 0, 1 << 30)
    begin = video.index(b"tkhd") + 4 + 40  # version 0: the matrix stands 40 bytes into the box
    return video[:begin] + matrix + video[begin + len(matrix) :]
