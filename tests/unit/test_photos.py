"""Drawing on photos and preparing them."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from client import drawing
from client.photos import LARGEST_SIDE, SUFFIXES, prepare
from client.results import UNCERTAIN, shown_emotion
from emotion.contract import Analysis, Face
from tests.conftest import encoded, photo_bytes
from tests.unit.local_service import analysis, face


def parsed(*faces: dict[str, object]) -> tuple[Face, ...]:
    return Analysis.model_validate(analysis(*faces)).faces


@pytest.mark.parametrize("size", [(64, 48), (640, 480), (4000, 3000)])
def test_boxes_and_labels_are_drawn_at_any_size(size: tuple[int, int]) -> None:
    photo = Image.new("RGB", size, "white")
    width, height = size
    faces = parsed(
        face(x=width * 0.1, y=-height * 0.1, width=width * 0.3, height=height * 0.5),
        face("sad", x=width * 0.8, y=height * 0.7, width=width * 0.3, height=height * 0.5),
    )
    drawn = np.asarray(drawing.annotate(photo, faces))
    assert drawn.shape[:2] == (height, width)
    dark = (drawn == drawing.PAPER).all(axis=2)
    assert dark[: height // 2].any() and dark[height // 2 :].any()
    assert (np.asarray(photo) == 255).all(), "the photo itself is left alone"


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    photo = Image.new("RGB", (600, 400), "white")
    near = parsed(face(x=200, y=150, width=60, height=80), face(x=280, y=150, width=60, height=80))
    apart = drawing.annotate(photo, near)
    ink = sum((np.asarray(apart)[:, :, 0] < 40).ravel())
    single = sum((np.asarray(drawing.annotate(photo, (one,)))[:, :, 0] < 40).sum() for one in near)
    assert ink == pytest.approx(single, rel=0.02)


def test_a_label_that_would_hide_a_face_shrinks_to_its_number() -> None:
    photo = Image.new("RGB", (400, 400), "white")
    crowd = [face(x=x, y=y, width=38, height=38) for x in range(0, 400, 40) for y in range(0, 400, 40)]
    drawn = np.asarray(drawing.annotate(photo, parsed(*crowd)))
    dark = (drawn == drawing.PAPER).all(axis=2)
    assert dark[150:250, 150:250].mean() < 0.5, "a full label would cover its neighbours"


def test_an_uncertain_face_is_labelled_so() -> None:
    (one,) = parsed(face(confidence=0.45))
    assert shown_emotion(one, 0.5) == UNCERTAIN
    assert shown_emotion(one, 0.45) == "happy"
    photo = Image.new("RGB", (512, 512), "white")
    drawn = np.asarray(drawing.annotate(photo, (one,), threshold=0.5))
    assert (drawn == drawing.COLOURS[UNCERTAIN]).all(axis=2).any()


def test_photos_are_seen_upright_and_in_colour(smiling: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = prepare("turned.jpg", encoded(smiling.crop((0, 0, 300, 200)), "JPEG", exif=exif))
    assert turned.picture().size == (200, 300)
    assert prepare("cmyk.jpg", encoded(smiling.convert("CMYK"), "JPEG")).picture().mode == "RGB"
    clear = prepare("clear.png", encoded(Image.new("RGBA", (20, 20), (0, 0, 0, 0))))
    assert clear.picture().getpixel((5, 5)) == (255, 255, 255)
    deep = prepare("deep.png", encoded(Image.fromarray(np.full((20, 20), 128 * 256, dtype=np.uint16))))
    assert deep.picture().getpixel((5, 5)) == (128, 128, 128)


def test_a_small_photo_without_metadata_is_sent_as_it_is(smiling: Image.Image) -> None:
    data = encoded(smiling, "JPEG")
    photo = prepare("smiling.jpg", data)
    assert photo.data == data
    assert photo.scale == 1.0
    assert photo.thumbnail is not None
    small = Image.open(io.BytesIO(base64.b64decode(photo.thumbnail.partition(",")[2])))
    assert max(small.size) == 192


def test_a_phones_photo_is_sent_upright_smaller_and_without_its_metadata(smiling: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    exif[0x010F] = "a camera"
    large = smiling.resize((4000, 3000))
    photo = prepare("phone.jpg", encoded(large, "JPEG", exif=exif))
    assert photo.picture().size == (LARGEST_SIDE * 3 // 4, LARGEST_SIDE)
    assert photo.scale == pytest.approx(LARGEST_SIDE / 4000)
    assert not Image.open(io.BytesIO(photo.data)).getexif()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_small_photo_is_sent_upright_and_without_its_metadata(smiling: Image.Image, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"  # where it was taken
    exif[0x010F] = "a camera"
    photo = prepare("small", encoded(smiling.crop((0, 0, 300, 200)), kind, exif=exif))
    assert b"a camera" not in photo.data
    sent = Image.open(io.BytesIO(photo.data))
    assert not sent.getexif() and "exif" not in sent.info
    assert (sent.size, photo.scale) == ((200, 300), 1.0)


def test_comments_are_not_sent(smiling: Image.Image) -> None:
    assert b"secret" not in prepare("noted.jpg", encoded(smiling, "JPEG", comment=b"secret")).data


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        ("PNG", b""),
        ("progressive JPEG", b""),
        ("JPEG of a scan a component", b""),
        # Decoders skip the first marker alone; who gives it a length finds a scan of all three in the segment.
        ("JPEG of a scan a component", b"\xff\xd0\xff\xfe\0\x10" + bytes(14)),
        ("JPEG of a scan a component", b"\xff\xd0\xff\xe0\xff\xff" + b"\xff\xda\0\0\3".rjust(65533, b"\0")),
        ("JPEG of a scan a component", b"\xff\0\xff\xe0\xff\xff" + b"\xff\xda\0\0\3".rjust(65533, b"\0")),
    ],
)
def test_what_would_be_decoded_whole_is_not_decoded_beyond_the_services_bound(
    kind: str, before: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = Image.new("L", (5001, 5000))
    data = encoded(large) if kind == "PNG" else encoded(large, "JPEG", progressive=kind.startswith("progressive"))
    if kind.endswith("component"):  # in the headers of frame and scan, which is all that is read
        frame = data.index(b"\xff\xc0")
        three = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
        head = data[frame : frame + 2] + (17).to_bytes(2, "big") + data[frame + 4 : frame + 9] + b"\3" + three
        data = data[:2] + before + data[2:frame] + head + data[frame + 13 :]

    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    photo = prepare("large", data)
    assert (photo.data, photo.thumbnail, photo.is_too_large) == (data, None, True)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_other_kinds_have_the_same_bound(smiling: Image.Image, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(smiling, kind)
    monkeypatch.setattr("client.photos.MAX_PIXELS", smiling.width * smiling.height - 1)
    for plugin in ("PIL.AvifImagePlugin.AvifImageFile", "pillow_heif.as_plugin.HeifImageFile"):
        monkeypatch.setattr(f"{plugin}.load", lambda _: pytest.fail("decoded"))
    assert prepare("large", data).is_too_large


def test_a_phones_jpeg_is_decoded_at_half_its_size(smiling: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a quarter of the memory, which the page's server has for everybody."""
    decoded = []
    load = Image.Image.thumbnail

    def seen(image: Image.Image, *arguments: object, **more: object) -> None:
        decoded.append(image.size)
        load(image, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "thumbnail", seen)
    photo = prepare("phone.jpg", encoded(smiling.resize((4032, 3024)), "JPEG"))
    assert decoded[0] == (2016, 1512)
    assert photo.picture().size == (LARGEST_SIDE, LARGEST_SIDE * 3 // 4)


@pytest.mark.parametrize("size", [(400, 2), (3000, 1), (1, 3000)])
def test_a_picture_that_is_hardly_more_than_a_line_is_made_ready(size: tuple[int, int]) -> None:
    photo = prepare("line.jpg", encoded(Image.new("RGB", size), "JPEG"))
    assert photo.thumbnail is not None and photo.size == size


def test_a_heic_of_a_phone_is_sent_upright_and_without_its_metadata(smiling: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"  # where it was taken
    exif[0x010F] = "a camera"
    data = encoded(smiling.crop((0, 0, 300, 200)), "HEIF", exif=exif.tobytes())  # turned as phones do it: by irot
    assert b"a camera" in data
    photo = prepare("IMG_1.HEIC", data)
    sent = Image.open(io.BytesIO(photo.data))
    assert (sent.format, sent.size, photo.size, photo.scale) == ("JPEG", (200, 300), (200, 300), 1.0)
    assert not sent.getexif() and b"a camera" not in photo.data
    assert photo.own_picture().size == (200, 300)
    assert {".heic", ".heif", ".hif"} <= set(SUFFIXES), "as phones and cameras call them"
    assert prepare("cut.heic", data[: len(data) // 2]).thumbnail is None


def test_a_large_transparent_picture_is_shrunk_onto_white() -> None:
    photo = prepare("clear.png", encoded(Image.new("RGBA", (3000, 1500), (0, 0, 0, 0))))
    assert photo.picture().size == (2000, 1000)
    assert photo.picture().getpixel((1000, 500)) == (255, 255, 255)


@pytest.mark.parametrize("data", [b"", b"no photo", photo_bytes("serious")[:2000]])
def test_what_cannot_be_read_is_left_to_the_service(data: bytes) -> None:
    photo = prepare("broken.jpg", data)
    assert photo.data == data
    assert photo.thumbnail is None


@pytest.mark.parametrize("kind", ["GIF", "AVIF", "HEIF"])
def test_kinds_that_the_service_does_not_read_are_sent_as_jpeg(smiling: Image.Image, kind: str) -> None:
    photo = prepare("other", encoded(smiling, kind))
    assert Image.open(io.BytesIO(photo.data)).format == "JPEG"
    assert (photo.scale, photo.size, photo.first_of_several) == (1.0, smiling.size, False)


def test_of_a_moving_picture_the_first_one_is_sent_and_that_is_known(smiling: Image.Image) -> None:
    more = {"save_all": True, "append_images": [Image.new("RGB", smiling.size)]}
    photo = prepare("moving.gif", encoded(smiling, "GIF", **more))
    assert photo.first_of_several
    assert np.asarray(photo.picture()).mean() == pytest.approx(np.asarray(smiling).mean(), abs=5)


def test_other_kinds_are_not_even_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would start Ghostscript for PostScript."""
    data = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n"
    monkeypatch.setattr("PIL.EpsImagePlugin.EpsImageFile._open", lambda _: pytest.fail("tried"))
    assert prepare("photo.jpg", data).thumbnail is None


def test_the_size_of_ones_own_photo_is_that_of_the_upright_one(smiling: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = prepare("turned.jpg", encoded(smiling.resize((3000, 2000)), "JPEG", exif=exif))
    assert photo.size == (2000, 3000) == photo.own_picture().size


def test_a_browser_gets_the_file_that_was_sent_or_a_jpeg_where_that_is_much_smaller(smiling: Image.Image) -> None:
    photo = prepare("small.png", encoded(smiling))
    assert photo.to_show() == f"data:image/png;base64,{base64.b64encode(photo.data).decode()}"
    noise = np.random.default_rng(1).integers(0, 255, (1024, 1024, 3), dtype=np.uint8)
    large = prepare("large.png", encoded(Image.fromarray(noise)))
    assert large.to_show().startswith("data:image/jpeg;base64,")
    assert len(large.to_show()) < len(large.data)


@pytest.mark.parametrize("kind", ["AVIF", "JPEG"])
def test_whatever_a_decoder_raises_is_a_photo_that_cannot_be_read(smiling: Image.Image, kind: str) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\2\0" + b"\x12\1\3\0\1\0\0\0\6\0\0\0" + b"\0\1\2\0\4\0\0\0ab\xff\0" + bytes(4)
    data = encoded(smiling, kind, **({"exif": exif} if kind == "JPEG" else {}))
    if kind == "AVIF":
        content = data.index(b"mdat") + 4
        data = data[:content] + bytes(len(data) - content)
    photo = prepare("broken", data)
    assert photo.data == data and photo.thumbnail is None
