"""What is measured of a face moves with what was done to it, and the reasons follow."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from emotion.alignment import Landmarks
from emotion.detection import Detection
from emotion.pipeline import Pipeline, Result
from emotion.quality import Quality, measure, measure_crop
from tests.conftest import photo_bytes, photo_path
from training.limits import limit

FACE = Detection(100.0, 100.0, 80.0, 100.0, 0.9)
FRONTAL = Landmarks((120.0, 140.0), (160.0, 140.0), (140.0, 165.0))


def measured(crop: np.ndarray, face: Detection = FACE, landmarks: Landmarks = FRONTAL) -> Quality:
    return measure(crop, face, landmarks, 640, 480)


@pytest.fixture(scope="module")
def crop(pipeline: Pipeline) -> np.ndarray:
    """A face from a good photograph, as large as the network reads it."""
    (result,) = pipeline([photo_bytes("smiling")])
    assert isinstance(result, Result)
    box = result.faces[0].detection
    grey = cv2.imread(str(photo_path("smiling")), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    face = grey[round(box.y) : round(box.y + box.height), round(box.x) : round(box.x + box.width)]
    return np.asarray(cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA))


def test_a_good_face_has_no_reasons(crop: np.ndarray) -> None:
    assert measured(crop).reasons() == ()


@pytest.mark.parametrize("sigma", [4, 12, 30])
def test_noise_is_measured_in_grey_values(sigma: float) -> None:
    noisy = 128 + np.random.default_rng(0).normal(0, sigma, (48, 48))
    assert measure_crop(noisy.clip(0, 255).astype(np.uint8))[1] == pytest.approx(sigma, rel=0.1)


def test_an_edge_is_no_noise() -> None:
    step = np.full((48, 48), 40, np.uint8)
    step[:, 24:] = 200
    assert measure_crop(step)[1] < 1


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda face: cv2.GaussianBlur(face, (0, 0), 4), "too_blurred"),
        (lambda face: face + np.random.default_rng(0).normal(0, 40, face.shape), "too_noisy"),
        (lambda face: face * 0.05, "too_dark"),
        (lambda face: face * 6.0, "too_bright"),
        (lambda face: 128 + (face - 128.0) * 0.05, "low_contrast"),
    ],
)
def test_what_was_done_to_a_crop_is_named(crop: np.ndarray, damage: object, reason: str) -> None:
    changed = np.clip(damage(crop), 0, 255).astype(np.uint8)  # type: ignore[operator]
    assert reason in measured(changed).reasons()
    assert reason not in measured(crop).reasons()


@pytest.mark.parametrize("degrees", [0, 20, 45, 70, 90, 135, 160])
def test_motion_in_any_direction_is_a_blur(crop: np.ndarray, degrees: int) -> None:
    """What moves in one direction stays sharp in the other."""
    line = np.zeros((9, 9), np.float32)
    line[4] = 1 / 9
    turned = cv2.warpAffine(line, cv2.getRotationMatrix2D((4, 4), degrees, 1), (9, 9))
    assert measured(cv2.filter2D(crop, -1, turned / turned.sum())).reasons() == ("too_blurred",)


@pytest.mark.parametrize(
    ("face", "landmarks", "reason"),
    [
        (replace(FACE, width=19.0), FRONTAL, "too_small"),
        (replace(FACE, x=-40.0), FRONTAL, "cut_off"),
        (FACE, Landmarks((120.0, 120.0), (160.0, 155.0), (130.0, 165.0)), "tilted"),
        (FACE, Landmarks((130.0, 120.0), (150.0, 154.6), (120.0, 150.0)), "tilted"),
        (FACE, Landmarks((120.0, 140.0), (160.0, 140.0), (160.0, 165.0)), "turned"),
    ],
)
def test_where_a_face_is_and_how_it_is_held(
    crop: np.ndarray, face: Detection, landmarks: Landmarks, reason: str
) -> None:
    assert measured(crop, face, landmarks).reasons() == (reason,)


def test_turning_is_measured_along_the_line_between_the_eyes() -> None:
    flat = np.zeros((48, 48), np.uint8)
    tilted = Landmarks((100.0, 100.0), (130.0, 140.0), (115.0, 120.0))
    assert measured(flat, landmarks=tilted).turn == pytest.approx(0)
    right = Landmarks((100.0, 100.0), (130.0, 140.0), (130.0, 140.0))
    assert measured(flat, landmarks=right).turn == pytest.approx(0.5)


def test_a_flat_crop_is_measured_too() -> None:
    assert set(measured(np.full((48, 48), 255, np.uint8)).reasons()) == {"too_blurred", "too_bright", "low_contrast"}


def test_a_limit_marks_nine_of_ten_wherever_the_network_fails() -> None:
    weak, strong = np.linspace(10, 20, 1001), np.linspace(30, 40, 1001)
    assert limit([strong, weak], low_is_bad=False) == pytest.approx(11)
    assert limit([-strong, -weak], low_is_bad=True) == pytest.approx(-11)
