"""Files to take away: what was seen, with boxes in pixels of the person's own photos."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import PureWindowsPath
from typing import Any

from client import drawing
from client.api import Answer, ServiceError
from client.encoding import encoded
from client.results import COLUMNS, UNCERTAIN, Outcome, as_csv, rows, shown_emotion

QUALITY = 92


def to_csv(outcomes: Sequence[Outcome], threshold: float) -> bytes:
    """A row for each face or photo without one, with a header, UTF-8."""
    found = (row for each in outcomes for row in rows(each.photo.name, each.own(), threshold))
    return as_csv(COLUMNS, found).encode()


def to_json(outcomes: Sequence[Outcome], threshold: float) -> bytes:
    """The API's own answers, each with its `file`, the threshold, and `uncertain` at each face."""
    return json.dumps([_entry(outcome, threshold) for outcome in outcomes], indent=2, ensure_ascii=False).encode()


def annotated(outcome: Outcome, threshold: float) -> bytes:
    """The person's own photo with its marks, PNG if it was one, otherwise JPEG; only if the outcome has a picture."""
    picture, answer = outcome.photo.own_picture(), outcome.own()
    # One that is too large to decode is drawn as it was sent.
    own = isinstance(answer, Answer) and picture.size == (answer.analysis.image.width, answer.analysis.image.height)
    faces = answer.analysis.faces if isinstance(answer, Answer) and own else outcome.faces
    drawn = drawing.annotate(picture, faces, threshold=threshold)
    return encoded(drawn, "PNG", compress_level=1) if outcome.photo.is_png else encoded(drawn, "JPEG", quality=QUALITY)


def annotated_name(outcome: Outcome) -> str:
    """The file name that goes with `annotated`."""
    # Both kinds of slashes separate: the name must not lead anywhere on any system.
    return f"{PureWindowsPath(outcome.photo.name).stem}-emotions{'.png' if outcome.photo.is_png else '.jpg'}"


def to_zip(outcomes: Sequence[Outcome], threshold: float) -> bytes:
    """Both tables and every annotated picture, numbered as on the page; photos of one name do not replace another."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("emotions.csv", to_csv(outcomes, threshold), zipfile.ZIP_DEFLATED)
        archive.writestr("emotions.json", to_json(outcomes, threshold), zipfile.ZIP_DEFLATED)
        for number, outcome in enumerate(outcomes, start=1):
            if has_picture(outcome):
                archive.writestr(f"{number:03d}-{annotated_name(outcome)}", annotated(outcome, threshold))
    return file.getvalue()


def has_picture(outcome: Outcome) -> bool:
    """Whether there is a picture to annotate."""
    return isinstance(outcome.answer, Answer) and outcome.photo.thumbnail is not None


def _entry(outcome: Outcome, threshold: float) -> dict[str, Any]:
    answer = outcome.own()
    if isinstance(answer, ServiceError):
        return {"file": outcome.photo.name, "error": {"code": answer.code, "message": str(answer)}}
    analysis = answer.analysis
    faces = [face.model_dump() | {"uncertain": shown_emotion(face, threshold) == UNCERTAIN} for face in analysis.faces]
    return {
        "file": outcome.photo.name,
        "uncertain_below": threshold,
        "round_trip_ms": round(answer.round_trip * 1000, 1),
        **analysis.model_dump(),
        "faces": faces,
    }
