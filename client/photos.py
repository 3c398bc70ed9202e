"""The user's photo: a large one is turned upright and made small enough to send and to show."""

import base64
import io
from dataclasses import dataclass

from PIL import Image, ImageOps

LARGEST_SIDE = 2048
"""Pixels. A larger photo is scaled down before it is sent: the service looks for faces at far fewer, and a phone's
12 megapixels take long to upload."""

MOST_PIXELS = 120_000_000
"""A photo that claims more is sent as it is, and the service says what is wrong with it."""

QUALITY, THUMBNAIL_SIDE = 92, 96


@dataclass(frozen=True)
class Photo:
    """A photo, ready to send.

    `data`: the file to send; it is kept instead of the decoded picture, which is larger. `scale`: sides of the picture
    in `data` divided by those of the user's own photo, at most 1. `thumbnail`: a data URL, or None where Pillow cannot
    read the photo or it claims more than `MOST_PIXELS`.
    """

    name: str
    data: bytes
    scale: float
    thumbnail: str | None

    def picture(self) -> Image.Image:
        """The upright RGB picture that the service's boxes refer to; only if there is a `thumbnail`."""
        return _in_rgb(ImageOps.exif_transpose(Image.open(io.BytesIO(self.data))))


def prepare(name: str, data: bytes) -> Photo:
    """The photo in a JPEG, PNG or WebP file's bytes; one that is larger than `LARGEST_SIDE` is scaled down.

    Scaling also drops the file's metadata, such as where the photo was taken; a smaller file is sent unchanged.
    """
    try:
        image = Image.open(io.BytesIO(data))
        original = max(image.size)
        if image.width * image.height > MOST_PIXELS:
            return Photo(name, data, 1.0, None)
        if original <= LARGEST_SIDE:
            return Photo(name, data, 1.0, _thumbnail(image))
        smaller = _shrunk(image, LARGEST_SIDE)
        file = io.BytesIO()
        smaller.save(file, "JPEG", quality=QUALITY)
        return Photo(name, file.getvalue(), max(smaller.size) / original, _thumbnail(smaller))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # what Pillow raises for a broken file
        return Photo(name, data, 1.0, None)


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """A copy, upright and in RGB, whose longest side has at most `side` pixels."""
    # JPEG can be decoded at a half, a quarter or an eighth of its size, which is much faster.
    image.draft(None, (side, side))
    upright = _in_rgb(ImageOps.exif_transpose(image))
    upright.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return upright


def _thumbnail(image: Image.Image) -> str:
    file = io.BytesIO()
    _shrunk(image, THUMBNAIL_SIDE).save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _in_rgb(image: Image.Image) -> Image.Image:
    """RGB, transparency on white."""
    if image.mode.startswith("I;16"):
        # Pillow clips 16-bit grey at 255 instead of scaling it.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")
