"""A trained network ready to answer, whichever runtime runs it."""

import json
from pathlib import Path
from typing import Protocol

import numpy as np

from emotion.labels import LABELS
from emotion.session import session

FORMAT = "emotion-onnx-1"
"""Written into the ONNX file's metadata; raised when its layout changes, so that old code refuses new files."""


class Classifier(Protocol):
    """What the pipeline and the evaluation need of a network."""

    @property
    def name(self) -> str:
        """The model's name in answers."""

    @property
    def version(self) -> str:
        """The model's version in answers."""

    @property
    def runtime(self) -> str:
        """What runs the network, and in which precision, as in `onnxruntime int8`."""

    @property
    def temperature(self) -> float:
        """What divides the logits before the softmax."""

    def logits(self, faces: np.ndarray) -> np.ndarray:
        """Logits float32 `[N, 7]`, in the order of `LABELS`, for grey faces uint8 `[N, 48, 48]`; N at least 1."""


def probabilities(classifier: Classifier, faces: np.ndarray) -> np.ndarray:
    """Calibrated probabilities float64 `[N, 7]` for grey faces uint8 `[N, 48, 48]`; each row sums to 1."""
    return softmax(classifier.logits(faces), classifier.temperature)


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax float64 `[N, 7]` of `logits / temperature`.

    Temperature scaling as in Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    scaled = logits.astype(np.float64) / temperature
    exponents = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: np.ndarray = exponents / exponents.sum(axis=1, keepdims=True)
    return shares


class OnnxClassifier:
    """A network in ONNX Runtime, on one CPU thread; its name, version and temperature come from the file."""

    def __init__(self, path: Path) -> None:
        """Raises `FileNotFoundError` when there is no such file and `ValueError` when it is not one of ours."""
        if not path.is_file():
            raise FileNotFoundError(f"no model file {path}")
        self._session = session(path, "build it again with `make compress`")
        described = self._session.get_modelmeta().custom_metadata_map
        if described.get("format") != FORMAT:
            raise ValueError(f"{path.name}: format is {described.get('format')!r}; this version reads {FORMAT!r}")
        if tuple(json.loads(described["labels"])) != LABELS:
            raise ValueError(f"{path.name}: labels are {described['labels']}; this version knows {list(LABELS)}")
        self.name, self.version = described["name"], described["version"]
        self.runtime = f"onnxruntime {described['precision']}"
        self.temperature = float(described["temperature"])
        self._input = self._session.get_inputs()[0].name

    def logits(self, faces: np.ndarray) -> np.ndarray:
        """See `Classifier.logits`."""
        (logits,) = self._session.run(None, {self._input: faces[:, None]})
        answer: np.ndarray = logits
        return answer
