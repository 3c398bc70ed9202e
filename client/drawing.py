"""Boxes and labels drawn into a photo, for the file that people take away; readable at any size."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from client.results import UNCERTAIN, named, shown_emotion
from emotion import labels
from emotion.contract import Face
from emotion.placement import hidden, place

INK, PAPER = (255, 255, 255), (16, 24, 40)
"""Labels are light on dark, boxes a coloured line on a wider dark one, so that both show on any photo."""

COLOURS = {**labels.COLOURS, UNCERTAIN: (206, 212, 218)}


def annotate(
    image: Image.Image, faces: Sequence[Face], *, threshold: float = 0.0, numbers: Sequence[int] | None = None
) -> Image.Image:
    """A copy of an RGB photo with a numbered, labelled box on every face; boxes are in its pixels.

    `threshold`: faces whose confidence does not reach it are labelled as uncertain. A label that would hide a face or
    another label shrinks to its number. `numbers`: of the faces; from 1 if they are not given.
    """
    annotated = image.copy()
    draw = ImageDraw.Draw(annotated)
    unit = max(max(image.size) / 400, 1.0)
    font = ImageFont.load_default(size=max(round(9 * unit), 12))
    size = (float(image.width), float(image.height))
    boxes = [(face.box.x, face.box.y, face.box.x + face.box.width, face.box.y + face.box.height) for face in faces]
    emotions = [shown_emotion(face, threshold) for face in faces]
    for (left, top, right, bottom), emotion in zip(boxes, emotions, strict=True):
        grown = (left - unit, top - unit, right + unit, bottom + unit)
        draw.rounded_rectangle(grown, radius=4 * unit, outline=PAPER, width=round(3 * unit))
        inner, line = (left, top, right, bottom), max(round(1.5 * unit), 1)
        draw.rounded_rectangle(inner, radius=3 * unit, outline=COLOURS[emotion], width=line)
    covered, strip = list(boxes), 3 * unit
    for number, face, box, emotion in zip(numbers or range(1, len(faces) + 1), faces, boxes, emotions, strict=True):
        for text in (f"{number}  {named(face, threshold)}", str(number)):
            ink = draw.textbbox((0, 0), text, font=font)
            label = (ink[2] - ink[0] + 3 * strip, ink[3] - ink[1] + 2 * strip)
            plate = place(label, box, 2 * unit, size, covered)
            if not hidden(plate, covered):
                break
        covered.append(plate)
        draw.rectangle(plate, fill=PAPER)
        draw.rectangle((plate[0], plate[1], plate[0] + strip, plate[3]), fill=COLOURS[emotion])
        draw.text((plate[0] + 2 * strip - ink[0], plate[1] + strip - ink[1]), text, fill=INK, font=font)
    return annotated
