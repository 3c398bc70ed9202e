"""Results as tables and files."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from client.api import Answer, ServiceError
from client.photos import Photo
from emotion.contract import REASONS, Face
from emotion.labels import Emotion

UNCERTAIN = "uncertain"

EMOTIONS: tuple[Emotion, ...] = ("happy", "surprised", "neutral", "sad", "fearful", "angry", "disgusted")
"""The order of the columns, made for readers; `emotion.labels.LABELS` has FER-2013's."""

COLUMNS = (
    *("file", "status", "face", "emotion", "confidence", "reliable", "reasons", "x", "y", "width", "height"),
    *EMOTIONS,
    "message",
)
"""`status` is `ok`, `no_face`, or the code of the error that `message` explains; `face` counts from 1; `reliable` is
`yes` or `no`, and `reasons` are the contract's, with spaces between them."""

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


def shown_emotion(face: Face, threshold: float) -> str:
    """The emotion, or `uncertain` where its confidence is below `threshold`, the face is not reliable, or the server's
    policy withholds it."""
    return face.emotion if face.emotion and face.reliable and face.confidence >= threshold else UNCERTAIN


def why_unreliable(face: Face) -> str:
    """In words, such as "too small, too blurred"; empty for a reliable face."""
    return ", ".join(REASONS[reason] for reason in face.reasons)


def rows(name: str, answer: Answer | ServiceError, scale: float = 1.0) -> list[Row]:
    """One row for each face, or one that says why there is none. Boxes are divided by `scale`, as in `Photo`."""
    if isinstance(answer, ServiceError):
        return [{"file": name, "status": answer.code, "message": str(answer)}]
    if not answer.analysis.faces:
        return [{"file": name, "status": "no_face"}]
    return [
        {
            "file": name,
            "status": "ok",
            "face": number,
            "emotion": face.emotion or "withheld",
            "confidence": face.confidence,
            "reliable": "yes" if face.reliable else "no",
            "reasons": " ".join(face.reasons),
            **{side: round(value / scale, 1) for side, value in face.box.model_dump().items()},
            **{str(emotion): value for emotion, value in face.probabilities.items()},
        }
        for number, face in enumerate(answer.analysis.faces, start=1)
    ]


def to_csv(outcomes: Sequence[Outcome]) -> bytes:
    """All rows with a header, UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for outcome in outcomes:
        writer.writerows(rows(outcome.photo.name, outcome.answer, outcome.photo.scale))
    return text.getvalue().encode()


def to_json(outcomes: Sequence[Outcome]) -> bytes:
    """The same rows, grouped by photo, with the model that answered."""
    content = [
        {
            "file": outcome.photo.name,
            "model": outcome.answer.analysis.model.model_dump() if isinstance(outcome.answer, Answer) else None,
            "results": [
                {key: value for key, value in row.items() if key != "file"}
                for row in rows(outcome.photo.name, outcome.answer, outcome.photo.scale)
            ],
        }
        for outcome in outcomes
    ]
    return json.dumps(content, indent=2, ensure_ascii=False).encode()


def to_png(image: Image.Image) -> bytes:
    """A picture as a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
