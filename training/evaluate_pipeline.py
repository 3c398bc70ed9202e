"""What detection, alignment and cropping cost: accuracy through the whole pipeline next to that on bare crops.

    python -m training.evaluate_pipeline --data fer2013.csv.gz --split validation

Each face is enlarged four times, placed on a grey canvas of 640×480, and encoded as PNG; the pipeline must find it.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from emotion.detection import Detection
from emotion.labels import LABELS
from emotion.pipeline import Face, Pipeline, Result
from training import third_party
from training.artifact import load_classifier
from training.canvas import place_on_canvas
from training.data import SPLITS, DataError, load_splits

BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, fer2013.csv.gz or icml_face_data.csv")
    parser.add_argument("--split", choices=tuple(SPLITS), default="validation")
    parser.add_argument("--model", type=Path, default=Path("model_store/emotion.onnx"))
    arguments = parser.parse_args()
    try:
        split = load_splits(arguments.data, (arguments.split,))[arguments.split]
        pipeline = third_party.load_pipeline(load_classifier(arguments.model))
    except (DataError, FileNotFoundError, ValueError, third_party.VerificationError) as error:
        sys.exit(f"error: {error}")
    bare = np.array([np.argmax(row) for row in pipeline.classify(list(split.images))])
    faces = faces_through_pipeline(pipeline, split.images)
    through = np.array([LABELS.index(face.emotion) if face else -1 for face in faces])
    found = through >= 0
    bare_accuracy, bare_found = (bare == split.labels).mean(), (bare == split.labels)[found].mean()
    through_accuracy = (through == split.labels)[found].mean()
    print(f"faces                                   {len(split):6d}")
    print(f"found by the pipeline                   {found.mean():8.2%}")
    print(f"accuracy through the pipeline (found)   {through_accuracy:8.2%}")
    print(f"accuracy on the bare crops (same faces) {bare_found:8.2%}")
    print(f"accuracy on the bare crops (all)        {bare_accuracy:8.2%}")
    print(f"lost in the pipeline (against all)      {(bare_accuracy - through_accuracy) * 100:8.2f} points")


def faces_through_pipeline(pipeline: Pipeline, images: np.ndarray) -> list[Face | None]:
    """What the pipeline says of each grey face uint8 `[N, 48, 48]`; None where it found none."""
    return read_largest(pipeline, (place_on_canvas(face)[0] for face in images), len(images))


def read_largest(
    pipeline: Pipeline, photos: Iterable[np.ndarray], count: int, wanted: Callable[[Detection], bool] | None = None
) -> list[Face | None]:
    """What the pipeline says of the largest face in each of `count` photos, BGR uint8; None where it found none.

    `wanted`: whether a box may be that face; without it, any may.
    """
    files = (encoded(photo) for photo in photos)
    faces: list[Face | None] = []
    for _ in tqdm(range(0, count, BATCH), unit="batch", leave=False, disable=None):
        faces += [_largest(result, wanted) for result in pipeline(list(islice(files, BATCH)))]
    return faces


def encoded(photo: np.ndarray) -> bytes:
    """A PNG file of a photo, uint8, BGR or grey."""
    return cv2.imencode(".png", photo, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _largest(result: Result | Exception, wanted: Callable[[Detection], bool] | None) -> Face | None:
    if isinstance(result, Exception):
        raise result
    return next((face for face in result.faces if wanted is None or wanted(face.detection)), None)


if __name__ == "__main__":
    main()
