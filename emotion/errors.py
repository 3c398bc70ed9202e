"""What can be wrong with an image, each with its code and HTTP status.

    ImageError
    ├── EmptyBody          400  empty_body         nothing was sent
    ├── InvalidImage       400  invalid_image      broken, or too small to hold a face
    ├── TruncatedImage     400  truncated_image    the end of the file is missing
    ├── ImageTooLarge      413  image_too_large    more pixels than allowed
    └── UnsupportedFormat  415  unsupported_format neither JPEG nor PNG

Messages are written for the person who sent the image; they never quote its content.
"""


class ImageError(Exception):
    """An image that gets an error instead of a result."""

    code = "invalid_image"
    status = 400


class EmptyBody(ImageError):
    """Nothing was sent."""

    code = "empty_body"


class InvalidImage(ImageError):
    """The bytes claim to be an image but do not decode, or the image is too small to hold a face."""


class TruncatedImage(ImageError):
    """The end of the file is missing."""

    code = "truncated_image"


class ImageTooLarge(ImageError):
    """The image has more pixels than the service decodes."""

    code = "image_too_large"
    status = 413


class UnsupportedFormat(ImageError):
    """The bytes are neither JPEG nor PNG."""

    code = "unsupported_format"
    status = 415
