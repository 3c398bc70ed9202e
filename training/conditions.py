"""The conditions of the stress report: what photographs suffer, one kind at a time, in five strengths each.

After Hendrycks & Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations".
Snow, frost, fog and elastic distortion are left out, as most photos of faces have none; things in front of faces and
badly placed crops are added.

Training damages faces differently (`training.corruption`): there, strengths come from continuous ranges and several
kinds meet on one cropped face; here, every face of 48 pixels has one kind in one fixed strength. The code is separate,
too (numpy and OpenCV on single pictures, not torch on batches): it has its own kernels, its own way to shrink and
enlarge, its own outlines of things in front of a face, and JPEG blocks that begin at the crop's corner. `trained` says
which kinds training draws; the others show how far robustness reaches beyond those.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from training import covers

Damage = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
"""Maps a grey picture uint8 `[H, W]` and a strength to the damaged one; most are for faces of 48×48 pixels alone."""

STRENGTHS = 5
MIDDLE = 2
"""Index of the middle strength."""


@dataclass(frozen=True)
class Condition:
    """`strengths`: from weak to strong, in `unit`. `trained`: whether training draws this kind of damage."""

    name: str
    unit: str
    strengths: tuple[float, float, float, float, float]
    damage: Damage
    trained: bool = True


def damaged(images: np.ndarray, condition: Condition, strength: float, seed: int) -> np.ndarray:
    """`images` uint8 `[N, 48, 48]` under `condition`; equal seeds give equal pictures."""
    generator = generator_of(condition.name, strength, seed)
    return np.stack([condition.damage(image, strength, generator) for image in images])


def generator_of(name: str, strength: float, seed: int) -> np.random.Generator:
    """What draws the damage of the condition `name`; another one for each strength."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), round(strength * 1000)])


def _gaussian_noise(face: np.ndarray, sigma: float, generator: np.random.Generator) -> np.ndarray:
    return covers.picture(face + generator.normal(0, sigma, face.shape))


def _shot_noise(face: np.ndarray, photons: float, generator: np.random.Generator) -> np.ndarray:
    return covers.picture(generator.poisson(face * (photons / 255)) * (255 / photons))


def _impulse_noise(face: np.ndarray, percent: float, generator: np.random.Generator) -> np.ndarray:
    draw = generator.random(face.shape)
    share = percent / 100
    return np.where(draw < share / 2, 0, np.where(draw < share, 255, face)).astype(np.uint8)


def _gaussian_blur(face: np.ndarray, sigma: float, _generator: np.random.Generator) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(face, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def _defocus(face: np.ndarray, radius: float, _generator: np.random.Generator) -> np.ndarray:
    """A disc, drawn at 16 times the size and averaged down."""
    side = 2 * int(np.ceil(radius)) + 1
    disc = np.zeros((side * 16, side * 16), np.float32)
    cv2.circle(disc, (side * 8, side * 8), round((radius + 0.25) * 16), 1.0, -1)
    return _filtered(face, cv2.resize(disc, (side, side), interpolation=cv2.INTER_AREA))


def _motion(face: np.ndarray, length: float, generator: np.random.Generator) -> np.ndarray:
    """A line of `length` pixels in any direction, drawn at 16 times the size and averaged down."""
    side = 2 * int(np.ceil(length / 2)) + 1
    line = np.zeros((side * 16, side * 16), np.float32)
    angle, middle, half = generator.uniform(0, np.pi), side * 8, (length - 1) * 8
    way = np.array([np.cos(angle), np.sin(angle)]) * half
    ends = [tuple(int(each) for each in np.rint(middle + sign * way)) for sign in (-1, 1)]
    cv2.line(line, ends[0], ends[1], 1.0, thickness=16)
    return _filtered(face, cv2.resize(line, (side, side), interpolation=cv2.INTER_AREA))


def _few_pixels(face: np.ndarray, size: float, _generator: np.random.Generator) -> np.ndarray:
    small = cv2.resize(face, (int(size), int(size)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, face.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _jpeg(face: np.ndarray, quality: float, _generator: np.random.Generator) -> np.ndarray:
    _, data = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def _low_light(face: np.ndarray, light: float, generator: np.random.Generator) -> np.ndarray:
    """Less light, and the noise of a sensor with 1,000 electrons at white and 2 grey values of its own."""
    electrons = generator.poisson(face * (light * 1000 / 255))
    return covers.picture(electrons * (255 / 1000) + generator.normal(0, 2, face.shape))


def _overexposure(face: np.ndarray, factor: float, _generator: np.random.Generator) -> np.ndarray:
    return covers.picture(face * float(factor))  # times an int, uint8 would wrap around


def _contrast(face: np.ndarray, factor: float, _generator: np.random.Generator) -> np.ndarray:
    mean = face.mean()
    return covers.picture(mean + (face - mean) * factor)


def _shadow(face: np.ndarray, light: float, generator: np.random.Generator) -> np.ndarray:
    """One half of the face (left, right or at an angle) gets the share `light`; the edge is two pixels soft."""
    angle = generator.choice([0, np.pi, generator.uniform(0, 2 * np.pi)])
    rows, columns = np.indices(face.shape) - (len(face) - 1) / 2
    distance = columns * np.cos(angle) + rows * np.sin(angle) + generator.uniform(-4, 4)
    share = np.clip(distance / 2 + 0.5, 0, 1)
    return covers.picture(face * (light + (1 - light) * share))


def _rotation(face: np.ndarray, degrees: float, generator: np.random.Generator) -> np.ndarray:
    middle = ((face.shape[1] - 1) / 2, (face.shape[0] - 1) / 2)
    return _warped(face, cv2.getRotationMatrix2D(middle, degrees * generator.choice([-1, 1]), 1.0))


def _off_centre(face: np.ndarray, pixels: float, generator: np.random.Generator) -> np.ndarray:
    angle = generator.uniform(0, 2 * np.pi)
    return _warped(face, np.array([[1, 0, pixels * np.cos(angle)], [0, 1, pixels * np.sin(angle)]]))


def _loose_crop(face: np.ndarray, factor: float, _generator: np.random.Generator) -> np.ndarray:
    """A frame `factor` times as wide as it should be, filled with the repeated border."""
    middle = ((len(face) - 1) / 2,) * 2
    return _warped(face, cv2.getRotationMatrix2D(middle, 0, 1 / factor))


def _perspective(face: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    """One side, any of the four, is shorter by `share`, as seen from aside, above or below."""
    last = len(face) - 1
    corners = np.array([(0, 0), (last, 0), (last, last), (0, last)], np.float32)
    moved = corners.copy()
    moved[0, 1] += share / 2 * last
    moved[3, 1] -= share / 2 * last
    moved[[0, 3], 0] += share / 3 * last  # what is farther away is also narrower
    turns = int(generator.integers(4))
    matrix = cv2.getPerspectiveTransform(corners, moved)
    turned = np.ascontiguousarray(np.rot90(face, turns))
    seen = cv2.warpPerspective(turned, matrix, face.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(np.rot90(seen, -turns))


CONDITIONS = (
    Condition("Gaussian noise", "σ", (3, 5, 8, 13, 20), _gaussian_noise),
    Condition("shot noise", "photons at white", (800, 400, 200, 100, 50), _shot_noise),
    Condition("impulse noise", "% of the pixels", (0.5, 1, 2, 4, 8), _impulse_noise),
    Condition("Gaussian blur", "σ, pixels", (0.6, 0.9, 1.2, 1.6, 2.2), _gaussian_blur),
    Condition("defocus", "radius, pixels", (1, 1.5, 2, 2.5, 3.2), _defocus),
    Condition("motion blur", "pixels", (3, 4, 5, 7, 9), _motion),
    Condition("few pixels", "pixels a side", (36, 30, 24, 18, 12), _few_pixels),
    Condition("JPEG", "quality", (50, 35, 20, 12, 7), _jpeg),
    Condition("low light", "of the light", (0.5, 0.35, 0.25, 0.15, 0.08), _low_light),
    Condition("overexposure", "times the light", (1.3, 1.6, 2, 2.5, 3.2), _overexposure),
    Condition("low contrast", "of the contrast", (0.6, 0.4, 0.25, 0.15, 0.08), _contrast),
    Condition("cast shadow", "of the light", (0.7, 0.5, 0.35, 0.2, 0.1), _shadow),
    Condition("rotation", "degrees", (5, 10, 15, 20, 30), _rotation),
    Condition("off centre", "pixels", (2, 4, 6, 8, 11), _off_centre),
    # The served networks' training shows at most 1.04 of the frame.
    Condition("loose crop", "times the frame", (1.1, 1.2, 1.35, 1.5, 1.75), _loose_crop, trained=False),
    Condition("perspective", "of the side", (0.1, 0.2, 0.3, 0.4, 0.5), _perspective, trained=False),
    Condition("sunglasses", "times the lens", (0.6, 0.75, 0.9, 1.05, 1.25), covers.sunglasses),
    Condition("mask", "height of its edge", (0.75, 0.7, 0.64, 0.58, 0.52), covers.mask),
    Condition("hand", "of the side", (0.4, 0.5, 0.62, 0.75, 0.9), covers.hand),
    Condition("hair", "of the height", (0.15, 0.22, 0.3, 0.38, 0.46), covers.hair),
)


def _filtered(face: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return cv2.filter2D(face, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _warped(face: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Moved by the affine `matrix` `[2, 3]`; the border is repeated outwards, as serving does at a photo's edge."""
    return cv2.warpAffine(face, matrix, face.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
