"""What can be wrong with an image; `emotion.contract` has the code and HTTP status of each error.

Messages are written for the person who sent the image; they never quote its content.
"""

from typing import ClassVar

from emotion import contract


class ImageError(Exception):
    """An image that gets an error instead of a result."""

    kind: ClassVar[contract.ErrorKind]


class EmptyBody(ImageError):
    """Nothing was sent."""

    kind = contract.EMPTY_BODY


class InvalidImage(ImageError):
    """The bytes claim to be an image but do not decode, or the image is too small to hold a face."""

    kind = contract.INVALID_IMAGE


class InvalidParameter(ImageError):
    """The request asks for something that does not exist."""

    kind = contract.INVALID_PARAMETER


class TruncatedImage(ImageError):
    """The end of the file is missing."""

    kind = contract.TRUNCATED_IMAGE


class UnreadableForm(ImageError):
    """The multipart form that should hold the image is broken."""

    kind = contract.UNREADABLE_FORM


class ImageTooLarge(ImageError):
    """The image has more pixels, or a longer side, than is decoded."""

    kind = contract.IMAGE_TOO_LARGE


class UnsupportedFormat(ImageError):
    """The bytes are in no format that is read."""

    kind = contract.UNSUPPORTED_FORMAT


class Expired(ImageError):
    """Whoever sent the image has given up; it was not looked at."""

    kind = contract.EXPIRED
