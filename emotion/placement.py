"""Where labels stand on a picture: near their boxes, hiding as little as possible. Needs no library."""

from collections.abc import Sequence
from typing import TypeVar

Number = TypeVar("Number", int, float)

Rectangle = tuple[Number, Number, Number, Number]
"""Left, top, right, bottom, in pixels."""


def place(
    size: tuple[Number, Number],
    box: Rectangle[Number],
    gap: Number,
    picture: tuple[Number, Number],
    covered: Sequence[Rectangle[Number]],
) -> Rectangle[Number]:
    """Where a label of `size` goes: above its box, below it or beside it, wherever it hides least of `covered`.

    Always within a picture of size `picture`, if it fits at all; of equally good places, the first in that order.
    """
    (width, height), (left, top, right, bottom) = size, box
    corners = [
        (left - gap, top - gap - height),
        (right + gap - width, top - gap - height),
        (left - gap, bottom + gap),
        (right + gap - width, bottom + gap),
        (right + gap, top),
        (left - gap - width, top),
        (left, top),
    ]
    within = [(max(min(x, picture[0] - width), 0), max(min(y, picture[1] - height), 0)) for x, y in corners]
    places = [(x, y, x + width, y + height) for x, y in within]
    return min(places, key=lambda each: hidden(each, covered))


def hidden(label: Rectangle[Number], covered: Sequence[Rectangle[Number]]) -> Number:
    """Pixels of `covered` that `label` hides."""
    areas = [
        max(min(label[2], right) - max(label[0], left), 0) * max(min(label[3], bottom) - max(label[1], top), 0)
        for left, top, right, bottom in covered
    ]
    return sum(areas)
