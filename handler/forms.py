"""The photo in a multipart form (RFC 7578).

The door hands forms on as bytes and their boundary in a header: TorchServe's own reading of forms has no bound on how
many parts there are, and four bodies of small parts stopped it for twenty seconds.
"""

from collections.abc import Iterator
from email.parser import BytesHeaderParser

from emotion.errors import EmptyBody, ImageError, UnreadableForm

FIELD = "data"
"""Name of the part with the photo."""

MAX_PARTS = 16
"""Most parts that are looked at; a form from a page or from `curl` has one or two."""

MAX_HEADERS = 4096
"""Most bytes of a part's headers."""


def photo_of(form: bytes | bytearray, boundary: str) -> bytes | bytearray | ImageError:
    """What the part `data` holds; or an error: `EmptyBody` if there is none, `UnreadableForm` if the form is broken, or
    if it holds a second photo, because no answer would speak of that. What is broken after the photo does not matter.
    """
    photo = None
    try:
        for name, where in _parts(form, b"--" + boundary.encode("ascii")):
            if name != FIELD:
                continue
            if photo and where.start < where.stop:
                return UnreadableForm(f"the form has more than one field '{FIELD}'; send each photo in its own request")
            photo = photo or form[where]
    except UnreadableForm as error:
        return error if photo is None else photo
    if photo is None:
        return EmptyBody(f"the form has no field '{FIELD}'; send the photo as that field, or as the body")
    return photo


def _parts(form: bytes | bytearray, delimiter: bytes) -> Iterator[tuple[str | None, slice]]:
    """The name of each part, and where in `form` its content is. Raises `UnreadableForm`."""
    at = 0 if form.startswith(delimiter) else form.find(b"\r\n" + delimiter) + 2
    if at < 2 and not form.startswith(delimiter):
        raise UnreadableForm("the form's boundary does not occur in it; send the photo as the body")
    for _ in range(MAX_PARTS):
        begin = at + len(delimiter)
        behind = bytes(form[begin : begin + 2])
        if behind == b"--":
            return
        if behind != b"\r\n":
            raise UnreadableForm("the form's boundary does not end its line; send the photo as the body")
        # A part without headers begins with an empty line, which is the end of the boundary's own line, too.
        blank = form.find(b"\r\n\r\n", begin, begin + MAX_HEADERS)
        end = form.find(b"\r\n" + delimiter, blank + 2)
        if blank < 0 or end < 0:
            raise UnreadableForm("a part of the form has no end; send the photo as the body")
        yield _name(bytes(form[begin + 2 : blank + 2])), slice(blank + 4, end)
        at = end + 2
    raise UnreadableForm(f"the form has more than {MAX_PARTS} parts; send the photo as the body")


def _name(headers: bytes) -> str | None:
    """Of a part, by its Content-Disposition; None where it has none that can be read."""
    try:
        name = BytesHeaderParser().parsebytes(headers).get_param("name", header="content-disposition")
    except Exception:  # such as a TypeError for `name*=a; name*0=b`; it would fail the whole batch
        return None
    return name if isinstance(name, str) else None
