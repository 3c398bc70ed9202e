"""Boxes and labels on the photo, readable on any background and at any size."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from client.results import UNCERTAIN, shown_emotion
from emotion import labels
from emotion.contract import Face

INK, PAPER = (255, 255, 255), (16, 24, 40)
"""Labels are light on dark, boxes a coloured line on a wider dark one, so that both show on any photo."""

COLOURS = {**labels.COLOURS, UNCERTAIN: (206, 212, 218)}

Corners = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def annotate(  # noqa: PLR0913
    image: Image.Image,
    faces: Sequence[Face],
    *,
    threshold: float = 0.0,
    focus: int | None = None,
    longest: int | None = None,
    numbers: Sequence[int] | None = None,
) -> Image.Image:
    """A copy of an RGB photo with a numbered, labelled box on every face.

    `threshold`: faces whose confidence does not reach it are labelled as uncertain.
    `focus`: the number, from 1, of the one face to label; the rest of the photo is darkened.
    `longest`: scale the copy so that its longest side has at most this many pixels; lines and labels stay readable.
    `numbers`: of the faces; from 1 if they are not given.
    """
    scale = min(longest / max(image.size), 1.0) if longest else 1.0
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    annotated = image.copy() if scale == 1.0 else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    if focus is not None:
        annotated = _spotlight(annotated, _corners(faces[focus - 1], scale))
    draw = ImageDraw.Draw(annotated)
    unit = max(max(size) / 400, 1.0)
    font = ImageFont.load_default(size=max(round(9 * unit), 12))
    boxes = [_corners(face, scale) for face in faces]
    plates: list[Corners] = []
    numbered = [
        (number, shown_emotion(face, threshold), face, corners)
        for number, face, corners in zip(numbers or range(1, len(faces) + 1), faces, boxes, strict=True)
        if focus in {None, number}
    ]
    for _, emotion, _, corners in numbered:
        grown = (corners[0] - unit, corners[1] - unit, corners[2] + unit, corners[3] + unit)
        draw.rounded_rectangle(grown, radius=4 * unit, outline=PAPER, width=round(3 * unit))
        draw.rounded_rectangle(corners, radius=3 * unit, outline=COLOURS[emotion], width=max(round(1.5 * unit), 1))
    for number, emotion, face, corners in numbered:
        text = f"{number}  {emotion} {face.confidence:.0%}"
        ink = draw.textbbox((0, 0), text, font=font)
        strip = 3 * unit
        label = (ink[2] - ink[0] + 3 * strip, ink[3] - ink[1] + 2 * strip)
        plate = _place(label, corners, size, unit, plates + [box for box in boxes if box != corners])
        plates.append(plate)
        draw.rectangle(plate, fill=PAPER)
        draw.rectangle((plate[0], plate[1], plate[0] + strip, plate[3]), fill=COLOURS[emotion])
        draw.text((plate[0] + 2 * strip - ink[0], plate[1] + strip - ink[1]), text, fill=INK, font=font)
    return annotated


def face_crop(image: Image.Image, face: Face, side: int = 160) -> Image.Image:
    """A square thumbnail of `side` pixels around a face."""
    box = face.box
    half = max(box.width, box.height) * 0.65
    x, y = box.x + box.width / 2, box.y + box.height / 2
    square = image.crop((round(x - half), round(y - half), round(x + half), round(y + half)))
    return square.resize((side, side), Image.Resampling.LANCZOS)


def _spotlight(image: Image.Image, box: Corners) -> Image.Image:
    """The image darkened outside `box`."""
    dark = ImageEnhance.Brightness(image).enhance(0.35)
    inside = (round(box[0]), round(box[1]), round(box[2]), round(box[3]))
    dark.paste(image.crop(inside), inside)
    return dark


def _place(
    size: tuple[float, float], box: Corners, photo: tuple[int, int], gap: float, taken: Sequence[Corners]
) -> Corners:
    """Where a label of `size` goes: above its box, below it, or beside it, wherever it covers least of
    `taken` and the box itself.

    Always within the photo; of equally good places, the first in that order.
    """
    width, height = size
    candidates = [
        (box[0] - gap, box[1] - height - 2 * gap),
        (box[2] + gap - width, box[1] - height - 2 * gap),
        (box[0] - gap, box[3] + 2 * gap),
        (box[2] + gap - width, box[3] + 2 * gap),
        (box[2] + 2 * gap, box[1]),
        (box[0] - width - 2 * gap, box[1]),
        (box[0] + gap, box[1] + gap),
    ]
    places = [
        (x, y, x + width, y + height)
        for x, y in (
            (min(max(x, 0), max(photo[0] - width, 0)), min(max(y, 0), max(photo[1] - height, 0))) for x, y in candidates
        )
    ]
    return min(places, key=lambda place: sum(_shared_area(place, other) for other in [*taken, box]))


def _shared_area(a: Corners, b: Corners) -> float:
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)


def _corners(face: Face, scale: float) -> Corners:
    box = face.box
    return box.x * scale, box.y * scale, (box.x + box.width) * scale, (box.y + box.height) * scale
