"""Analyse a video with the running service: each face is followed, and each of its pictures is a line of the results.

    python -m client.video holiday.mp4 --out results.csv --rate 2 --annotate annotated.mp4

The file is decoded in memory; several pictures are under way at once. Ctrl-C and SIGTERM keep what is known so far.
Exit status: 0 when the whole video was analysed, 1 otherwise.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import IO

import av
from av.container import OutputContainer
from av.video.stream import VideoStream
from PIL import Image
from tqdm import tqdm

from client import drawing, frames
from client.api import Answer, EmotionClient, ServiceError
from client.batch import command_line, connected, stop_requests
from client.concurrency import ordered_map
from client.encoding import encoded
from client.frames import MOST_BYTES, MOST_SECONDS, RATES, Bounds, Picture, VideoError
from client.results import COLUMNS, THRESHOLD, Row, as_csv, in_own_pixels, rows
from client.tracking import Followed, Tracker
from emotion.contract import STANDARD, Detail

VIDEO_COLUMNS = ("time", *COLUMNS[1:-1], "smoothed_emotion", "smoothed_confidence", COLUMNS[-1])
"""`time` is in seconds; `face` is the number of the person, who keeps it through the video; the smoothed columns are
averaged over time, the others are the service's answer for this picture alone. Boxes are in the video's own pixels."""

QUALITY, SMOOTHING = 90, 0.5
"""Of the JPEG files that are sent; seconds of the exponential average."""

MILLISECONDS = Fraction(1, 1000)


@dataclass(frozen=True)
class Moment:
    """The people in a picture, or the error that stands in their place; `at` and `scale` are the picture's."""

    at: float
    scale: float
    answer: Answer | ServiceError
    followed: tuple[Followed, ...]


def analyse_video(
    client: EmotionClient,
    pictures: Iterator[Picture],
    concurrency: int,
    detail: Detail = STANDARD,
    smoothing: float = SMOOTHING,
) -> Iterator[tuple[Picture, Moment]]:
    """The pictures of a video with what is in them, in their order, `concurrency` of them under way at once.

    Raises `VideoError` and the `ServiceError`s that would meet every picture, after all moments before.
    """
    tracker = Tracker(smoothing)
    for picture, answer in ordered_map(lambda picture: _send(client, picture, detail), pictures, concurrency):
        faces = answer.analysis.faces if isinstance(answer, Answer) else ()
        yield picture, Moment(picture.at, picture.scale, answer, tuple(tracker.follow(picture.at, faces)))


def _send(client: EmotionClient, picture: Picture, detail: Detail) -> Answer | ServiceError:
    try:
        return client.analyse(encoded(picture.image, "JPEG", quality=QUALITY), detail)
    except ServiceError as error:
        if error.every_photo:
            raise
        return error


def moment_rows(moment: Moment, threshold: float = THRESHOLD) -> list[Row]:
    """One row for each face, or one that says why there is none; see `VIDEO_COLUMNS`."""
    answer = moment.answer
    if isinstance(answer, Answer):
        answer = replace(answer, analysis=in_own_pixels(answer.analysis, moment.scale))
    found = rows("", answer, threshold)
    for row in found:
        row["time"] = round(moment.at, 3)
        del row["file"]
    for row, followed in zip(found, moment.followed, strict=False):
        row |= {
            "face": followed.person,
            "smoothed_emotion": followed.smoothed.emotion or "withheld",
            "smoothed_confidence": followed.smoothed.confidence,
        }
    return found


def to_csv(found: Sequence[Row], header: bool = True) -> str:
    """Rows as CSV, with `VIDEO_COLUMNS`."""
    return as_csv(VIDEO_COLUMNS, found, header)


def to_json(name: str, found: Sequence[Row]) -> str:
    """The same rows with the video's name."""
    return json.dumps({"file": name, "results": list(found)}, indent=2, ensure_ascii=False)


def annotated(picture: Picture, moment: Moment, threshold: float = 0.0) -> Image.Image:
    """The picture with a numbered box for each person."""
    faces, numbers = [each.smoothed for each in moment.followed], [each.person for each in moment.followed]
    return drawing.annotate(picture.image, faces, threshold=threshold, numbers=numbers)


class AnnotatedVideo:
    """An `.mp4` of the analysed pictures, each with its boxes, shown for as long as in the video."""

    def __init__(self, path: Path, rate: int) -> None:
        self._file = av.open(str(path), "w", format="mp4")
        self._rate = rate
        self._stream: VideoStream | None = None

    def add(self, picture: Picture, moment: Moment) -> None:
        image = annotated(picture, moment)
        image = image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))  # the coding has two pixels at a time
        if self._stream is None:
            self._stream = _h264(self._file, self._rate, image.size)
        frame = av.VideoFrame.from_image(  # type: ignore[no-untyped-call]
            image.resize((self._stream.width, self._stream.height))
        )
        frame.pts, frame.time_base = round(moment.at / MILLISECONDS), MILLISECONDS
        self._file.mux(self._stream.encode(frame))

    def close(self) -> None:
        if self._stream is not None:
            self._file.mux(self._stream.encode())
        self._file.close()


def _h264(file: OutputContainer, rate: int, size: tuple[int, int]) -> VideoStream:
    stream = file.add_stream("libx264", rate=rate)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = MILLISECONDS
    return stream


def main() -> None:
    parser = command_line("client.video", __doc__ or "", "pictures")
    parser.add_argument("file", type=Path, help=", ".join(f".{suffix}" for suffix in frames.MEDIA_TYPES))
    parser.add_argument("--annotate", type=Path, help="also write an .mp4 of the analysed pictures with their boxes")
    parser.add_argument("--rate", type=int, choices=RATES, default=2, help="pictures a second (default: %(default)s)")
    parser.add_argument("--smoothing", type=float, default=SMOOTHING, help="seconds of the average over time")
    parser.add_argument("--most-minutes", type=float, default=MOST_SECONDS / 60, help="of a video")
    parser.add_argument("--most-megabytes", type=float, default=MOST_BYTES / 1e6, help="of a file")
    arguments = parser.parse_args()
    bounds = Bounds(round(arguments.most_megabytes * 1e6), arguments.most_minutes * 60)
    try:
        stopped = _run(arguments, bounds)
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}")
    except (ValueError, VideoError, ServiceError) as error:
        sys.exit(f"error: {error}")
    if stopped:
        sys.exit(f"stopped; {arguments.out} has what was known by then")


def _run(arguments: argparse.Namespace, bounds: Bounds) -> bool:
    """Whether it was stopped before the end."""
    if not (arguments.smoothing >= 0 and arguments.concurrency >= 1):
        raise ValueError("--smoothing must be 0 or more, --concurrency 1 or more")
    if arguments.file.stat().st_size > bounds.size:
        raise VideoError(f"the file has {arguments.file.stat().st_size / 1e6:.0f} MB; see --most-megabytes")
    data = arguments.file.read_bytes()
    seconds = frames.length(data, bounds)
    with ExitStack() as stack:
        client = stack.enter_context(connected())
        stopping = stack.enter_context(stop_requests())
        out = stack.enter_context(arguments.out.open("w", encoding="utf-8", newline=""))
        copy = AnnotatedVideo(arguments.annotate, arguments.rate) if arguments.annotate else None
        if copy is not None:
            stack.callback(copy.close)
        wanted = takewhile(lambda _: not stopping.is_set(), frames.pictures(data, arguments.rate, bounds))
        moments = analyse_video(client, wanted, arguments.concurrency, arguments.detail, arguments.smoothing)
        total = None if seconds is None else max(round(seconds * arguments.rate), 1)
        _write(tqdm(moments, total=total, unit="picture", disable=None), out, copy)
    return stopping.is_set()


def _write(moments: Iterator[tuple[Picture, Moment]], out: IO[str], copy: AnnotatedVideo | None) -> None:
    out.write(to_csv([]))
    for picture, moment in moments:
        out.write(to_csv(moment_rows(moment), header=False))
        out.flush()
        if copy is not None:
            copy.add(picture, moment)


if __name__ == "__main__":
    main()
