"""Faces in an image: CenterFace (Xu et al. 2019, arXiv:1911.03599) in int8, through ONNX Runtime.

How closely to look follows from what can be read. A face below 20 pixels, or below 2 % of the photo's long side, is
background. CenterFace is sure of a face from about 14 pixels on, but it suspects one from 8 on: so one small look
finds the large faces and suspects the small ones, and only where it suspects something is the photo looked at again,
in a small tile, at the size at which a face is sure to be found. `python -m bench.recall` measures what that finds
and what it costs beside other rules.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from emotion.contract import STANDARD, Detail
from emotion.pyramid import Pyramid
from emotion.session import session

STRIDE = 4
"""Input pixels per cell of the network's output map."""

MULTIPLE = 32
"""The network's input sides must be multiples of this."""

SMALLEST_FACE, SMALLEST_SHARE = 20, 0.02
"""Width of the smallest face that can be read: pixels, and share of the photo's long side; the larger counts."""

SUSPECTED_FROM = 8.0
"""Width in pixels of a look from which on a face is suspected in nearly all cases."""

LARGEST_LOOK = 480
"""Long side, in pixels, of the first look at a large photo: a face of 1.9 % is suspected there."""

TOLERATED = 8
"""Pixels by which a side may be over a multiple of 32: the photo is rather scaled down a little more than padded."""

SURE_FROM = 14.0
"""Width in pixels of a look from which on a face is found and its box is good enough to crop by."""

FAST_LOOK, THOROUGH_LOOK = 160, 1920
"""Long sides, in pixels, of the only look of `fast` and the last look of `thorough`."""

OTHER_LOOKS = (FAST_LOOK, 512)
"""Long sides of the looks that are taken, one after the other, where nothing was found: an odd face shows at one size
and not at another."""

TILE, FACE_IN_TILE = 64, 26.0
"""Side of a tile, and the width that the suspected face has in it, in pixels."""

FACE_IN_TURNED_TILE, HEIGHT_TO_WIDTH = 20.0, 1.27
"""Width of a face in the tiles that tell how a photo is turned, in pixels, and a face's height in widths."""

TILES_AT_ONCE = 16
"""Most tiles in one call of the network; bounds memory."""

MIN_CONFIDENCE, SUSPICION = 0.5, 0.04
"""Confidence from which on a box is a face, and from which on it is worth a tile."""

PLAIN_FROM, PLAIN_SUSPICION = 10.0, 0.1
"""Width in pixels of a look from which on every face that was measured has a confidence above 0.2, so that a box with
less than this one is no face."""

VOTES_FROM = 0.2
"""Share of a peak's confidence from which on the cells around it have a say in its box."""

MAX_OVERLAP = 0.3
"""Of two boxes that overlap more than this (intersection over union), the weaker one is dropped."""

MOST_BOXES = 2000
"""Strongest boxes of a look that are kept before overlaps are removed: time does not explode on odd pictures."""


_SQUARE = np.ones((3, 3), np.uint8)
_DOWN, _ACROSS = (offsets.ravel() for offsets in np.mgrid[-1:2, -1:2])
"""Rows and columns from a cell of the map to the nine cells around it, itself the fifth."""


@dataclass(frozen=True)
class Detection:
    """A face: its box (pixels, origin top left, may reach beyond the image) and the detector's confidence."""

    x: float
    y: float
    width: float
    height: float
    confidence: float


class Detector:
    """Finds faces; holds the network, on one thread."""

    def __init__(self, model: Path) -> None:
        """`model`: the file that `python -m training.detector` writes; raises `ValueError` when it is not readable."""
        self._session = session(model, "`python -m training.detector` writes it", any_size=True)

    def detect(self, image: np.ndarray | Pyramid, detail: Detail = STANDARD) -> list[Detection]:
        """Faces in a BGR uint8 image `[height, width, 3]`, or in its pyramid, largest first."""
        photo = image if isinstance(image, Pyramid) else Pyramid(image)
        if detail == "fast":
            boxes = self.look(photo, FAST_LOOK, MIN_CONFIDENCE)
        else:
            boxes = self._look_by_the_rule(photo)
            for long_side in OTHER_LOOKS:
                if not len(boxes) and not _alike(long_side, photo.long_side):
                    boxes = self.look(photo, long_side, MIN_CONFIDENCE)
            if detail == "thorough" and min(photo.long_side, THOROUGH_LOOK) > long_side_of_look(photo.long_side):
                boxes = _merged(boxes, self.look(photo, THOROUGH_LOOK, MIN_CONFIDENCE))
        faces = [Detection(*map(float, box)) for box in boxes]
        return sorted(faces, key=lambda face: face.width * face.height, reverse=True)

    def confidences_turned(self, photo: Pyramid, face: Detection, quarter_turns: Sequence[int]) -> np.ndarray:
        """How sure the network is, float `[N]`, that there is a face where `face` was found, with the photo turned
        clockwise by each of N `quarter_turns`, in a small tile: a good deal surer if the face then stands upright."""
        side = math.sqrt(face.width * face.height / HEIGHT_TO_WIDTH)
        middle = np.array([face.x + face.width / 2, face.y + face.height / 2])
        tile = _cut_tile(photo, middle, max(side / FACE_IN_TURNED_TILE, 1.0))
        (maps,) = self._session.run(None, {"image": np.stack([np.rot90(tile, -turns) for turns in quarter_turns])})
        rim = TILE // STRIDE // 4
        peaks: np.ndarray = maps[:, 0, rim:-rim, rim:-rim].max(axis=(1, 2))
        confidences: np.ndarray = 1 / (1 + np.exp(-peaks))
        return confidences

    def _look_by_the_rule(self, photo: Pyramid) -> np.ndarray:
        """Boxes `[N, 5]` from one look at the whole photo and from tiles where it suspects faces."""
        long_side = long_side_of_look(photo.long_side)
        seen = self.look(photo, long_side, SUSPICION)
        scale = max(photo.long_side / long_side, 1.0)
        sure = (seen[:, 4] >= MIN_CONFIDENCE) & (seen[:, 2] >= SURE_FROM * scale)
        worth_a_tile = (seen[:, 4] >= PLAIN_SUSPICION) | (seen[:, 2] < PLAIN_FROM * scale)
        found, suspected = seen[sure], seen[~sure & worth_a_tile]
        if not len(suspected):
            return found
        closer = 2 * long_side
        if len(suspected) * TILE * TILE > _area(photo, closer):  # a crowd: one larger look is cheaper
            looked = self.look(photo, closer, MIN_CONFIDENCE)
        else:
            looked = self._look_at_tiles(photo, suspected)
        # A small face that only the first look is sure of stays, but a box from closer by is the better one.
        small = suspected[suspected[:, 4] >= MIN_CONFIDENCE]
        return _merged(_merged(found, looked), small)

    def look(self, photo: Pyramid, long_side: int, threshold: float) -> np.ndarray:
        """Boxes `[N, 5]` from one pass of the network over the photo scaled down to at most `long_side` pixels."""
        scaled = photo.scaled(_fitted(photo, long_side))
        height, width = scaled.shape[:2]
        (maps,) = self._session.run(None, {"image": padded(scaled)[None]})
        boxes = without_overlaps(_boxes(maps[0], threshold))
        boxes[:, :4] *= np.array([photo.width / width, photo.height / height] * 2)
        return boxes

    def _look_at_tiles(self, photo: Pyramid, suspected: np.ndarray) -> np.ndarray:
        """Boxes `[N, 5]` from a closer look at the square around each of `suspected`, boxes `[N, 5]` of the photo."""
        found = []
        for start in range(0, len(suspected), TILES_AT_ONCE):
            chosen = suspected[start : start + TILES_AT_ONCE]
            middles, steps = chosen[:, :2] + chosen[:, 2:4] / 2, np.maximum(chosen[:, 2] / FACE_IN_TILE, 1.0)
            tiles = [_cut_tile(photo, middle, step) for middle, step in zip(middles, steps, strict=True)]
            (maps,) = self._session.run(None, {"image": np.stack(tiles)})
            for middle, step, tile_maps in zip(middles, steps, maps, strict=True):
                boxes = _boxes(tile_maps, MIN_CONFIDENCE)
                # What stands at the edge is cut off by it, and has a tile of its own if it is a face.
                off_centre = np.abs(boxes[:, :2] + boxes[:, 2:4] / 2 - TILE / 2).max(axis=1)
                boxes = boxes[off_centre < TILE / 4]
                boxes[:, :4] *= step
                boxes[:, :2] += middle - step * TILE / 2
                found.append(boxes)
        return without_overlaps(np.vstack(found))


def smallest_wanted(long_side: int, detail: Detail) -> float:
    """Width in pixels of the smallest face that is looked for in a photo with this long side."""
    if detail == "fast":
        return SURE_FROM * long_side / FAST_LOOK
    if detail == "thorough":
        return SURE_FROM * max(long_side / THOROUGH_LOOK, 1.0)
    return max(SMALLEST_FACE, SMALLEST_SHARE * long_side)


def long_side_of_look(long_side: int) -> int:
    """Long side, in pixels, at which a photo with this long side is looked at first: the smallest wanted face is
    suspected there."""
    needed = SUSPECTED_FROM * long_side / SMALLEST_FACE
    return int(min(max(math.ceil(needed / MULTIPLE) * MULTIPLE, FAST_LOOK), LARGEST_LOOK))


def long_side_needed(detail: Detail) -> int:
    """Long side, in pixels, below which a photo must not be reduced before it is looked at."""
    return {"fast": 2 * FAST_LOOK, "standard": 2 * LARGEST_LOOK, "thorough": THOROUGH_LOOK}[detail]


def padded(image: np.ndarray) -> np.ndarray:
    """A BGR uint8 image with black below and to the right, so that the network takes its sides."""
    height, width = image.shape[:2]
    if height % MULTIPLE == width % MULTIPLE == 0:
        return image
    return cv2.copyMakeBorder(image, 0, -height % MULTIPLE, 0, -width % MULTIPLE, cv2.BORDER_CONSTANT, value=(0, 0, 0))


def without_overlaps(boxes: np.ndarray) -> np.ndarray:
    """The boxes `[N, 5]` (x, y, width, height, confidence) that overlap no stronger one, strongest first."""
    if len(boxes) < 2:
        return boxes
    # OpenCV takes arrays, though its types ask for lists, which cost as much again.
    sides: Any = boxes[:, :4]
    confidences: Any = boxes[:, 4]
    kept = cv2.dnn.NMSBoxes(sides, confidences, 0.0, MAX_OVERLAP)
    return boxes[np.asarray(kept, dtype=np.intp).reshape(-1)]


def _alike(long_side: int, photo_side: int) -> bool:
    """Whether a look at this long side shows nothing that the first look did not."""
    first = min(long_side_of_look(photo_side), photo_side)
    return abs(min(long_side, photo_side) - first) <= MULTIPLE


def _fitted(photo: Pyramid, long_side: int) -> int:
    """The long side, a little smaller if that spares a band of padding along the long side."""
    if long_side >= photo.long_side:
        return long_side
    short_side = min(photo.width, photo.height) * long_side / photo.long_side
    over = short_side % MULTIPLE
    return math.floor(long_side * (short_side - over) / short_side) if 0 < over <= TOLERATED < short_side else long_side


def _merged(preferred: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Boxes `[N, 5]`: all of `preferred`, and those of `others` that overlap none of them."""
    if not (len(preferred) and len(others)):
        return preferred if len(preferred) else others
    corner = np.maximum(preferred[:, None, :2], others[None, :, :2])
    opposite = np.minimum((preferred[:, :2] + preferred[:, 2:4])[:, None], (others[:, :2] + others[:, 2:4])[None])
    shared = np.clip(opposite - corner, 0, None).prod(axis=2)
    areas = preferred[:, 2:4].prod(axis=1)[:, None] + others[:, 2:4].prod(axis=1)[None] - shared
    return np.vstack([preferred, others[(shared <= MAX_OVERLAP * areas).all(axis=0)]])


def _boxes(maps: np.ndarray, threshold: float) -> np.ndarray:
    """Boxes float64 `[N, 5]`, in pixels of the network's input, where its heat map peaks above `threshold`.

    `maps`, float32 `[5, rows, columns]`: logits of the heat map, logarithms of height and width, offsets down, right.
    """
    logits = maps[0]
    # The strongest cell of a face is a peak among its neighbours; the others would only be removed as overlaps.
    rows, columns = np.nonzero(
        (logits >= math.log(threshold / (1 - threshold))) & (logits >= cv2.dilate(logits, _SQUARE))
    )
    if not len(rows):
        return np.zeros((0, 5))
    if len(rows) > MOST_BOXES:
        strongest = np.argpartition(-logits[rows, columns], MOST_BOXES)[:MOST_BOXES]
        rows, columns = rows[strongest], columns[strongest]
    # A peak and its neighbours each have a box of their own; their mean is steadier than any of them.
    near_rows = np.clip(rows[:, None] + _DOWN, 0, logits.shape[0] - 1)
    near_columns = np.clip(columns[:, None] + _ACROSS, 0, logits.shape[1] - 1)
    logit, log_heights, log_widths, downs, rights = maps[:, near_rows, near_columns].astype(np.float64)
    confidences = 1 / (1 + np.exp(-logit))
    peak = confidences[:, 4:5]
    weights = np.where(confidences > VOTES_FROM * peak, confidences, 0.0)
    middle_x, middle_y = (near_columns + rights + 0.5) * STRIDE, (near_rows + downs + 0.5) * STRIDE
    voters = np.stack([middle_x, middle_y, np.exp(log_widths) * STRIDE, np.exp(log_heights) * STRIDE])
    x, y, width, height = (voters * weights).sum(axis=2) / weights.sum(axis=1)
    return np.stack([x - width / 2, y - height / 2, width, height, peak[:, 0]], axis=1)


def _cut_tile(photo: Pyramid, middle: np.ndarray, step: float) -> np.ndarray:
    """BGR uint8 `[64, 64, 3]` around `middle`, a point of the photo, of whose pixels it takes one in `step`."""
    level = photo.level(step)
    reduced = step / 2**level
    offset = middle / 2**level - reduced * (TILE - 1) / 2 - 0.5
    to_source = np.array([[reduced, 0.0, offset[0]], [0.0, reduced, offset[1]]])
    return cv2.warpAffine(photo.colour(level), to_source, (TILE, TILE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _area(photo: Pyramid, long_side: int) -> float:
    """Pixels of the photo scaled down to at most this long side."""
    ratio = min(long_side / photo.long_side, 1.0)
    return photo.width * photo.height * ratio * ratio
