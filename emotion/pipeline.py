"""From encoded images to faces with calibrated emotions; the faces of all images are classified together."""

import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emotion.alignment import Aligner, Landmarks
from emotion.classifier import Classifier, OnnxClassifier, probabilities
from emotion.detection import Detection, Detector
from emotion.errors import ImageError, InvalidImage
from emotion.image import decode
from emotion.labels import INPUT_SIZE, LABELS, Emotion

LOGGER = logging.getLogger(__name__)

MODELS = Path(__file__).parent / "models"
"""Where an installed package has its model files."""

NETWORK, DETECTOR, LANDMARKS = "emotion.onnx", "centerface.onnx", "shape_predictor_5_face_landmarks.dat"
"""The model files: the trained network, CenterFace, and dlib's 5-point landmark predictor."""

CLASSIFY_AT_ONCE = 64
"""Most faces in one call of the network; bounds memory for photos of crowds."""


@dataclass(frozen=True)
class Face:
    """One face: where it is, and the calibrated probability of each of `LABELS`, in their order."""

    detection: Detection
    landmarks: Landmarks
    probabilities: tuple[float, ...]

    @property
    def emotion(self) -> Emotion:
        """The most probable class."""
        return LABELS[int(np.argmax(self.probabilities))]

    @property
    def confidence(self) -> float:
        """The probability of that class."""
        return max(self.probabilities)


@dataclass(frozen=True)
class Result:
    """The faces of one image, largest first; size in pixels of the upright image; milliseconds by stage.

    `classify` is the time for the whole batch, or 0 for an image without faces.
    """

    width: int
    height: int
    faces: tuple[Face, ...]
    timings_ms: dict[str, float]


class Pipeline:
    """Decode, detect, align, classify; one thread, not safe to share between threads."""

    def __init__(self, classifier: Classifier, detector: Detector, aligner: Aligner) -> None:
        # One thread a process: processes scale over the cores, threads in one process only get in each other's way.
        cv2.setNumThreads(1)
        self.classifier, self._detector, self._aligner = classifier, detector, aligner

    @classmethod
    def load(cls, folder: Path = MODELS) -> "Pipeline":
        """The pipeline from the three model files in `folder`: by default those of the installed package.

        Raises `FileNotFoundError` when one is missing and `ValueError` when the network cannot be read.
        """
        for name in (NETWORK, DETECTOR, LANDMARKS):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"no model file {folder / name}; the wheel that `make wheel` builds has all three, or pass a folder"
                )
        return cls(OnnxClassifier(folder / NETWORK), Detector(folder / DETECTOR), Aligner(folder / LANDMARKS))

    def __call__(self, images: Sequence[bytes | bytearray]) -> list[Result | ImageError]:
        """A result or an error for each encoded image, in their order; one bad image leaves the others alone."""
        prepared = [self._prepare(data) for data in images]
        crops = [crop for image in prepared if isinstance(image, _Prepared) for crop in image.crops]
        clock: dict[str, float] = {}
        with _timed(clock, "classify"):
            answers = iter(self.classify(crops))
        results: list[Result | ImageError] = []
        for image in prepared:
            if isinstance(image, ImageError):
                results.append(image)
                continue
            faces = tuple(Face(*found, next(answers)) for found in image.faces)
            timings = image.timings_ms | ({"classify": clock["classify"]} if faces else {"classify": 0.0})
            results.append(Result(image.width, image.height, faces, timings))
        return results

    def classify(self, crops: Sequence[np.ndarray]) -> list[tuple[float, ...]]:
        """Calibrated probabilities, in the order of `LABELS`, for grey crops uint8 `[48, 48]`."""
        answers: list[tuple[float, ...]] = []
        for start in range(0, len(crops), CLASSIFY_AT_ONCE):
            faces = np.stack(crops[start : start + CLASSIFY_AT_ONCE])
            answers += [tuple(row) for row in probabilities(self.classifier, faces).tolist()]
        return answers

    def warm_up(self) -> None:
        """Make the slow first calls before the first request: they allocate, and choose kernels for usual shapes."""
        for shape in ((480, 640, 3), (640, 480, 3), (640, 640, 3)):
            self._detector.detect(np.zeros(shape, dtype=np.uint8))
        for count in (1, 2, 4, 8):
            self.classify([np.zeros((INPUT_SIZE, INPUT_SIZE), dtype=np.uint8)] * count)

    def _prepare(self, data: bytes | bytearray) -> "_Prepared | ImageError":
        timings: dict[str, float] = {}
        try:
            with _timed(timings, "decode"):
                image = decode(data)
            with _timed(timings, "detect"):
                detections = self._detector.detect(image)
            with _timed(timings, "align"):
                aligned = [self._aligner.align(image, detection) for detection in detections]
        except ImageError as error:
            return error
        except Exception as error:
            # Unforeseen, so the cause is unknown; but the batch's other images must not fail with this one. The
            # exception's text is not logged: it may quote the photo.
            where = traceback.extract_tb(error.__traceback__)[-1]
            LOGGER.error("%s in %s:%s", type(error).__name__, Path(where.filename).name, where.lineno)
            return InvalidImage("the image cannot be processed")
        height, width = image.shape[:2]
        faces = [(detection, landmarks) for detection, (landmarks, _) in zip(detections, aligned, strict=True)]
        return _Prepared(width, height, faces, [crop for _, crop in aligned], timings)


@dataclass(frozen=True)
class _Prepared:
    """One decoded image with its faces cropped, waiting for the network."""

    width: int
    height: int
    faces: list[tuple[Detection, Landmarks]]
    crops: list[np.ndarray]
    timings_ms: dict[str, float]


@contextmanager
def _timed(clock: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    clock[stage] = (time.perf_counter() - started) * 1000
