"""Which faces are found: small ones, beside large ones, in turned and in huge photographs."""

import cv2
import numpy as np
import pytest
from PIL import Image

from bench.recall import matched
from bench.scenes import FACES, small_faces
from emotion.alignment import crop
from emotion.contract import DETAILS, MAX_FACES, Detail
from emotion.detection import Detector, long_side_of_look, smallest_wanted, without_overlaps
from emotion.image import decode, decode_reduced
from emotion.pipeline import Pipeline
from emotion.pyramid import Pyramid
from emotion.turning import Turn, detect_turned, sent_point
from tests.conftest import GROUP_FACES, analyse, encoded, photo_bytes, photo_path
from training import photographs, third_party
from training.detector import rearranged


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(third_party.INT8_DETECTOR)


def found(detector: Detector, image: np.ndarray, detail: Detail = "standard") -> np.ndarray:
    faces = detector.detect(image, detail)
    return np.array([(face.x, face.y, face.width, face.height) for face in faces]).reshape(-1, 4)


@pytest.mark.parametrize("beside_a_large_one", [False, True])
@pytest.mark.parametrize(("size", "share"), [(40, 0.95), (30, 0.95), (24, 0.6)])
def test_small_faces_are_found_also_beside_a_large_one(
    detector: Detector, size: int, share: float, beside_a_large_one: bool
) -> None:
    scenes = [small_faces(size, beside_a_large_one, seed) for seed in range(4)]
    boxes = [found(detector, scene.image) for scene in scenes]
    seen = [matched(scene.small, some) for scene, some in zip(scenes, boxes, strict=True)]
    assert sum(seen) >= share * sum(len(scene.small) for scene in scenes)
    for scene, some in zip(scenes, boxes, strict=True):
        assert matched(scene.large, some) == len(scene.large)


@pytest.mark.parametrize("detail", DETAILS)
def test_nobody_is_lost_in_the_photographs_and_nobody_invented(detector: Detector, detail: Detail) -> None:
    for name, image in photographs.with_people().items():
        assert matched(np.array(FACES[name], dtype=np.float64), found(detector, image, detail)) == len(FACES[name]), (
            name
        )
    for name, image in photographs.without_people().items():
        assert not len(found(detector, image, detail)), name


def test_thorough_finds_what_standard_leaves_to_the_background(detector: Detector) -> None:
    scene = small_faces(18, True, seed=0)
    assert matched(scene.small, found(detector, scene.image, "thorough")) == len(scene.small)


def test_the_look_grows_with_the_photo_and_has_a_bound() -> None:
    looks = [long_side_of_look(side) for side in range(16, 16_384, 16)]
    assert looks == sorted(looks)
    assert smallest_wanted(640, "standard") == 20
    assert smallest_wanted(4000, "standard") == 80


def test_the_rearranged_network_computes_what_the_published_one_does() -> None:
    published = third_party.fetch(third_party.CENTERFACE)
    ours = cv2.dnn.readNetFromONNX(np.frombuffer(rearranged(published).SerializeToString(), np.uint8))
    theirs = cv2.dnn.readNetFromONNX(str(published))
    image = cv2.resize(photographs.with_people()["group"], (320, 224), interpolation=cv2.INTER_AREA)
    ours.setInput(cv2.dnn.blobFromImage(image))
    maps = ours.forward()
    theirs.setInput(cv2.dnn.blobFromImage(image, swapRB=True))
    heat, log_sizes, offsets, _ = theirs.forward(("537", "538", "539", "540"))
    np.testing.assert_allclose(1 / (1 + np.exp(-maps[0, 0])), heat[0, 0], atol=1e-4)
    np.testing.assert_allclose(maps[0, 1:3], log_sizes[0], atol=1e-3)
    np.testing.assert_allclose(maps[0, 3:5], offsets[0], atol=1e-3)


def test_the_strongest_of_overlapping_boxes_stays() -> None:
    boxes = np.array([[0, 0, 10, 10, 0.6], [1, 1, 10, 10, 0.9], [30, 0, 10, 10, 0.7]])
    np.testing.assert_array_equal(without_overlaps(boxes), boxes[[1, 2]])


def test_few_of_thousands_of_boxes_that_hardly_overlap_are_removed() -> None:
    random = np.random.default_rng(0)
    boxes = np.hstack([random.uniform(0, 4000, (2000, 2)), np.full((2000, 2), 12.0), random.uniform(0.5, 1, (2000, 1))])
    assert len(without_overlaps(boxes)) > 1000


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("name", ["smiling", "serious", "group"])
def test_a_turned_photo_is_read_upright_and_its_boxes_lie_in_the_photo_as_sent(
    pipeline: Pipeline, name: str, degrees: int
) -> None:
    upright = Image.open(photo_path(name)).convert("RGB")
    sent = upright.rotate(degrees, expand=True)  # counter-clockwise, so it has to be turned clockwise by as much
    expected, result = analyse(pipeline, encoded(upright), encoded(sent))
    assert (expected.turned, result.turned) == (0, degrees)
    assert (result.width, result.height) == sent.size
    there = sorted(expected.faces, key=lambda face: face.landmarks.nose)
    here = sorted(result.faces, key=lambda face: upright_point(face.landmarks.nose, degrees, *sent.size))
    read, expected_to_be = ([face.probabilities for face in some] for some in (here, there))
    assert [face.emotion for face in here] == [face.emotion for face in there]
    # One face of the group is nearly as neutral as happy, and a pixel of difference in its crop decides.
    np.testing.assert_allclose(read, expected_to_be, atol=0.25)
    assert np.abs(np.subtract(read, expected_to_be)).mean() < 0.04
    for face, same in zip(here, there, strict=True):
        size = same.detection.width
        for mark in ("left_eye", "right_eye", "nose"):
            back = upright_point(getattr(face.landmarks, mark), degrees, *sent.size)
            assert back == pytest.approx(getattr(same.landmarks, mark), abs=size / 8), mark
        x, y = face.detection.x, face.detection.y
        eye_x, eye_y = face.landmarks.left_eye
        assert x < eye_x < x + face.detection.width and y < eye_y < y + face.detection.height


@pytest.mark.parametrize("degrees", [90, 270])
def test_a_face_that_is_found_as_surely_on_its_side_is_turned_too(detector: Detector, degrees: int) -> None:
    """The detector is surer of this one, lying, than of most upright faces."""
    photo = photographs.with_people()["obama"]
    turned, _, (face, *_) = detect_turned(detector, Pyramid(np.ascontiguousarray(np.rot90(photo, degrees // 90))))
    assert turned == degrees
    assert face.height > face.width


def upright_point(point: tuple[float, float], degrees: int, width: int, height: int) -> tuple[float, float]:
    """Where a point of the photo as sent comes to lie when it is turned clockwise."""
    size = (width, height) if degrees == 180 else (height, width)
    back: dict[int, Turn] = {90: 270, 180: 180, 270: 90}
    return sent_point(point, back[degrees], *size)


@pytest.mark.parametrize("detail", DETAILS)
def test_the_result_says_how_closely_was_looked(pipeline: Pipeline, detail: Detail) -> None:
    (result,) = pipeline([photo_bytes("group")], detail)
    assert not isinstance(result, Exception)
    assert result.detail == detail
    assert len(result.faces) == GROUP_FACES


def crowd(columns: int, rows: int, width: int, height: int) -> bytes:
    """A JPEG file of that many copies of one face; `width` and `height` of each part in pixels; half of it is face."""
    part = Image.open(photo_path("smiling")).convert("RGB").crop((150, 30, 300, 200)).resize((width - 2, height - 2))
    photo = Image.new("RGB", (columns * width, rows * height), (90, 110, 130))
    for number in range(columns * rows):
        photo.paste(part, (number % columns * width, number // columns * height))
    return encoded(photo, "JPEG", quality=92)


def test_of_a_crowd_the_largest_are_read_and_the_others_counted(pipeline: Pipeline) -> None:
    (result,) = analyse(pipeline, crowd(20, 15, 80, 90), detail="thorough")
    assert (len(result.faces), result.left_out) == (MAX_FACES, 20 * 15 - MAX_FACES)


@pytest.mark.parametrize("detail", DETAILS)
def test_two_thousand_faces_are_answered(pipeline: Pipeline, detail: Detail) -> None:
    """Each is below 2 % of the long side, so only `thorough` finds them, though not all."""
    (result,) = analyse(pipeline, crowd(50, 40, 80, 90), detail=detail)
    if detail == "thorough":
        assert len(result.faces) == MAX_FACES
        assert 500 < result.left_out <= 2000 - MAX_FACES


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_small_and_answered_in_full_pixels(pipeline: Pipeline, orientation: int) -> None:
    large = Image.open(photo_path("group")).convert("RGB").resize((4001, 2667), Image.Resampling.BICUBIC)
    stored = large if orientation == 1 else large.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = orientation
    jpeg, png = encoded(stored, "JPEG", quality=95, exif=exif), encoded(large)
    reduced = decode_reduced(jpeg, 960)
    assert (reduced.reduction, reduced.width, reduced.height) == (4, 4001, 2667)
    assert reduced.pixels.shape == (667, 1001, 3)
    result, expected = analyse(pipeline, jpeg, png)
    assert (result.width, result.height) == (4001, 2667)
    here, there = (sorted(faces, key=lambda face: face.detection.x) for faces in (result.faces, expected.faces))
    for face, same in zip(here, there, strict=True):
        assert face.detection.x == pytest.approx(same.detection.x, abs=same.detection.width / 8)
        assert face.detection.height == pytest.approx(same.detection.height, rel=0.15)
        assert face.landmarks.nose == pytest.approx(same.landmarks.nose, abs=same.detection.width / 10)


def test_a_small_face_in_a_large_jpeg_is_read_from_enough_pixels(pipeline: Pipeline) -> None:
    """Its crop must be that of the image decoded in full, not one that was enlarged."""
    face = Image.open(photo_path("smiling")).convert("RGB").crop((80, 0, 420, 300))
    wall = Image.new("RGB", (4000, 3000), (90, 110, 130))
    wall.paste(face, (1800, 1400))
    (result,) = analyse(pipeline, encoded(wall, "JPEG", quality=95))
    (found_face,) = result.faces
    assert found_face.emotion == "happy"
    full = Pyramid(decode(encoded(wall, "JPEG", quality=95)))
    expected = pipeline.classify([crop(full, found_face.detection, found_face.landmarks)])[0]
    assert found_face.probabilities == pytest.approx(expected, abs=0.1)
