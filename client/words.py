"""What the page says of faces, answers and errors, in the words that people use."""

import re
from collections.abc import Sequence

import numpy as np

from client.api import ServiceError
from client.photos import KINDS, MOST_PIXELS, Photo
from client.report import Report
from client.results import UNCERTAIN, named, ranked, shown_emotion, why_unreliable
from emotion.contract import (
    EMPTY_BODY,
    INVALID_IMAGE,
    MAX_PIXELS,
    TRUNCATED_IMAGE,
    UNSUPPORTED_FORMAT,
    Analysis,
    Face,
)

RUNNER_UP = 0.2
"""The share from which on the second most probable emotion is named."""

DARK = 35
"""Mean grey, of 255, of photos that hardly show anything: chosen by looking."""

LONGEST_NAME = 44
"""Characters of a file's name where it stands beside something else."""

TURNS = {90: "a quarter turn to the right", 180: "upside down", 270: "a quarter turn to the left"}


def percent(share: float) -> str:
    """The one style of percents: without decimals where a person reads a face."""
    return f"{share:.0%}"


def of_face(face: Face, threshold: float, report: Report | None) -> list[str]:
    """What to know before believing the answer about a face: a sentence each."""
    said = []
    shown = shown_emotion(face, threshold)
    also = [f"{name}, {percent(share)}" for name, share in ranked(face)[1:2] if share >= RUNNER_UP]
    if face.emotion is None:
        said.append("The service's policy withholds the emotion.")
    elif shown == UNCERTAIN:
        said.append(f"Most likely {face.emotion}, {percent(face.confidence)}{'; or ' + also[0] if also else ''}.")
    elif also:
        said.append(f"Could also be {also[0]}.")
    if not face.reliable:
        said.append(f"Not reliable: the face is {why_unreliable(face)}.")
    elif report is not None and (right := report.right_at(face.confidence)) is not None:
        said.append(f"Faces read like this are right in {round(right * 100)} of 100 cases.")
    return said


def of_photo(faces: Sequence[Face], threshold: float) -> str:
    """The annotated photo for people who cannot see it."""
    if not faces:
        return "The photo; no face was found"
    found = [f"Face {number}: {named(face, threshold, ', ')}" for number, face in enumerate(faces, start=1)]
    return f"The photo with {len(found)} marked face{'s' if len(found) > 1 else ''}. {'; '.join(found)}"


def count_of(faces: Sequence[Face]) -> str:
    """How many faces there are."""
    if not faces:
        return "No face"
    return "1 face" if len(faces) == 1 else f"{len(faces)} faces, largest first"


def _smaller(left_out: int) -> str:
    """The faces beyond the ones shown, and the verb."""
    return "1 smaller face was" if left_out == 1 else f"{left_out} smaller faces were"


def of_answer(analysis: Analysis, photo: Photo) -> str:
    """What else there is to know of how the photo was read; "" if nothing."""
    remarks = []
    if photo.first_of_several:
        remarks.append("Only the first picture in this file was read.")
    if photo.scale < 1 and not photo.original:
        remarks.append("There was no room for your own file; the annotated picture will be smaller than your photo.")
    if analysis.turned:
        remarks.append(f"The faces were read with the photo turned: {TURNS[analysis.turned]}.")
    if analysis.left_out:
        policy = analysis.policy
        why = (
            ", because of this service's policy"
            if policy and (policy.most_faces is not None or policy.smallest_face)
            else ""
        )
        remarks.append(f"{_smaller(analysis.left_out)} found and not shown{why}.")
    return " ".join(remarks)


def of_no_face(photo: Photo) -> str:
    """Why there may be none, and what to try."""
    grey = np.asarray(photo.picture().convert("L").resize((64, 64)), dtype=float)
    if grey.mean() < DARK:
        return "No face was found. This photo is very dark; light on the face helps most."
    return (
        "No face was found. Faces should look towards the camera, be lit, and be at least 20 pixels wide; try a photo "
        "that was taken from nearer."
    )


def of_size(photo: Photo) -> str:
    """Why a photo that `is_too_large` is not read."""
    width, height = photo.size or (0, 0)
    most = f"at most {MAX_PIXELS // 10**6} can be read, of a JPEG that is not progressive {MOST_PIXELS // 10**6}"
    return f"this picture is {width}×{height}, {width * height / 1e6:.0f} megapixels; {most}"


REFUSED = {
    "empty_body": "This file is empty",
    "truncated_image": "The end of this file is missing",
    "unsupported_format": "This is no photo that can be read",
}
"""By `code`. The service's messages are for programmers; these are for the person who chose the file."""

UNREAD = frozenset(kind.code for kind in (EMPTY_BODY, INVALID_IMAGE, TRUNCATED_IMAGE, UNSUPPORTED_FORMAT))
"""Codes of errors in the file."""

FAILED = {
    "away": "There is no connection to the service",
    "redirected": "The service is not at the address that this page was given",
}
"""By `outcome`; the messages name addresses that are nobody's business."""


def of_error(error: Exception) -> str:
    """What went wrong, without a full stop at its end."""
    message = str(error)
    if isinstance(error, ServiceError):
        message = REFUSED.get(error.code) or FAILED.get(error.outcome) or message
    return message[:1].upper() + message[1:]


def advice(error: ServiceError) -> str:
    """What to do about it. The page takes more kinds of photos than the service, and makes large ones smaller."""
    return f"Try another photo: {', '.join(KINDS[:-1])} or {KINDS[-1]}." if error.code in UNREAD else error.advice


def shortened(name: str) -> str:
    """A file's name in at most `LONGEST_NAME` characters, its end in any case."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"


def plain(name: str) -> str:
    """A file's name in Markdown, with nothing in it that would mean something there."""
    # Before other characters, such as a dash, a backslash would stand there itself.
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", name)
