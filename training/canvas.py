"""FER-2013's bare faces made into photos, so that detection, alignment and cropping can be measured on them."""

import cv2
import numpy as np

ENLARGEMENT = 4
"""A face of 48 pixels becomes one of 192, as in a real photo."""

WIDTH, HEIGHT = 640, 480
GREY = 128


def place_on_canvas(face: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """A photo of one face, BGR uint8 `[480, 640, 3]`, from a grey face uint8 `[48, 48]`.

    Also returns x and y of the enlarged face's top left corner.
    """
    enlarged = cv2.resize(face, None, fx=ENLARGEMENT, fy=ENLARGEMENT, interpolation=cv2.INTER_CUBIC)
    canvas = np.full((HEIGHT, WIDTH), GREY, dtype=np.uint8)
    side = enlarged.shape[0]
    x, y = (WIDTH - side) // 2, (HEIGHT - side) // 2
    canvas[y : y + side, x : x + side] = enlarged
    return cv2.cvtColor(canvas, cv2.COLOR_GRAY2BGR), (x, y)
