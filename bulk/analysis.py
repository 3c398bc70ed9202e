"""What the guarded process does: the pipeline, and rows of what it found. Nothing else imports it: it takes 40 MB."""

from pathlib import Path

from bulk.guard import Analyse, Photos
from bulk.rows import MARKS, NO_FACE, OK, Row, failure
from emotion.answer import answer
from emotion.classifier import Classifier
from emotion.contract import Detail, ErrorAnswer, Face
from emotion.errors import ImageError
from emotion.pipeline import Pipeline, Result


def load(detail: Detail, models: str | None) -> tuple[str, Analyse]:
    """The model's version, and what gives the rows of each photo (URI, file)."""
    pipeline = Pipeline.load(Path(models)) if models else Pipeline.load()
    pipeline.warm_up()
    classifier = pipeline.classifier

    def analyse(photos: Photos) -> list[list[Row]]:
        results = pipeline([data for _, data in photos], detail)
        return [rows(uri, result, classifier) for (uri, _), result in zip(photos, results, strict=True)]

    return classifier.version, analyse


def rows(photo: str, result: Result | ImageError, classifier: Classifier) -> list[Row]:
    """The rows of a photo, from what the pipeline found in it."""
    found = answer(result, classifier)
    if isinstance(found, ErrorAnswer):
        return failure(photo, classifier.version, found.error.code, found.error.message)
    common: Row = {
        "photo": photo,
        "outcome": OK if found.faces else NO_FACE,
        "image_width": found.image.width,
        "image_height": found.image.height,
        "turned": found.turned,
        "left_out": found.left_out,
        "model_version": found.model.version,
    }
    return [common | _face(number, face) for number, face in enumerate(found.faces, start=1)] or [common]


def _face(number: int, face: Face) -> Row:
    marks = {
        f"{mark}_{axis}": value
        for mark in MARKS
        for axis, value in zip("xy", getattr(face.landmarks, mark), strict=True)
    }
    return {
        "face": number,
        **face.box.model_dump(),
        "detection_confidence": face.detection_confidence,
        **marks,
        "emotion": face.emotion,
        "confidence": face.confidence,
        **{str(label): value for label, value in face.probabilities.items()},
        "reliable": face.reliable,
        "reasons": list(face.reasons),
        "quality": face.quality.model_dump() if face.quality else None,
    }
