"""Whatever people upload: decoded upright and in colour, or refused with a reason."""

import contextlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from emotion.containers import rebuilt
from emotion.contract import MAX_PIXELS
from emotion.errors import EmptyBody, ImageError, ImageTooLarge, InvalidImage, TruncatedImage, UnsupportedFormat
from emotion.image import decode
from tests.conftest import encoded, photo_bytes, png_header

ORIENTATION = 0x0112
TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What undoes each EXIF orientation's turn when the photo is stored."""


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("PNG", "RGB"), ("PNG", "RGBA"), ("WEBP", "RGB"), ("WEBP", "RGBA")]
)
def test_every_exif_orientation_comes_out_upright(smiling: Image.Image, orientation: int, kind: str, mode: str) -> None:
    upright = smiling.crop((0, 0, 300, 200)).convert(mode)
    turn = TURNS[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = decode(encoded(stored, kind, quality=95, exif=exif))
    assert image.shape == (200, 300, 3)
    assert np.abs(image[:, :, ::-1].astype(int) - np.asarray(upright.convert("RGB"))).mean() < 3


def test_transparency_shows_white(smiling: Image.Image) -> None:
    mask = Image.new("L", smiling.size, 255)
    mask.paste(0, (0, 0, 100, 100))
    smiling.putalpha(mask)
    image = decode(encoded(smiling))
    assert (image[:100, :100] == 255).all()
    np.testing.assert_array_equal(image[100:, :, ::-1], np.asarray(smiling)[100:, :, :3])


def test_transparent_palette_shows_white() -> None:
    palette = Image.new("P", (32, 32), 1)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.paste(0, (0, 0, 16, 32))
    image = decode(encoded(palette, transparency=0))
    assert (image[:, :16] == 255).all()
    assert (image[:, 16:] == [60, 50, 40]).all()


def test_transparent_grey_shows_white() -> None:
    grey = Image.merge("LA", (Image.new("L", (32, 32), 90), Image.new("L", (32, 32), 0)))
    assert (decode(encoded(grey)) == 255).all()


def test_sixteen_bits_become_eight(smiling: Image.Image) -> None:
    deep = np.asarray(smiling).astype(np.uint16)[:, :, ::-1] * 257
    image = decode(cv2.imencode(".png", deep)[1].tobytes())
    assert np.abs(image[:, :, ::-1].astype(int) - np.asarray(smiling)).max() <= 1


def test_size_is_checked_before_anything_is_decoded() -> None:
    with pytest.raises(ImageTooLarge, match=r"20000×20000 \(400 Mpx\); the limit is 25 Mpx"):
        decode(png_header(20000, 20000))


def test_a_very_long_image_within_the_pixel_limit_is_refused() -> None:
    assert MAX_PIXELS > 40_000 * 100
    with pytest.raises(ImageTooLarge, match="longest side"):
        decode(png_header(40_000, 100))


def test_jpeg_size_is_read_from_its_header() -> None:
    file = rebuilt(photo_bytes("serious"))
    assert (file.width, file.height) == (512, 600)


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_truncated_files_are_called_truncated(smiling: Image.Image, kind: str, keep: float) -> None:
    data = encoded(smiling, kind)
    with pytest.raises(TruncatedImage):
        decode(data[: int(len(data) * keep)])


def webp(kind: str, width: int, height: int) -> bytes:
    """The header of a WebP file that claims to have this size, in one of three forms, and no pixels."""
    if kind == "VP8 ":
        chunk = bytes(3) + b"\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")
    elif kind == "VP8L":
        chunk = b"\x2f" + (width - 1 | height - 1 << 14).to_bytes(4, "little")
    else:
        chunk = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = kind.encode() + (20).to_bytes(4, "little") + chunk.ljust(20, b"\0")
    return b"RIFF" + (len(chunk) + 4).to_bytes(4, "little") + b"WEBP" + chunk


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp_is_read(smiling: Image.Image, mode: str, lossless: bool) -> None:
    data = encoded(smiling.convert(mode), "WEBP", lossless=lossless, quality=90)
    file = rebuilt(data)
    assert (file.width, file.height) == smiling.size
    assert np.abs(decode(data)[:, :, ::-1].astype(int) - np.asarray(smiling)).mean() < 4


@pytest.mark.parametrize("lossless", [False, True])
def test_transparent_webp_shows_white(lossless: bool) -> None:
    half = Image.new("RGBA", (64, 64), (10, 20, 30, 255))
    half.paste((200, 0, 0, 0), (0, 0, 32, 64))
    image = decode(encoded(half, "WEBP", lossless=lossless, quality=95))
    assert (image[:, :24] == 255).all()
    assert np.abs(image[:, 40:].astype(int) - [30, 20, 10]).max() < 12


@pytest.mark.parametrize("kind", ["VP8 ", "VP8L"])
def test_a_webps_size_is_checked_before_anything_is_decoded(kind: str) -> None:
    with pytest.raises(ImageTooLarge, match="16000×16000"):
        decode(webp(kind, 16_000, 16_000))
    with pytest.raises(InvalidImage, match="shortest side"):
        decode(webp(kind, 4, 40))
    with pytest.raises(InvalidImage, match="damaged"):
        decode(webp(kind, 100, 100))


def test_a_webp_that_states_two_sizes_is_refused(smiling: Image.Image) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 1
    extended = bytearray(encoded(smiling, "WEBP", exif=exif))
    assert extended[12:16] == b"VP8X"
    extended[24:27] = (15).to_bytes(3, "little")
    with pytest.raises(InvalidImage, match="two sizes"):
        decode(extended)


def test_an_extended_webp_without_an_image_is_refused() -> None:
    with pytest.raises(InvalidImage, match="holds no image"):
        decode(webp("VP8X", 100, 100))


def test_an_animated_webp_is_refused(smiling: Image.Image) -> None:
    frames = [smiling.resize((64, 64)), smiling.resize((64, 64)).rotate(90)]
    with pytest.raises(UnsupportedFormat, match="animated"):
        decode(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=100))


def test_an_exif_thumbnail_does_not_hide_that_the_photo_is_truncated(smiling: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x927C] = encoded(smiling.resize((64, 64)), "JPEG")  # a maker's note that holds a whole JPEG
    data = encoded(smiling, "JPEG", exif=exif)
    with pytest.raises(TruncatedImage):
        decode(data[:-200])


def test_bytes_after_the_jpeg_are_ignored(smiling: Image.Image) -> None:
    """Phones append a short film to a photo."""
    film = bytes(range(256)) * 20 + b"\xff\xda\x00\x08"
    assert decode(encoded(smiling, "JPEG") + film).shape == (512, 512, 3)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyBody),
        (b"hello, is anybody there?", UnsupportedFormat),
        (encoded(Image.new("L", (40, 40)), "GIF"), UnsupportedFormat),
        (b"PK\x03\x04" + bytes(200), UnsupportedFormat),
        (encoded(Image.new("L", (1, 1))), InvalidImage),
        (b"\x89PNG\r\n\x1a\n", TruncatedImage),
        (b"\xff\xd8\xff", TruncatedImage),
        (b"\xff\xd8" + bytes(100), InvalidImage),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), InvalidImage),
        (png_header(100, 100), InvalidImage),
    ],
    ids=["empty", "text", "gif", "zip", "1x1", "png stub", "jpeg stub", "jpeg zeros", "png zeros", "png no pixels"],
)
def test_bad_input_is_refused_with_its_reason(data: bytes, error: type[ImageError]) -> None:
    with pytest.raises(error) as caught:
        decode(data)
    assert type(caught.value) is error
    assert str(caught.value)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8"]),
    st.binary(max_size=400),
)
def test_no_bytes_raise_anything_but_an_image_error(start: bytes, rest: bytes) -> None:
    with contextlib.suppress(ImageError):
        assert decode(start + rest).ndim == 3


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["JPEG", "PNG", "WEBP"]))
def test_one_broken_byte_raises_nothing_but_an_image_error(position: int, value: int, kind: str) -> None:
    data = bytearray(encoded(Image.linear_gradient("L").resize((64, 64)), kind))
    data[position % len(data)] = value
    with contextlib.suppress(ImageError):
        assert decode(data).shape[2] == 3
