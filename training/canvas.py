"""FER-2013's bare faces made into photos, so that detection, alignment and cropping can be measured on them."""

import cv2
import numpy as np

SIDE = 192
"""Side in pixels of a face's square in the photo, as in a real one: four times FER-2013's."""

WIDTH, HEIGHT = 640, 480
GREY = 128


def place_on_canvas(face: np.ndarray, side: int = SIDE) -> tuple[np.ndarray, tuple[int, int]]:
    """A photo of one face, BGR uint8 `[480, 640, 3]`, from a grey face uint8 `[48, 48]` made a square of `side` pixels.

    Also returns x and y of that square's top left corner.
    """
    way = cv2.INTER_CUBIC if side >= face.shape[0] else cv2.INTER_AREA
    canvas = np.full((HEIGHT, WIDTH), GREY, dtype=np.uint8)
    x, y = (WIDTH - side) // 2, (HEIGHT - side) // 2
    canvas[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=way)
    return cv2.cvtColor(canvas, cv2.COLOR_GRAY2BGR), (x, y)
