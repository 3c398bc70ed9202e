"""Analyse a video with the running service: each face is followed, and each of its pictures is a line of the results.

    python -m client.video holiday.mp4 --out results.csv --rate 2 --annotate annotated.mp4

The file is decoded in memory; several pictures are under way at once. Ctrl-C and SIGTERM keep what is known so far.
Exit status: 0 when the whole video was analysed, 1 otherwise.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
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
    """The people in a picture, or the error that stands in their place; `at`, `scale` and `after_loss` are the
    picture's."""

    at: float
    scale: float
    answer: Answer | ServiceError
    followed: tuple[Followed, ...]
    after_loss: bool = False


def analyse_video(
    client: EmotionClient,
    pictures: Iterator[Picture],
    concurrency: int,
    detail: Detail = STANDARD,
    tracker: Tracker | None = None,
) -> Iterator[tuple[Picture, Moment]]:
    """The pictures of a video with what is in them, in their order, `concurrency` of them under way at once.

    `tracker`: who was followed through the pictures before these, if there were any.

    Raises `VideoError` and the `ServiceError`s that would meet every picture, after all moments before.
    """
    tracker = tracker or Tracker(SMOOTHING)
    for picture, answer in ordered_map(lambda picture: _send(client, picture, detail), pictures, concurrency):
        faces = answer.analysis.faces if isinstance(answer, Answer) else ()
        if picture.after_cut:
            tracker.forget()
        followed = tuple(tracker.follow(picture.at, faces))
        yield picture, Moment(picture.at, picture.scale, answer, followed, picture.after_loss)


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
    parser = command_line("client.video", __doc__ or "", "pictures", "CSV file, or JSON if it ends in .json")
    parser.add_argument("file", type=Path, help=", ".join(f".{suffix}" for suffix in frames.MEDIA_TYPES))
    parser.add_argument("--annotate", type=Path, help="also write an .mp4 of the analysed pictures with their boxes")
    parser.add_argument("--rate", type=int, choices=RATES, default=2, help="pictures a second (default: %(default)s)")
    parser.add_argument("--smoothing", type=float, default=SMOOTHING, help="seconds of the average over time")
    parser.add_argument("--most-minutes", type=float, default=MOST_SECONDS / 60, help="of a video")
    parser.add_argument("--most-megabytes", type=float, default=MOST_BYTES / 1e6, help="of a file")
    arguments = parser.parse_args()
    try:
        stopped = _run(arguments)
    except OSError as error:
        sys.exit(f"error: {error.filename or arguments.out}: {error.strerror}")
    except (ValueError, VideoError, ServiceError) as error:
        sys.exit(f"error: {error}")
    if stopped:
        sys.exit(f"stopped; {arguments.out} has what was known by then")


def _run(arguments: argparse.Namespace) -> bool:
    """Whether it was stopped before the end."""
    bounds = _bounds(arguments)
    data = _read(arguments.file, bounds.size)
    seconds = frames.length(data, bounds)
    with ExitStack() as stack:
        client = stack.enter_context(connected())
        stopping = stack.enter_context(stop_requests())
        out = stack.enter_context(arguments.out.open("w", encoding="utf-8", newline=""))
        copy = AnnotatedVideo(arguments.annotate, arguments.rate) if arguments.annotate else None
        if copy is not None:
            stack.callback(copy.close)
        pictures = frames.pictures(data, arguments.rate, bounds, wanted=lambda: not stopping.is_set())
        tracker = Tracker(arguments.smoothing)
        moments = analyse_video(client, pictures, arguments.concurrency, arguments.detail, tracker)
        total = None if seconds is None else max(round(seconds * arguments.rate), 1)
        shown = _annotated(tqdm(moments, total=total, unit="picture", disable=None), copy)
        if arguments.out.suffix.lower() == ".json":
            _write_json(shown, out, arguments.file.name)
        else:
            _write_csv(shown, out)
    return stopping.is_set()


def _bounds(arguments: argparse.Namespace) -> Bounds:
    """The bounds that were asked for; raises `ValueError` where something else that was asked for cannot be."""
    if not (arguments.smoothing >= 0 and arguments.concurrency >= 1):
        raise ValueError("--smoothing must be 0 or more, --concurrency 1 or more")
    for name, value in (("--most-minutes", arguments.most_minutes), ("--most-megabytes", arguments.most_megabytes)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} is {value:g}; expected a number above 0")
    written = [path.resolve() for path in (arguments.file, arguments.out, arguments.annotate) if path is not None]
    if len(set(written)) < len(written):
        raise ValueError("the video, --out and --annotate must be different files")
    return Bounds(round(arguments.most_megabytes * 1e6), arguments.most_minutes * 60)


def _read(path: Path, most: int) -> bytes:
    """A file, or what comes out of a pipe; raises `VideoError` where it is more than `most` bytes."""
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise VideoError(f"the file has more than {most / 1e6:g} MB; see --most-megabytes")
    return data


def _annotated(moments: Iterable[tuple[Picture, Moment]], copy: AnnotatedVideo | None) -> Iterator[Moment]:
    """The moments, each of which is in the copy too."""
    for picture, moment in moments:
        if copy is not None:
            copy.add(picture, moment)
        yield moment


def _write_csv(moments: Iterable[Moment], out: IO[str]) -> None:
    out.write(to_csv([]))
    for moment in moments:
        out.write(to_csv(moment_rows(moment), header=False))
        out.flush()


def _write_json(moments: Iterable[Moment], out: IO[str], name: str) -> None:
    """Whatever ends the moments, what was known by then is written."""
    found: list[Row] = []
    try:
        for moment in moments:
            found += moment_rows(moment)
    finally:
        out.write(to_json(name, found))


if __name__ == "__main__":
    main()
