"""Faces followed from picture to picture, for live cameras and for videos.

A face is the same person's as one seen shortly before if their boxes overlap. What is said of a person is an
exponential average over time of what the service says of her face, so that it does not flicker.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from emotion.contract import Box, Face
from emotion.labels import Emotion

LEAST_OVERLAP = 0.2
"""Intersection over union of two boxes of one person: two of equal size may be two thirds of their width apart."""

REMEMBERED = 5.0
"""Seconds after which a person who is not seen is forgotten; whoever comes then has a new number."""


@dataclass(frozen=True)
class Followed:
    """A person's face in one picture.

    `person`: a number from 1 that stays hers; `face`: as the service answered; `smoothed`: the same face with emotion,
    confidence and probabilities averaged over time.
    """

    person: int
    face: Face
    smoothed: Face


@dataclass(frozen=True)
class _Person:
    """A person as last seen: when, where, and her averaged probabilities."""

    number: int
    seen: float
    box: Box
    probabilities: dict[Emotion, float]


class Tracker:
    """Follows the faces of one camera or video."""

    def __init__(self, time_constant: float) -> None:
        """`time_constant`: seconds after which a change has gone through to 63 %; 0 for no smoothing. It may be set
        anew at any time."""
        self.time_constant = time_constant
        self._persons: list[_Person] = []
        self._numbers = 0

    def follow(self, at: float, faces: Sequence[Face]) -> list[Followed]:
        """The faces of the picture at `at` seconds, in their order; times must not go back."""
        known = [person for person in self._persons if at - person.seen <= REMEMBERED]
        matched = _match([person.box for person in known], [face.box for face in faces])
        followed = [self._see(at, face, known[matched[i]] if i in matched else None) for i, face in enumerate(faces)]
        gone = [person for i, person in enumerate(known) if i not in matched.values()]
        self._persons = gone + [
            _Person(each.person, at, each.face.box, dict(each.smoothed.probabilities)) for each in followed
        ]
        return followed

    def forget(self) -> None:
        """Whoever comes from here on is seen for the first time."""
        self._persons = []

    def _see(self, at: float, face: Face, person: _Person | None) -> Followed:
        if person is None:
            self._numbers += 1
            return Followed(self._numbers, face, face)
        # An operator's policy may withhold probabilities, now or before: there is nothing to average with.
        if not self.time_constant or face.emotion is None or person.probabilities.keys() != face.probabilities.keys():
            return Followed(person.number, face, face)
        share = 1 - math.exp(-(at - person.seen) / self.time_constant)
        probabilities = {
            name: before + share * (face.probabilities[name] - before) for name, before in person.probabilities.items()
        }
        emotion = max(probabilities, key=probabilities.__getitem__)
        said = {"emotion": emotion, "confidence": probabilities[emotion], "probabilities": probabilities}
        return Followed(person.number, face, face.model_copy(update=said))


def _match(before: Sequence[Box], now: Sequence[Box]) -> dict[int, int]:
    """For each box of `now` that is one of `before`, by their indices: the most overlapping pairs first."""
    pairs = [
        (share, old, new)
        for old, box in enumerate(before)
        for new, other in enumerate(now)
        if (share := overlap(box, other)) >= LEAST_OVERLAP
    ]
    matched: dict[int, int] = {}
    for _, old, new in sorted(pairs, key=lambda pair: pair[0], reverse=True):
        if new not in matched and old not in matched.values():
            matched[new] = old
    return matched


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    shared = max(width, 0.0) * max(height, 0.0)
    whole = a.width * a.height + b.width * b.height - shared
    return shared / whole if whole else 0.0
