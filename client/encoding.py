"""Pictures as files in memory, and files as addresses that a browser shows without asking for anything."""

import base64
import io

from PIL import Image


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    """The image as a file of `kind`, Pillow's name of it; `options` are Pillow's for that kind."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def data_url(file: bytes, media_type: str = "image/jpeg") -> str:
    """An address that holds the whole file."""
    return f"data:{media_type};base64,{base64.b64encode(file).decode()}"
