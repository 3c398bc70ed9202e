"""What light, lenses, sensors and compression do to a face, drawn at random for whole batches of training faces.

The student is shown the damaged view, its teacher the undamaged view of the same geometry: `paired_views`. The steps
stand in the order in which a photograph suffers them: something in front of the face, light, lens, pixels, noise, JPEG.

Strengths are drawn from continuous ranges, several kinds of damage meet on one face, and almost everything is written
with torch. The report of `training.stress` is independent of this: it uses fixed strengths, one kind at a time, code of
its own (`training.conditions`), and kinds that are not here at all.
"""

import functools
import math
from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch.nn.functional import conv2d, interpolate, pad

from training.augmentation import alter, move
from training.occlusion import cover
from training.recipe import AugmentationRecipe, CorruptionRecipe

Change = Callable[[torch.Tensor], torch.Tensor]
"""Maps faces float32 `[N, 1, S, S]` of 0–255 to changed ones of the same shape; N at least 1."""

GAUSSIAN_BLUR = (0.3, 2.2)
"""σ in pixels."""

DEFOCUS = (0.7, 3.2)
"""Radius of the disc in pixels."""

MOTION = (2.0, 9.0)
"""Length of the line in pixels."""

KERNEL = 11
"""Side of the kernels of defocus and motion, in pixels."""

SIZES = (12, 44)
"""Side in pixels to which a face is shrunk before it is enlarged again."""

GAUSSIAN_NOISE = (2.0, 30.0)
"""σ in grey values."""

PHOTONS = (9.0, 150.0)
"""Number of photons that white stands for; shot noise follows a Poisson distribution."""

IMPULSES = (0.003, 0.12)
"""Share of the pixels that become black or white."""

QUALITY = (6, 95)
"""JPEG quality on libjpeg's scale."""

JPEG_BLOCK = 8


def paired_views(
    faces: torch.Tensor, augmentation: AugmentationRecipe, corruption: CorruptionRecipe
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two views of each face uint8 `[N, 1, 48, 48]`, moved alike (Beyer et al. 2022): float32 `[N, 1, crop, crop]`.

    The first is undamaged; the second is damaged, and lit and erased as `augmentation` says.
    """
    whole = faces.float()
    intact = torch.rand(len(faces), device=faces.device) < corruption.intact
    covered = _some(whole, corruption.cover, intact, cover)
    clean, seen = move(torch.cat([whole, covered], dim=1), augmentation).split(1, dim=1)
    return clean, alter(damage(seen, corruption, intact), augmentation)


def half_damaged(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """Faces uint8 `[N, S, S]`, every second one damaged; equal seeds give equal pictures."""
    recipe = CorruptionRecipe(intact=0, cover=0, light=0.4, blur=0.25, shrink=0.25, noise=0.35, jpeg=0.35)
    faces = torch.from_numpy(images).unsqueeze(1).float()
    intact = torch.arange(len(faces)) % 2 == 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        damaged: np.ndarray = damage(faces, recipe, intact).round().clamp(0, 255).byte()[:, 0].numpy()
    return damaged


def damage(faces: torch.Tensor, recipe: CorruptionRecipe, intact: torch.Tensor) -> torch.Tensor:
    """Faces float32 `[N, 1, S, S]` of 0–255, each damaged in its own way, except those `intact`, bool `[N]`."""
    faces = _some(faces, recipe.light, intact, _one_of(_exposure, _exposure, _darkness, _glare, _shadow))
    faces = _some(faces, recipe.blur, intact, _one_of(_gaussian_blur, _gaussian_blur, _defocus, _motion))
    faces = _some(faces, recipe.shrink, intact, _shrink)
    faces = _some(faces, recipe.noise, intact, _one_of(_gaussian_noise, _gaussian_noise, _shot_noise, _impulse_noise))
    return _some(faces, recipe.jpeg, intact, _jpeg)


def _some(faces: torch.Tensor, probability: float, intact: torch.Tensor, change: Change) -> torch.Tensor:
    chosen = (torch.rand(len(faces), device=faces.device) < probability) & ~intact
    if not chosen.any():
        return faces
    changed = faces.clone()
    changed[chosen] = change(faces[chosen]).clamp(0, 255)
    return changed


def _one_of(*changes: Change) -> Change:
    """Each face gets one of the `changes`; one that is passed twice comes twice as often."""

    def change(faces: torch.Tensor) -> torch.Tensor:
        kinds = torch.randint(len(changes), (len(faces),), device=faces.device)
        changed = faces.clone()
        for kind, each in enumerate(changes):
            chosen = kinds == kind
            if chosen.any():
                changed[chosen] = each(faces[chosen])
        return changed

    return change


def _exposure(faces: torch.Tensor) -> torch.Tensor:
    """Other contrast, a tone curve and other light, rounded to 8 bits."""
    mean = faces.mean(dim=(2, 3), keepdim=True)
    contrasted = mean + (faces - mean) * _log_uniform(faces, 0.2, 1.6)
    curved = 255 * (contrasted.clamp(0, 255) / 255) ** _log_uniform(faces, 0.6, 1.8)
    return (curved * _log_uniform(faces, 0.2, 1.4)).clamp(0, 255).round()


def _darkness(faces: torch.Tensor) -> torch.Tensor:
    """Little light, with shot and sensor noise; the camera then brightens the picture, though not fully."""
    light = _log_uniform(faces, 0.06, 0.5)
    photons = _log_uniform(faces, 150, 1500)
    shot = torch.poisson(faces * light * photons / 255) * 255 / photons
    dark = shot + torch.randn_like(faces) * _uniform(faces, 0, 4)
    return (dark.clamp(0, 255).round() * light ** -_uniform(faces, 0, 0.9)).clamp(0, 255).round()


def _glare(faces: torch.Tensor) -> torch.Tensor:
    """Too much light: a factor and an even veil; the caller cuts off what exceeds 255."""
    return faces * _uniform(faces, 1.2, 2.6) + _uniform(faces, -20, 30)


def _shadow(faces: torch.Tensor) -> torch.Tensor:
    """One side of a soft edge across the face is darker."""
    angle = 2 * math.pi * _uniform(faces, 0, 1)
    side = torch.linspace(-0.5, 0.5, faces.shape[-1], device=faces.device)
    distance = side * angle.cos() + side.unsqueeze(1) * angle.sin() + _uniform(faces, -0.25, 0.25)
    lit = torch.sigmoid(distance / _log_uniform(faces, 0.01, 0.3))
    return faces * (lit + (1 - lit) * _uniform(faces, 0.1, 0.75))


def _gaussian_blur(faces: torch.Tensor) -> torch.Tensor:
    """Two products with banded matrices, one along each axis; the border is repeated outwards."""
    side = faces.shape[-1]
    sigma = _uniform(faces, *GAUSSIAN_BLUR)[:, 0]
    reach = math.ceil(3 * GAUSSIAN_BLUR[1])
    places = torch.arange(-reach, side + reach, device=faces.device)
    weights = torch.exp(-((places - torch.arange(side, device=faces.device).unsqueeze(1)) ** 2) / (2 * sigma**2))
    weights = weights / weights.sum(2, keepdim=True)
    inner = weights[:, :, reach : side + reach].clone()
    inner[:, :, 0] += weights[:, :, :reach].sum(2)
    inner[:, :, -1] += weights[:, :, side + reach :].sum(2)
    return (inner @ faces[:, 0] @ inner.transpose(1, 2)).unsqueeze(1)


def _defocus(faces: torch.Tensor) -> torch.Tensor:
    """A disc with an edge one pixel soft."""
    right, down = _kernel_places(faces)
    radius = _log_uniform(faces, *DEFOCUS)[:, 0]
    return _filtered(faces, (radius + 0.5 - (right**2 + down**2).sqrt()).clamp(0, 1))


def _motion(faces: torch.Tensor) -> torch.Tensor:
    """A line of even weight in any direction, one pixel wide."""
    right, down = _kernel_places(faces)
    angle, half = math.pi * _uniform(faces, 0, 1)[:, 0], _uniform(faces, *MOTION)[:, 0] / 2
    along, across = right * angle.cos() + down * angle.sin(), down * angle.cos() - right * angle.sin()
    return _filtered(faces, (half + 0.5 - along.abs()).clamp(0, 1) * (1 - across.abs()).clamp(0, 1))


def _kernel_places(faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    places = torch.arange(KERNEL, device=faces.device) - KERNEL // 2
    return places.float().unsqueeze(0), places.float().unsqueeze(1)


def _filtered(faces: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Each face with its own kernel `[N, KERNEL, KERNEL]`, which is scaled to a sum of 1."""
    kernels = kernels / kernels.sum(dim=(1, 2), keepdim=True)
    bordered = pad(faces, [KERNEL // 2] * 4, mode="replicate").transpose(0, 1)
    return conv2d(bordered, kernels.unsqueeze(1), groups=len(faces)).transpose(0, 1)


def _shrink(faces: torch.Tensor) -> torch.Tensor:
    """Faces shrunk and enlarged again; a third of them get noise in between, which is enlarged too."""
    low, high = SIZES
    sizes = torch.exp(torch.rand(len(faces)) * math.log((high + 1) / low) + math.log(low)).long().clamp(max=high)
    down, up = (each.to(faces.device) for each in _resizing(faces.shape[-1]))
    shrink, enlarge = down[sizes - low], up[sizes - low]
    small = shrink @ faces[:, 0] @ shrink.transpose(1, 2)
    noisy = (torch.rand(len(faces), 1, 1, device=faces.device) < 1 / 3).float()
    small = small + noisy * _uniform(faces, 1, 20)[:, 0] * torch.randn_like(small)
    return (enlarge @ small.clamp(0, 255) @ enlarge.transpose(1, 2)).unsqueeze(1)


@functools.cache
def _resizing(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Matrices that shrink a line of `side` pixels to each of `SIZES`, `[sizes, high, side]`, and enlarge it again.

    Shrinking averages areas, enlarging is cubic; rows and columns beyond a size are zero.
    """
    low, high = SIZES
    down, up = torch.zeros(high - low + 1, high, side), torch.zeros(high - low + 1, side, high)
    for size in range(low, high + 1):
        lines = interpolate(torch.eye(side)[:, None, None], (1, size), mode="bilinear", antialias=True)
        down[size - low, :size] = lines[:, 0, 0].T
        lines = interpolate(torch.eye(size)[:, None, None], (1, side), mode="bicubic", align_corners=False)
        up[size - low, :, :size] = lines[:, 0, 0].T
    return down, up


def _gaussian_noise(faces: torch.Tensor) -> torch.Tensor:
    return faces + _uniform(faces, *GAUSSIAN_NOISE) * torch.randn_like(faces)


def _shot_noise(faces: torch.Tensor) -> torch.Tensor:
    photons = _log_uniform(faces, *PHOTONS)
    return torch.poisson(faces * photons / 255) * 255 / photons


def _impulse_noise(faces: torch.Tensor) -> torch.Tensor:
    hit = torch.rand_like(faces) < _log_uniform(faces, *IMPULSES)
    return torch.where(hit, 255 * (torch.rand_like(faces) < 0.5).float(), faces)


def _jpeg(faces: torch.Tensor) -> torch.Tensor:
    """A real encoder's damage, with its grid of blocks at a random offset; about 50 µs a face on one thread."""
    count, side = len(faces), faces.shape[-1]
    offsets = torch.randint(JPEG_BLOCK, (count, 2)).tolist()
    qualities = torch.randint(QUALITY[0], QUALITY[1] + 1, (count,)).tolist()
    pictures = pad(faces, [JPEG_BLOCK] * 4, mode="replicate")[:, 0].round().clamp(0, 255).byte().cpu().numpy()
    decoded = np.empty((count, 1, side, side), dtype=np.float32)
    for index, (picture, (top, left), quality) in enumerate(zip(pictures, offsets, qualities, strict=True)):
        _, data = cv2.imencode(".jpg", picture[top:, left:], [cv2.IMWRITE_JPEG_QUALITY, quality])
        whole = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))
        rows, columns = JPEG_BLOCK - top, JPEG_BLOCK - left
        decoded[index, 0] = whole[rows : rows + side, columns : columns + side]
    return torch.from_numpy(decoded).to(faces.device)


def _uniform(like: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """A draw for each face, `[N, 1, 1, 1]`."""
    return low + (high - low) * torch.rand(len(like), 1, 1, 1, device=like.device)


def _log_uniform(like: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """A draw for each face, `[N, 1, 1, 1]`, small values as often as large ones."""
    return torch.exp(_uniform(like, math.log(low), math.log(high)))
