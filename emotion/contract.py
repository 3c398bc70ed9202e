"""The HTTP contract: what may be sent, what is answered, and what can go wrong. All of it is defined here.

The service answers with these models and the client reads answers with them; `docs/openapi.json` is made from them
(`make openapi`), and the README's table of errors is checked against `ERRORS`. Nothing but pydantic is imported, so
that a client needs none of the pipeline's libraries.
"""

import base64
import json
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from emotion.labels import Emotion

# --- limits -----------------------------------------------------------------------------------------------------------

MAX_PIXELS = 25_000_000
"""Pixels of the largest image that is decoded: 25 Mpx take 75 MB of memory; most phones save 12."""

MAX_UNCOMPRESSED = 100_000_000
"""Bytes of a PNG's pixels uncompressed: 25 Mpx in four channels of 8 bits; they bound what decoding costs."""

MAX_SIDE = 16_384
"""Longest side in pixels: OpenCV's warps count pixels in 16 bits."""

MIN_SIDE = 16
"""Shortest side that could hold a face worth reading, in pixels."""

MAX_BODY = 16 * 2**20
"""Most bytes in a request's body; also in serving/Caddyfile (`max_size`) and config.properties (`max_request_size`)."""

UPLOAD_SECONDS = 30
"""Seconds that a request may take to arrive; also in serving/Caddyfile (`DOOR_UPLOAD`)."""

TIMEOUT_HEADER = "X-Request-Timeout"
"""Header with the seconds that a client waits for its answer; a photo that is reached later is not looked at."""

DEFAULT_TIMEOUT = 30.0
"""Seconds that a client waits where the header is missing or is no number."""

MAX_WAITING = 50
"""Photos that may wait to be analysed; handler/model-config.yaml tells TorchServe (`jobQueueSize`)."""


class Format(NamedTuple):
    """A kind of image file that is read."""

    name: str
    media_type: str
    suffixes: tuple[str, ...]


FORMATS = (
    Format("JPEG", "image/jpeg", (".jpg", ".jpeg")),
    Format("PNG", "image/png", (".png",)),
    Format("WebP", "image/webp", (".webp",)),
)

FORMAT_NAMES = f"{', '.join(each.name for each in FORMATS[:-1])} or {FORMATS[-1].name}"

ACCEPTED = f"{FORMAT_NAMES}, up to {MAX_PIXELS // 10**6} megapixels and {MAX_BODY // 2**20} MB"
"""What may be sent, in words."""

SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)
"""How the names of files in these formats end, in lower case."""

MAX_FACES = 200
"""Most faces that are read in one photo, the largest ones; the answer says how many were left out."""

Detail = Literal["fast", "standard", "thorough"]
"""How closely to look for faces. `fast`: the largest ones only. `standard`: all that can be read, from 20 pixels or 2 %
of the long side on, whichever is more. `thorough`: as small as the detector finds them at up to 1,920 pixels."""

DETAILS: tuple[Detail, ...] = get_args(Detail)

STANDARD: Detail = "standard"
"""How closely is looked where nothing else is asked for."""

# --- errors -----------------------------------------------------------------------------------------------------------


class ErrorKind(NamedTuple):
    """One way in which a request fails: the HTTP status, the `code` in the answer, and when that happens."""

    status: int
    code: str
    when: str


EMPTY_BODY = ErrorKind(400, "empty_body", "nothing was sent")
INVALID_IMAGE = ErrorKind(400, "invalid_image", f"damaged, or a side below {MIN_SIDE} pixels")
INVALID_PARAMETER = ErrorKind(400, "invalid_parameter", f"`detail` is none of {', '.join(DETAILS)}")
TRUNCATED_IMAGE = ErrorKind(400, "truncated_image", "the end of the file is missing")
UNREADABLE_FORM = ErrorKind(
    400, "unreadable_form", "the form could not be read, or holds several photos; send one as the body"
)
NOT_FOUND = ErrorKind(404, "not_found", "another path or method")
UPLOAD_TIMEOUT = ErrorKind(408, "upload_timeout", f"the photo took longer than {UPLOAD_SECONDS} s to arrive")
IMAGE_TOO_LARGE = ErrorKind(
    413,
    "image_too_large",
    f"over {MAX_BODY // 2**20} MiB, over {MAX_PIXELS // 10**6} megapixels, a side over {MAX_SIDE:,} pixels, "
    f"a PNG over {MAX_UNCOMPRESSED // 10**6} MB uncompressed, or a JPEG in too many scans",
)
UNSUPPORTED_FORMAT = ErrorKind(415, "unsupported_format", f"not {FORMAT_NAMES}")
NOT_ANSWERED = ErrorKind(502, "not_answered", "the worker that held the photo ended; try once more at most")
BUSY = ErrorKind(503, "busy", f"{MAX_WAITING} photos are waiting already; try again after `Retry-After`")
NOT_READY = ErrorKind(
    503, "not_ready", "no worker can answer, or the service is stopping; try again after `Retry-After`"
)
EXPIRED = ErrorKind(
    504, "expired", f"its turn came after `{TIMEOUT_HEADER}` seconds, {DEFAULT_TIMEOUT:g} where none are sent"
)
UNAUTHORIZED = ErrorKind(401, "unauthorized", "the service asks for a token: `Authorization: Bearer …`")

IMAGE_ERRORS = (
    *(EMPTY_BODY, INVALID_IMAGE, INVALID_PARAMETER, TRUNCATED_IMAGE, UNREADABLE_FORM, IMAGE_TOO_LARGE),
    UNSUPPORTED_FORMAT,
)
"""What can be wrong with the photo and what is asked of it; sending it again does not help."""

ERRORS = tuple(
    sorted(
        (
            *IMAGE_ERRORS,
            *(UNAUTHORIZED, NOT_FOUND, UPLOAD_TIMEOUT, NOT_ANSWERED, BUSY, NOT_READY, EXPIRED),
        )
    )
)
"""Every kind, ordered by status."""

# --- models -----------------------------------------------------------------------------------------------------------


class _Part(BaseModel):
    """A part of a request or an answer. Unknown fields are ignored, as newer servers may add some.

    Validation errors quote nothing of the input.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )

    def to_json(self) -> str:
        """The text that is sent: fields in the order in which they stand here, ASCII only."""
        return json.dumps(self.model_dump())


def _from_base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("expected text")  # not TypeError, which pydantic lets through
    return base64.b64decode(text, validate=True)


class JsonRequest(_Part):
    """A photo inside JSON."""

    image: Annotated[
        bytes,
        BeforeValidator(_from_base64),
        WithJsonSchema({"type": "string", "format": "byte", "contentEncoding": "base64"}),
    ]
    """The file in base64, without line breaks."""


class FormRequest(_Part):
    """A photo as the only part of a form."""

    model_config = ConfigDict(extra="forbid")

    data: Annotated[bytes, WithJsonSchema({"type": "string", "contentMediaType": "application/octet-stream"})]
    """The file."""


class Model(_Part):
    """Which model answered, and what runs it."""

    name: str
    version: str
    runtime: str = ""
    """What runs the model, and in which precision, as in `onnxruntime int8`."""


class Size(_Part):
    """Size in pixels of the upright image, after EXIF rotation."""

    width: int
    height: int


class Box(_Part):
    """A box in pixels of the upright image, origin top left; may reach beyond the image's edge."""

    x: float
    """The left edge."""
    y: float
    """The top edge."""
    width: float
    height: float


Point = tuple[float, float]
"""x and y in pixels of the upright image."""


class Landmarks(_Part):
    """Middle of each eye and the base of the nose; left and right as the viewer sees them."""

    left_eye: Point
    right_eye: Point
    nose: Point


Share = Annotated[float, Field(ge=0, le=1)]

Reason = Literal[
    "too_small",
    "too_blurred",
    "too_noisy",
    "too_dark",
    "too_bright",
    "low_contrast",
    "covered",
    "tilted",
    "turned",
    "cut_off",
]
"""Why the answer about a face is not to be relied on; `emotion.quality` says where that begins."""

Withheld = Literal["emotion", "confidence", "unreliable"]

REASONS: dict[Reason, str] = {
    "too_small": "too small",
    "too_blurred": "too blurred",
    "too_noisy": "too noisy",
    "too_dark": "too dark",
    "too_bright": "too bright",
    "low_contrast": "too little contrast",
    "covered": "covered in part",
    "tilted": "tilted too far",
    "turned": "turned too far",
    "cut_off": "cut off by the photo's edge",
}
"""The same in words."""


class Quality(_Part):
    """What is measured of a face; greys are from 0 to 255."""

    size: float
    """Width of its box, in pixels."""
    sharpness: float
    """Of the face as the network reads it: mean second difference per unit of contrast, where it is least sharp."""
    noise: float
    """Standard deviation of what is neither edge nor slope, in greys (Immerkær 1996)."""
    brightness: float
    """Mean grey."""
    contrast: float
    """Standard deviation of the greys."""
    clipped: Share
    """Share of white pixels."""
    covered: Share = 0.0
    """Share that something in front of the face covers, as a network estimates it; 0 from services before 2.3."""
    roll: float
    """Degrees by which the head is tilted, clockwise on the screen."""
    turn: float
    """How far the nose is from the middle between the eyes, in distances between the eyes; positive to the right."""
    inside: Share
    """Share of the box that is within the photo."""


class Face(_Part):
    """One face."""

    box: Box
    detection_confidence: Share
    """How sure the detector is that this is a face."""
    landmarks: Landmarks
    emotion: Emotion | None
    """The most probable emotion; none where the server's policy withholds it."""
    confidence: Share
    """Its probability."""
    probabilities: dict[Emotion, Share]
    """The calibrated probability of each emotion; they sum to 1, unless the server's policy withholds some."""
    quality: Quality | None = None
    """Services before 2.2 do not measure it."""
    reliable: bool = True
    """False where the model was measured to be wrong too often; `reasons` says why."""
    reasons: tuple[Reason, ...] = ()
    withheld: Withheld | None = None
    """Why the emotion is not named: the policy withholds this emotion, its confidence is too low for the policy, or the
    face is not reliable."""


class Policy(_Part):
    """What the server's operator holds back, whatever the model says; `emotion.policy` enforces it."""

    most_faces: Annotated[int, Field(ge=0)] | None = None
    """Faces that are answered at most, the largest."""
    smallest_face: Annotated[float, Field(ge=0)] = 0.0
    """Width in pixels below which a face is left out."""
    withhold: tuple[Emotion, ...] = ()
    """Emotions that are never named."""
    abstain_below: Share = 0.0
    """Confidence below which no emotion is named."""
    only_reliable: bool = False
    """Whether an emotion is named only where the face is reliable."""


STAGES = ("decode", "detect", "align", "classify")


class Analysis(_Part):
    """The answer for one image."""

    model: Model
    image: Size
    faces: tuple[Face, ...]
    """Largest first; an image without faces is not an error."""
    timings_ms: Annotated[dict[str, float], Field(json_schema_extra={"required": list(STAGES)})]
    """Milliseconds of each stage; `align` counts how much of the faces is covered, too, and `classify` the whole call,
    which several photos may have shared."""
    detail: Detail = STANDARD
    """How closely the photo was looked at."""
    turned: Literal[0, 90, 180, 270] = 0
    """Degrees by which the upright image must be turned clockwise for its faces to stand upright. Boxes and landmarks
    are in pixels of the image before that turn; left and right are as seen after it."""
    left_out: Annotated[int, Field(ge=0)] = 0
    """Faces that were found and are not among these: those beyond the 200 largest, and what the policy leaves out."""
    policy: Policy | None = None
    """The policy that the answer went through, if the server has one."""


class Error(_Part):
    """What is wrong with the image."""

    code: str
    message: str
    """For the person who sent the image; quotes nothing of it."""


class ErrorAnswer(_Part):
    """The answer in place of any other."""

    error: Error


class Health(_Part):
    """`Healthy`: a worker can answer."""

    status: str
