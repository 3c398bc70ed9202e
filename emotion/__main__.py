"""The command `emotion`: the faces in photos, as a table, as JSON or drawn on the photos.

    emotion photo.jpg other.png          a table
    emotion --json *.jpg                 one line of JSON a photo: its file and the service's answer
    emotion --detail thorough crowd.jpg  also small faces, which takes longer
    emotion --annotate drawn photo.jpg   also writes drawn/photo-emotions.jpg
    curl … | emotion -                   a photo from standard input

A photo that cannot be analysed is reported on standard error; the others are still analysed. Exit status: 0 when every
photo was analysed, 1 when some were not, 2 when the command could not begin.
"""

import argparse
import io
import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import dlib
import onnxruntime

import emotion
from emotion.answer import answer
from emotion.contract import DETAILS, FORMAT_NAMES, REASONS, STANDARD, Analysis, Error, ErrorAnswer
from emotion.drawing import annotate
from emotion.image import decode
from emotion.labels import LABELS
from emotion.pipeline import Face, Pipeline, Result

STDIN = "-"

JPEG_QUALITY = 95


def main() -> None:
    """Exits with the status that the module's docstring says."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a file's name may hold what the terminal cannot show
    try:
        status = run(_arguments())
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has enough, as `head` has; without this, Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line asks; returns the exit status."""
    try:
        pipeline = Pipeline.load()
        if arguments.annotate:
            arguments.annotate.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if arguments.version:
        print(_versions(pipeline))
        return 0
    names = _Names(arguments.annotate, arguments.photos) if arguments.annotate else None
    failed = [photo for photo in arguments.photos if not _photo(pipeline, photo, names, arguments)]
    return 1 if failed else 0


class _Names:
    """Names for drawn photos, chosen so that they overwrite neither a photo on the command line nor each other."""

    def __init__(self, folder: Path, photos: Iterable[str]) -> None:
        self._folder = folder
        self._taken = {Path(photo).resolve() for photo in photos}

    def path(self, photo: str) -> Path:
        """Where the drawing of `photo` goes: its name with `-emotions`, and a number if that is taken."""
        stem = "stdin" if photo == STDIN else Path(photo).stem
        path, number = self._folder / f"{stem}-emotions.jpg", 1
        while path.resolve() in self._taken:
            number += 1
            path = self._folder / f"{stem}-emotions-{number}.jpg"
        self._taken.add(path.resolve())
        return path


def _photo(pipeline: Pipeline, photo: str, names: _Names | None, arguments: argparse.Namespace) -> bool:
    """Analyse a photo, print what was found and draw it; returns whether all went well."""
    try:
        data = sys.stdin.buffer.read() if photo == STDIN else Path(photo).read_bytes()
    except OSError as error:
        found: Analysis | ErrorAnswer = _error("unreadable_file", error)
        result = None
    else:
        (result,) = pipeline([data], arguments.detail)
        found = answer(result, pipeline.classifier)
    if arguments.json:
        print(json.dumps({"file": photo, **found.model_dump()}), flush=True)
    if isinstance(found, ErrorAnswer):
        return _failed(photo, found)
    if not arguments.json:
        print(table(photo, found), flush=True)
    if names and isinstance(result, Result):
        try:
            _draw(data, result.faces, names.path(photo))
        except OSError as error:
            return _failed(photo, _error("unwritable_file", error))
    return True


def _failed(photo: str, answered: ErrorAnswer) -> bool:
    print(f"error: {photo}: {answered.error.message} ({answered.error.code})", file=sys.stderr)
    return False


def _error(code: str, error: OSError) -> ErrorAnswer:
    return ErrorAnswer(error=Error(code=code, message=error.strerror or str(error)))


def _draw(data: bytes, faces: Sequence[Face], path: Path) -> None:
    """Raises `OSError` when the file cannot be written."""
    _, encoded = cv2.imencode(".jpg", annotate(decode(data), faces), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    path.write_bytes(encoded.tobytes())


def table(photo: str, found: Analysis) -> str:
    """A line for the photo and one for each face: its number, the two most probable emotions, the box in pixels."""
    count = len(found.faces)
    faces = "no face" if not count else "1 face" if count == 1 else f"{count} faces"
    if found.left_out:
        faces += f", {found.left_out} more left out"
    turned = f", read turned by {found.turned}° clockwise" if found.turned else ""
    lines = [f"{photo}  {found.image.width}×{found.image.height}, {faces}{turned}"]
    width = max(map(len, LABELS))
    for number, face in enumerate(found.faces, start=1):
        first, second = sorted(face.probabilities.items(), key=lambda item: -item[1])[:2]
        emotions = "   ".join(f"{emotion:{width}} {share:4.0%}" for emotion, share in (first, second))
        box = face.box
        doubt = "" if face.reliable else f"   not reliable: {', '.join(REASONS[each] for each in face.reasons)}"
        lines.append(f"  {number:2}  {emotions}   {box.width:.0f}×{box.height:.0f} at {box.x:.0f}, {box.y:.0f}{doubt}")
    return "\n".join(lines)


def _versions(pipeline: Pipeline) -> str:
    model = pipeline.classifier
    return (
        f"emotion {emotion.__version__}\n"
        f"model {model.name} {model.version}, {model.runtime}\n"
        f"ONNX Runtime {onnxruntime.__version__}, OpenCV {cv2.__version__}, dlib {dlib.__version__}, "
        f"Python {platform.python_version()}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="emotion",
        description="Finds the faces in photos and says which expression each one shows.",
        epilog="An expression is not a feeling: what a person feels cannot be read from it.",
    )
    parser.add_argument("photos", nargs="*", metavar="photo", help=f"a {FORMAT_NAMES} file, or - for standard input")
    parser.add_argument("--json", action="store_true", help="one line of JSON a photo, as the service answers it")
    parser.add_argument("--annotate", type=Path, metavar="DIR", help="also write photos with the faces marked here")
    parser.add_argument(
        "--detail",
        choices=DETAILS,
        default=STANDARD,
        help="how closely to look: the largest faces only, or small ones too",
    )
    parser.add_argument("--version", action="store_true", help="of the package, the model and what runs it")
    arguments = parser.parse_args()
    if not arguments.photos and not arguments.version:
        parser.error("name a photo, or - for standard input")
    return arguments


if __name__ == "__main__":
    main()
