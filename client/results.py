"""What became of each photo, and the same as rows of a table."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from client.api import Answer, ServiceError
from client.photos import Photo
from emotion.contract import REASONS, STAGES, Analysis, Box, Face, Landmarks, Size
from emotion.labels import Emotion

UNCERTAIN = "uncertain"

THRESHOLD = 0.4
"""Confidence below which a face is marked as uncertain, unless the person chooses another."""

EMOTIONS: tuple[Emotion, ...] = ("happy", "surprised", "neutral", "sad", "fearful", "angry", "disgusted")
"""The order of the columns, made for readers; `emotion.labels.LABELS` has FER-2013's."""

COLUMNS = (
    *("file", "status", "face", "emotion", "confidence", "uncertain", "reliable", "reasons", "detection_confidence"),
    *("x", "y", "width", "height"),
    *(f"{part}_{axis}" for part in Landmarks.model_fields for axis in "xy"),
    *EMOTIONS,
    *("image_width", "image_height", "round_trip_ms", *(f"{stage}_ms" for stage in STAGES), "model", "message"),
)
"""`status` is `ok`, `no_face`, or the code of the error that `message` explains; `face` counts from 1; `uncertain` and
`reliable` are `yes` or `no`, and `reasons` are the contract's, with spaces between them."""

Row = dict[str, object]


@dataclass(frozen=True)
class Outcome:
    """A photo with its answer, or with the error that stands in its place."""

    photo: Photo
    answer: Answer | ServiceError

    @property
    def faces(self) -> tuple[Face, ...]:
        """The answer's faces; boxes in pixels of the photo that was sent."""
        return self.answer.analysis.faces if isinstance(self.answer, Answer) else ()

    def own(self) -> Answer | ServiceError:
        """The answer in pixels of the person's own photo, or the error."""
        if isinstance(self.answer, ServiceError):
            return self.answer
        return replace(self.answer, analysis=in_own_pixels(self.answer.analysis, self.photo.scale, self.photo.size))


def shown_emotion(face: Face, threshold: float) -> str:
    """The emotion, or `uncertain` where its confidence is below `threshold`, the face is not reliable, or the server's
    policy withholds it."""
    return face.emotion if face.emotion and face.reliable and face.confidence >= threshold else UNCERTAIN


def named(face: Face, threshold: float, between: str = " ") -> str:
    """What is shown of a face, as `happy 93%`; `uncertain` stands alone: a percentage would seem to say how much."""
    shown = shown_emotion(face, threshold)
    return shown if shown == UNCERTAIN else f"{shown}{between}{face.confidence:.0%}"


def ranked(face: Face) -> list[tuple[Emotion, float]]:
    """Its emotions with their probabilities, the most probable first."""
    return sorted(face.probabilities.items(), key=lambda pair: pair[1], reverse=True)


def why_unreliable(face: Face) -> str:
    """In words, such as "too small, too blurred"; empty for a reliable face."""
    return ", ".join(REASONS[reason] for reason in face.reasons)


def in_own_pixels(analysis: Analysis, scale: float, size: tuple[int, int] | None = None) -> Analysis:
    """The analysis in pixels of the person's own picture instead of the one that was sent.

    `scale`: sides of the picture that was sent, over those of their own; `size`: width and height of
    their own, if known.
    """
    if scale == 1.0:
        return analysis

    def own(value: float) -> float:
        return round(value / scale, 1)

    def own_face(face: Face) -> Face:
        box = Box(**{side: own(value) for side, value in face.box.model_dump().items()})
        marks = {part: (own(x), own(y)) for part, (x, y) in face.landmarks.model_dump().items()}
        return face.model_copy(update={"box": box, "landmarks": Landmarks(**marks)})

    sent = analysis.image
    width, height = size or (round(sent.width / scale), round(sent.height / scale))
    faces = tuple(own_face(face) for face in analysis.faces)
    return analysis.model_copy(update={"image": Size(width=width, height=height), "faces": faces})


def as_csv(columns: Sequence[str], found: Iterable[Row], header: bool = True) -> str:
    """Rows as CSV with these columns; a file's name as `in_table`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(row | {"file": in_table(str(row["file"]))} if "file" in row else row for row in found)
    return text.getvalue()


def in_table(name: str) -> str:
    """A file's name for a spreadsheet, which would compute one that begins like a formula (OWASP: CSV injection)."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name


def rows(name: str, answer: Answer | ServiceError, threshold: float) -> list[Row]:
    """One row for each face, or one that says why there is none."""
    if isinstance(answer, ServiceError):
        return [{"file": name, "status": answer.code, "message": str(answer)}]
    analysis = answer.analysis
    of_photo: Row = {
        "file": name,
        "image_width": analysis.image.width,
        "image_height": analysis.image.height,
        "round_trip_ms": round(answer.round_trip * 1000, 1),
        **{f"{stage}_ms": time for stage, time in analysis.timings_ms.items() if stage in STAGES},
        "model": f"{analysis.model.name} {analysis.model.version}",
    }
    if not analysis.faces:
        return [of_photo | {"status": "no_face"}]
    return [
        of_photo | {"status": "ok", "face": number, **_of_face(face, threshold)}
        for number, face in enumerate(analysis.faces, start=1)
    ]


def _of_face(face: Face, threshold: float) -> Row:
    return {
        "emotion": face.emotion or "withheld",
        "confidence": face.confidence,
        "uncertain": "yes" if shown_emotion(face, threshold) == UNCERTAIN else "no",
        "reliable": "yes" if face.reliable else "no",
        "reasons": " ".join(face.reasons),
        "detection_confidence": face.detection_confidence,
        **face.box.model_dump(),
        **{
            f"{part}_{axis}": value
            for part, point in face.landmarks.model_dump().items()
            for axis, value in zip("xy", point, strict=True)
        },
        **{str(emotion): value for emotion, value in face.probabilities.items()},
    }
