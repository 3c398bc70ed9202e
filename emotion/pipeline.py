"""From encoded images to faces with calibrated emotions; the faces of all images are classified together."""

import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from emotion.alignment import Aligner, Landmarks
from emotion.classifier import Classifier, OnnxClassifier, probabilities
from emotion.contract import MAX_FACES, STANDARD, Detail, Reason
from emotion.covering import Covering
from emotion.detection import Detection, Detector, long_side_needed, smallest_wanted
from emotion.errors import ImageError, InvalidImage
from emotion.image import Decoded, decode_reduced
from emotion.labels import INPUT_SIZE, LABELS, Emotion
from emotion.pyramid import Pyramid
from emotion.quality import Quality, measure
from emotion.turning import Turn, detect_turned, sent_box, sent_landmarks

LOGGER = logging.getLogger(__name__)

MODELS = Path(__file__).parent / "models"
"""Where an installed package has its model files."""

NETWORK, COVERING = "emotion.onnx", "covering.onnx"
DETECTOR, LANDMARKS = "centerface-int8.onnx", "shape_predictor_5_face_landmarks.dat"
"""The model files: the two trained networks, CenterFace in int8, and dlib's 5-point landmark predictor."""

CLASSIFY_AT_ONCE = 64
"""Most faces in one call of the network; bounds memory for photos of crowds."""

WIDTH_TO_CROP = 1.4
"""Side of a face's crop per width of its box, which is about 1.27 times as high as wide."""


@dataclass(frozen=True)
class Face:
    """One face: where it is, how well it can be read, and the calibrated probability of each of `LABELS`, in order."""

    detection: Detection
    landmarks: Landmarks
    quality: Quality
    probabilities: tuple[float, ...]

    @property
    def emotion(self) -> Emotion:
        """The most probable class."""
        return LABELS[int(np.argmax(self.probabilities))]

    @property
    def confidence(self) -> float:
        """The probability of that class."""
        return max(self.probabilities)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why the answer is not reliable; empty if it is."""
        return self.quality.reasons()

    @property
    def reliable(self) -> bool:
        """Whether the face is within the limits in which the network was measured to be right often enough."""
        return not self.reasons


@dataclass(frozen=True)
class Result:
    """The faces of one image, largest first; size in pixels of the upright image; milliseconds by stage.

    `classify` is the time for the whole batch, or 0 for an image without faces. `detail`: how closely was looked.
    `turned`: by how many degrees (0, 90, 180, 270) the image, upright by its EXIF tag, must be turned clockwise for its
    faces to stand upright; boxes and landmarks are in pixels of the image before that turn, left and right are those
    after it. `left_out`: how many faces beyond the largest 200 were found and not read. `began`: when each stage first
    began, by `time.perf_counter`.
    """

    width: int
    height: int
    faces: tuple[Face, ...]
    timings_ms: dict[str, float]
    detail: Detail = STANDARD
    turned: Turn = 0
    left_out: int = 0
    began: dict[str, float] = field(default_factory=dict)


class Pipeline:
    """Decode, detect, align, classify; one thread, not safe to share between threads."""

    def __init__(self, classifier: Classifier, detector: Detector, aligner: Aligner, covering: Covering) -> None:
        # One thread a process: processes scale over the cores, threads in one process only get in each other's way.
        cv2.setNumThreads(1)
        self.classifier, self._detector, self._aligner, self._covering = classifier, detector, aligner, covering

    @classmethod
    def load(cls, folder: Path = MODELS) -> "Pipeline":
        """The pipeline from the four model files in `folder`: by default those of the installed package.

        Raises `FileNotFoundError` when one is missing and `ValueError` when a network cannot be read.
        """
        for name in (NETWORK, COVERING, DETECTOR, LANDMARKS):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"no model file {folder / name}; the wheel that `make wheel` builds has all four, or pass a folder"
                )
        return cls(
            OnnxClassifier(folder / NETWORK),
            Detector(folder / DETECTOR),
            Aligner(folder / LANDMARKS),
            Covering(folder / COVERING),
        )

    def __call__(
        self, images: Sequence[bytes | bytearray], detail: Detail | Sequence[Detail] = STANDARD
    ) -> list[Result | ImageError]:
        """A result or an error for each encoded image, in their order; one bad image leaves the others alone.

        `detail`: how closely to look at all of them, or at each.
        """
        details = [detail] * len(images) if isinstance(detail, str) else detail
        prepared = [self._prepare(data, wanted) for data, wanted in zip(images, details, strict=True)]
        clock = _Clock()
        with clock.timing("classify"):
            answers = iter(self._classify([image for image in prepared if isinstance(image, _Prepared)]))
        results: list[Result | ImageError] = []
        for image in prepared:
            if isinstance(image, ImageError):
                results.append(image)
                continue
            answer = next(answers)
            if isinstance(answer, ImageError):
                results.append(answer)
                continue
            faces = tuple(Face(*found, row) for found, row in zip(image.faces, answer, strict=True))
            timings = image.clock.milliseconds | {"classify": clock.milliseconds["classify"] if faces else 0.0}
            began = image.clock.began | (clock.began if faces else {})
            results.append(
                Result(image.width, image.height, faces, timings, image.detail, image.turned, image.left_out, began)
            )
        return results

    def _classify(self, images: "Sequence[_Prepared]") -> "list[list[tuple[float, ...]] | ImageError]":
        """For each image the answers about its faces; where they cannot be had together, each image is tried alone."""
        try:
            answers = iter(self.classify([crop for image in images for crop in image.crops]))
        except Exception as error:
            if len(images) == 1:
                return [_unforeseen(error)]
            return [answer for image in images for answer in self._classify([image])]
        return [list(islice(answers, len(image.crops))) for image in images]

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
            crops = [np.zeros((INPUT_SIZE, INPUT_SIZE), dtype=np.uint8)] * count
            self.classify(crops)
            self._covering.shares(crops)

    def _prepare(self, data: bytes | bytearray, detail: Detail) -> "_Prepared | ImageError":
        clock = _Clock()
        try:
            with clock.timing("decode"):
                image = decode_reduced(data, long_side_needed(detail))
            with clock.timing("detect"):
                turned, photo, found = detect_turned(self._detector, Pyramid(image.pixels), detail)
                read = found[:MAX_FACES]
            with clock.timing("decode"):
                finer = _finer(data, image, read, detail)
            with clock.timing("align"):
                if finer is not image:
                    read = [_enlarged_box(face, image.reduction // finer.reduction) for face in read]
                    photo, image = Pyramid(finer.pixels).turned(turned // 90), finer
                aligned = [self._aligner.align(photo, face) for face in read]
                crops = [crop for _, crop in aligned]
                covered = self._covering.shares(crops)
            height, width = image.pixels.shape[:2]
            faces = [
                (
                    _enlarged_box(sent_box(face, turned, width, height), image.reduction),
                    _enlarged_landmarks(sent_landmarks(landmarks, turned, width, height), image.reduction),
                    measure(
                        crop,
                        face,
                        landmarks,
                        photo.width,
                        photo.height,
                        reduction=image.reduction,
                        covered=share,
                    ),
                )
                for face, (landmarks, crop), share in zip(read, aligned, covered, strict=True)
            ]
        except ImageError as error:
            return error
        except Exception as error:
            return _unforeseen(error)
        left_out = len(found) - len(read)
        return _Prepared(image.width, image.height, faces, crops, clock, detail, turned, left_out)


@dataclass(frozen=True)
class _Prepared:
    """One decoded image with its faces cropped, waiting for the network."""

    width: int
    height: int
    faces: list[tuple[Detection, Landmarks, Quality]]
    crops: list[np.ndarray]
    clock: "_Clock"
    detail: Detail
    turned: Turn
    left_out: int


def _unforeseen(error: Exception) -> ImageError:
    """What stands in place of a photo's result, as its batch must not fail with it.

    The exception's text is not logged: it may quote the photo.
    """
    where = traceback.extract_tb(error.__traceback__)[-1]
    LOGGER.error("%s in %s:%s", type(error).__name__, Path(where.filename).name, where.lineno)
    return InvalidImage("the image cannot be processed")


def _finer(data: bytes | bytearray, image: Decoded, faces: list[Detection], detail: Detail) -> Decoded:
    """The image decoded so large that its smallest face, if it was wanted at all, fills a crop with pixels."""
    if image.reduction == 1 or not faces:
        return image
    long_side = max(image.width, image.height)
    smallest = max(faces[-1].width * image.reduction, smallest_wanted(long_side, detail))
    needed = long_side * INPUT_SIZE / (smallest * WIDTH_TO_CROP)
    return image if needed <= max(image.pixels.shape[:2]) else decode_reduced(data, needed)


def _enlarged_box(face: Detection, factor: int) -> Detection:
    return Detection(face.x * factor, face.y * factor, face.width * factor, face.height * factor, face.confidence)


def _enlarged_landmarks(marks: Landmarks, factor: int) -> Landmarks:
    left, right, nose = ((x * factor, y * factor) for x, y in (marks.left_eye, marks.right_eye, marks.nose))
    return Landmarks(left, right, nose)


class _Clock:
    """How long each stage took, in all, and when it first began."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self.began: dict[str, float] = {}

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        self.began.setdefault(stage, started)
        yield
        self.milliseconds[stage] = self.milliseconds.get(stage, 0.0) + (time.perf_counter() - started) * 1000
