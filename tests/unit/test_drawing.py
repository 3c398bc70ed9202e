"""Drawn photos: every face has its box and label, and none is hidden."""

import cv2
import numpy as np
import pytest

from emotion.drawing import SMALLEST_PICTURE, annotate
from emotion.image import decode
from emotion.pipeline import Pipeline
from tests.conftest import analyse, photo_bytes


@pytest.fixture
def group() -> np.ndarray:
    return decode(photo_bytes("group"))


def tiled(photo: np.ndarray, across: int, width: int) -> np.ndarray:
    """A crowd: the photo, `width` pixels wide, that many times in each direction."""
    small = cv2.resize(photo, (width, width * photo.shape[0] // photo.shape[1]), interpolation=cv2.INTER_AREA)
    return np.tile(small, (across, across, 1))


@pytest.mark.parametrize("across", [1, 4])
def test_no_face_of_a_group_is_hidden(pipeline: Pipeline, group: np.ndarray, across: int) -> None:
    photo = tiled(group, across, 1280 // across)
    (result,) = analyse(pipeline, cv2.imencode(".png", photo)[1].tobytes())
    assert len(result.faces) == 5 * across**2
    picture = annotate(photo, result.faces)
    assert picture.shape == photo.shape
    for face in result.faces:
        box = face.detection
        middle = np.s_[
            round(box.y + box.height * 0.25) : round(box.y + box.height * 0.75),
            round(box.x + box.width * 0.25) : round(box.x + box.width * 0.75),
        ]
        np.testing.assert_array_equal(picture[middle], photo[middle])
        edge = np.s_[round(box.y), round(box.x + box.width * 0.25) : round(box.x + box.width * 0.75)]
        assert (picture[edge] != photo[edge]).any(axis=1).all(), "the box"


def test_a_small_photo_is_enlarged_until_labels_can_be_read(pipeline: Pipeline, group: np.ndarray) -> None:
    photo = tiled(group, 1, 160)
    (result,) = analyse(pipeline, cv2.imencode(".png", photo)[1].tobytes())
    assert result.faces
    picture = annotate(photo, result.faces)
    assert picture.shape[:2] == (photo.shape[0] * 3, photo.shape[1] * 3)
    assert max(picture.shape) == SMALLEST_PICTURE


def test_a_photo_without_faces_stays_as_it_is() -> None:
    photo = decode(photo_bytes("landscape"))
    np.testing.assert_array_equal(annotate(photo, []), photo)
