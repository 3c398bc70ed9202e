"""Fit how FER-2013 frames its faces: the transform from the serving detector's box to the crop.

    python -m training.framing --data fer2013.csv.gz

Runs the serving detector and landmarks on enlarged training images, where the true crop is known, and prints the
constants of `emotion.framing.FRAMING`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import HuberRegressor

from emotion.alignment import Aligner
from emotion.detection import Detector
from emotion.framing import Framing
from emotion.pyramid import Pyramid
from training import third_party
from training.canvas import SIDE, place_on_canvas
from training.data import DataError, load_splits

FACES, SEED = 1200, 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, fer2013.csv.gz or icml_face_data.csv")
    arguments = parser.parse_args()
    try:
        training = load_splits(arguments.data, ("train",))["train"]
    except DataError as error:
        sys.exit(f"error: {error}")
    chosen = np.random.default_rng(SEED).choice(len(training), size=min(FACES, len(training)), replace=False)
    framing, found = fit_framing(training.images[chosen])
    print(f"{found} of {len(chosen)} faces found\n{framing}")


def fit_framing(images: np.ndarray) -> tuple[Framing, int]:
    """The framing that best maps boxes to the crops they were found in, for grey faces uint8 `[N, 48, 48]`.

    The side is a median ratio; the centre a Huber regression (Huber 1964), because some landmarks are far off. Also
    returns the number of faces found.
    """
    detector = Detector(third_party.INT8_DETECTOR)
    aligner = Aligner(third_party.fetch(third_party.LANDMARKS))
    ratios, downs, eyes, centres = [], [], [], []
    for image in images:
        photo, (left, top) = place_on_canvas(image)
        faces = detector.detect(photo)
        if not faces:
            continue
        face = faces[0]
        marks = aligner.landmarks(Pyramid(photo), face)
        centre_x, centre_y = face.x + face.width / 2, face.y + face.height / 2
        ratios.append(SIDE / face.height)
        downs.append((top + SIDE / 2 - centre_y) / face.height)
        eyes.append(((marks.left_eye[0] + marks.right_eye[0]) / 2 - centre_x) / face.height)
        centres.append((left + SIDE / 2 - centre_x) / face.height)
    regression = HuberRegressor(alpha=0.0, fit_intercept=False, max_iter=1000).fit(np.array(eyes)[:, None], centres)
    framing = Framing(
        side=round(float(np.median(ratios)), 3),
        down=round(float(np.median(downs)), 3),
        toward_eyes=round(float(regression.coef_[0]), 3),
    )
    return framing, len(ratios)


if __name__ == "__main__":
    main()
