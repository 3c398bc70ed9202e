import cv2
import numpy as np

from training.data import Split
from training.duplicates import copies, without_copies


def encoded(image: np.ndarray) -> np.ndarray:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def test_copies_are_found_however_they_were_altered(grey_faces: np.ndarray) -> None:
    originals, others = grey_faces[:3], grey_faces[3:]
    altered = [
        originals[0],
        originals[1, :, ::-1],
        encoded(originals[2]),
        np.rint(originals[0] * 0.6 + 20).astype(np.uint8),
        encoded(originals[1, :, ::-1]),
    ]
    found = copies(np.concatenate([np.stack(altered), others]), originals)
    assert found[: len(altered)].all()
    assert not found[len(altered) :].any(), "another face is no copy"


def test_an_even_picture_is_a_copy_of_the_same_one_only() -> None:
    black, grey = np.zeros((1, 48, 48), np.uint8), np.full((1, 48, 48), 128, np.uint8)
    assert copies(np.concatenate([black, grey]), black).tolist() == [True, False]


def test_training_goes_without_what_validation_has(grey_faces: np.ndarray) -> None:
    training = Split(
        "train", grey_faces, np.arange(len(grey_faces)) % 7, np.eye(7, dtype=np.float32)[:1].repeat(len(grey_faces), 0)
    )
    validation = Split("validation", grey_faces[:4, :, ::-1], np.arange(4))
    left = without_copies(training, validation)
    np.testing.assert_array_equal(left.images, grey_faces[4:])
    assert left.votes is not None and len(left.votes) == len(left) == len(grey_faces) - 4
