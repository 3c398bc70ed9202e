"""The user's photo: a large one is turned upright and made small enough to send and to show."""

import io
import re
from dataclasses import dataclass

import pillow_heif
from PIL import ExifTags, Image, ImageOps

from client.encoding import data_url, encoded
from emotion import contract
from emotion.contract import FORMATS, MAX_PIXELS

pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)

LARGEST_SIDE = 2000
"""Pixels. A larger photo is scaled down before it is sent: the service looks for faces at far fewer, and a phone's
12 megapixels take long to upload. Half of the 4,000 or 4,032 that a phone's photo has is enough for it, and a JPEG is
decoded at its half in a fraction of the time and memory."""

MOST_PIXELS = 120_000_000
"""Of a baseline JPEG, which is decoded at a fraction of its size. Any other file is decoded whole, so its bound is the
service's. A photo that claims more is neither decoded nor sent."""

HARMLESS = frozenset(
    (
        *("jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "progressive", "progression", "adobe"),
        *("adobe_transform", "transparency", "interlace", "gamma", "srgb", "aspect", "loop", "background", "timestamp"),
    )
)
"""What Pillow may find in a file beside its pixels that says nothing of the person or the place."""

QUALITY, THUMBNAIL_SIDE = 92, 192

AS_THEY_ARE = frozenset(each.name.upper() for each in FORMATS)
READ = (*AS_THEY_ARE, "GIF", "AVIF", "HEIF")
"""Pillow's names of the kinds of files that the service reads, and of all that the page does: what the service does not
read is sent as JPEG."""

SUFFIXES = (*contract.SUFFIXES, ".gif", ".avif", ".heic", ".heif", ".hif")
"""How the names of files of these kinds end, in lower case."""

KINDS = ("JPEG", "HEIC", "PNG", "WebP", "GIF", "AVIF")
"""The same as people call them."""

MOST_SHOWN = 2_000_000
"""Bytes of a file that is shown as it is sent; a larger one, often a PNG, is shown as JPEG."""

SHRINKABLE = frozenset(("L", "LA", "RGB", "RGBA", "CMYK"))
"""Modes that Pillow can average pixels in; the others must be converted first."""


_MARKER = re.compile(rb"\xff++([^\x00\x01\xd0-\xd9])", re.DOTALL)
"""Of a JPEG's segment that has a length; any number of FF may stand before it."""


@dataclass(frozen=True)
class Photo:
    """A photo, ready to send.

    `data`: the file to send; it is kept instead of the decoded picture, which is larger. `scale`: sides of the picture
    in `data` divided by those of the user's own photo, at most 1. `thumbnail`: a data URL, or None where Pillow cannot
    read the photo or it claims more than `MOST_PIXELS`. `original`: the user's own file, not a copy of it. `size`:
    width and height of the user's own photo when upright. `first_of_several`: whether its file holds more pictures.
    `is_png`: whether their file is a PNG, which the annotated picture then is too.
    """

    name: str
    data: bytes
    scale: float
    thumbnail: str | None
    original: bytes = b""
    size: tuple[int, int] | None = None
    first_of_several: bool = False
    is_png: bool = False

    @property
    def is_too_large(self) -> bool:
        """Whether it has more pixels than are decoded."""
        return self.thumbnail is None and self.size is not None

    @property
    def is_a_copy(self) -> bool:
        """Whether `data` has other pixels than the user's own file; a PNG of the same size has the same."""
        return self.scale < 1 or bool(not self.is_png and self.original and self.data != self.original)

    def to_show(self) -> str:
        """The upright picture as a data URL for a browser; only if there is a `thumbnail`."""
        with Image.open(io.BytesIO(self.data)) as image:
            media_type = image.get_format_mimetype() or ""
        if len(self.data) > MOST_SHOWN:
            return data_url(encoded(self.picture(), "JPEG", quality=QUALITY))
        return data_url(self.data, media_type)

    def picture(self) -> Image.Image:
        """The upright RGB picture that the service's boxes refer to; only if there is a `thumbnail`."""
        return _in_rgb(ImageOps.exif_transpose(Image.open(io.BytesIO(self.data))))

    def own_picture(self) -> Image.Image:
        """The user's own photo, upright, in RGB and at its own size; as it was sent where it is too large to decode."""
        with Image.open(io.BytesIO(self.original or self.data), formats=READ) as image:
            if image.width * image.height > MAX_PIXELS:
                return self.picture()
            return _in_rgb(ImageOps.exif_transpose(image))


def prepare(name: str, data: bytes) -> Photo:
    """The photo in the bytes of a file of the kinds `READ`, its first picture if it holds several; one that is larger
    than `LARGEST_SIDE` is scaled down.

    What the file says beside its pixels, such as where the photo was taken, is dropped. A file that holds nothing of
    the kind and is small enough is sent unchanged, and so is one that cannot be read.
    """
    try:
        with Image.open(io.BytesIO(data), formats=READ) as image:
            # MPO is what some phones make: a JPEG with a second picture that nobody means.
            several = getattr(image, "is_animated", False) and image.format != "MPO"
            if image.width * image.height > _bound(image, data):
                return Photo(name, data, 1.0, None, data, image.size)
            size = _upright_size(image)
            if max(size) > LARGEST_SIDE:
                picture, kind = _shrunk(image, LARGEST_SIDE), "JPEG"
            elif image.format not in AS_THEY_ARE or image.getexif() or not HARMLESS.issuperset(image.info):
                picture, kind = _in_rgb(ImageOps.exif_transpose(image)), "PNG" if image.format == "PNG" else "JPEG"
            else:
                return Photo(name, data, 1.0, _thumbnail(image), data, size, several, image.format == "PNG")
        picture.info.clear()  # Pillow would write it into the new file
        sent, scale = encoded(picture, kind, quality=QUALITY), max(picture.size) / max(size)
        return Photo(name, sent, scale, _thumbnail(picture), data, size, several, image.format == "PNG")
    except Exception:  # for a broken file Pillow and its decoders raise whatever they meet
        return Photo(name, data, 1.0, None, data)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    quarter_turned = image.getexif().get(ExifTags.Base.Orientation, 1) in {5, 6, 7, 8}
    return (image.height, image.width) if quarter_turned else image.size


def _bound(image: Image.Image, data: bytes) -> int:
    """Most pixels that the opened, not yet decoded image in `data` may have."""
    baseline = image.format == "JPEG" and not image.info.get("progressive")
    return MOST_PIXELS if baseline and _is_one_scan(data, len(image.getbands())) else MAX_PIXELS


def _is_one_scan(jpeg: bytes, components: int) -> bool:
    """Whether the first scan of a JPEG has all components; otherwise they are kept at full size until the last.

    ITU-T T.81, B.2.3: behind its marker and length a scan's header says of how many it is. Before it no photo has a
    marker without a length, which decoders skip, each in its own way: such a file is not believed.
    """
    position = 2
    while (marker := _MARKER.match(jpeg, position)) is not None:
        if marker[1] == b"\xda":
            return jpeg[marker.end() + 2 : marker.end() + 3] == bytes([components])
        position = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")
    return False


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """The image, upright and in RGB, its longest side at most `side` pixels; `image` itself may be shrunk."""
    # JPEG can be decoded at a half, a quarter or an eighth of its size, which is much faster.
    longest = max(image.size)
    image.draft(None, (max(image.width * side // longest, 1), max(image.height * side // longest, 1)))
    if image.mode in SHRINKABLE:  # before anything copies all its pixels
        image.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    upright = _in_rgb(ImageOps.exif_transpose(image))
    upright.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return upright


def _thumbnail(image: Image.Image) -> str:
    return data_url(encoded(_shrunk(image, THUMBNAIL_SIDE), "JPEG", quality=80))


def _in_rgb(image: Image.Image) -> Image.Image:
    """RGB, transparency on white."""
    if image.mode.startswith("I;16"):
        # Pillow clips 16-bit grey at 255 instead of scaling it.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")
