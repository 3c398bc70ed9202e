"""Photographs for the benchmarks, made from freely licensed ones: known faces of a known size, alone or with others."""

from dataclasses import dataclass

import cv2
import numpy as np

from training import photographs

WIDTH, HEIGHT = 1600, 1200

FACES: dict[str, list[tuple[int, int, int, int]]] = {
    "astronaut": [(182, 58, 88, 120)],
    "grace_hopper": [(178, 128, 177, 204)],
    "group": [(687, 290, 103, 130), (315, 236, 97, 127), (534, 307, 95, 127), (219, 66, 89, 107), (438, 216, 80, 96)],
    "single": [(185, 138, 194, 270)],
    "obama": [(373, 85, 239, 337)],
    "obama2": [(198, 234, 279, 404)],
    "obama3": [(647, 269, 266, 353)],
    "biden": [(437, 180, 279, 382)],
}
"""Boxes (x, y, width, height) of the faces, largest first, in pixels of the photographs."""

CONTEXT, LARGE_CONTEXT = 2.0, 0.4
"""How much around a small or a large face is pasted with it, in widths of the face on each side."""

LARGE = 420
"""Width of the large face beside which small ones stand, in pixels."""


@dataclass(frozen=True)
class Scene:
    """A photo, BGR uint8, and the boxes `[N, 4]` (x, y, width, height) of its small and of its large faces."""

    image: np.ndarray
    small: np.ndarray
    large: np.ndarray


def portraits(context: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """A BGR patch around each known face, and its box in the patch."""
    images = photographs.with_people()
    patches = []
    for name, boxes in FACES.items():
        for x, y, width, height in boxes:
            margin = round(context * width)
            top, left = max(y - margin, 0), max(x - margin, 0)
            patch = images[name][top : y + height + margin, left : x + width + margin]
            patches.append((patch, np.array([x - left, y - top, width, height], dtype=np.float64)))
    return patches


def small_faces(size: int, beside_a_large_one: bool, seed: int) -> Scene:
    """Every known face once, `size` pixels wide, on a grid that moves with `seed`, before a wall or a landscape."""
    random = np.random.default_rng(seed)
    image = _background(seed)
    left = 0
    large = np.zeros((0, 4))
    if beside_a_large_one:
        patches = portraits(LARGE_CONTEXT)
        patch, box = patches[seed % len(patches)]
        large = _paste(image, patch, box, LARGE, (60, 100))[None]
        left = WIDTH // 2 + 120
    placed = []
    step = 5 * size + 30
    cells = [(x, y) for y in range(10, HEIGHT - step, step) for x in range(left + 10, WIDTH - step, step)]
    order = random.permutation(len(cells))
    for (patch, box), cell in zip(portraits(CONTEXT), order, strict=False):
        x, y = cells[cell]
        jitter = random.integers(0, 24, size=2)
        placed.append(_paste(image, patch, box, size, (x + int(jitter[0]), y + int(jitter[1]))))
    return Scene(image, np.stack(placed), large)


def _background(seed: int) -> np.ndarray:
    """A plain wall, or a landscape enlarged, by turns."""
    if seed % 2:
        landscape = photographs.without_people()["china"]
        return cv2.resize(landscape, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.full((HEIGHT, WIDTH, 3), (130, 110, 90), dtype=np.uint8)


def _paste(image: np.ndarray, patch: np.ndarray, box: np.ndarray, size: int, corner: tuple[int, int]) -> np.ndarray:
    """Paste `patch`, scaled so that the face at `box` is `size` pixels wide; returns the face's box in `image`."""
    ratio = size / box[2]
    interpolation = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(patch, None, fx=ratio, fy=ratio, interpolation=interpolation)
    x, y = corner
    height, width = min(scaled.shape[0], image.shape[0] - y), min(scaled.shape[1], image.shape[1] - x)
    image[y : y + height, x : x + width] = scaled[:height, :width]
    placed: np.ndarray = box * ratio + np.array([x, y, 0, 0])
    return placed
