"""Things in front of a face, for whole batches of upright faces: glasses, masks, hands, hair, anything.

Each thing is a union of superellipses |x/a|ⁿ + |y/b|ⁿ < 1 (ellipses for n = 2, nearly rectangles for large n) in
random places around where FER-2013's faces have the covered part, filled with a grey that changes linearly.
"""

import math

import torch

EDGE = 0.03
"""Width of the soft edge, as a fraction of the face's side."""

SHAPES = 4
"""The most superellipses that one thing has."""


def cover(faces: torch.Tensor) -> torch.Tensor:
    """Upright faces float32 `[N, 1, S, S]` of 0–255, each with one thing in front of it."""
    count = len(faces)
    kinds = [sunglasses(count), mask(count), hand(count), hair(count), anything(count)]
    inside = outline(kinds, faces)
    return faces + (filling(faces) - faces) * inside


def outline(kinds: list[torch.Tensor], faces: torch.Tensor) -> torch.Tensor:
    """How far each pixel of `faces` `[N, 1, S, S]` is covered by one of `kinds`, drawn for each: 0–1 `[N, 1, S, S]`."""
    count = len(faces)
    chosen = torch.stack(kinds)[torch.randint(len(kinds), (count,)), torch.arange(count)].to(faces.device)
    return _inside(chosen, _places(faces)).unsqueeze(1)


def _places(faces: torch.Tensor) -> torch.Tensor:
    """Middles of the pixels along a side `[S]`, as fractions of it."""
    side = faces.shape[-1]
    return torch.arange(side, device=faces.device).add(0.5) / side


def _inside(shapes: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
    """How far each pixel is covered, 0–1 `[N, S, S]`.

    `shapes` `[N, SHAPES, 6]`: centre x and y, half axes, angle, exponent, in fractions of the side, origin top left.
    """
    x, y, wide, high, angle, power = shapes[..., None, None].unbind(2)
    right, down = side[None, None, None, :] - x, side[None, None, :, None] - y
    cosine, sine = angle.cos(), angle.sin()
    along, across = (right * cosine + down * sine) / wide, (down * cosine - right * sine) / high
    distance = (along.abs() ** power + across.abs() ** power).clamp(min=1e-12) ** (1 / power)
    # Near the edge (distance 1) a step of d in distance is about d times the shorter half axis.
    depth = (1 - distance) * torch.minimum(wide, high)
    return (depth / EDGE + 0.5).clamp(0, 1).amax(1)


def filling(faces: torch.Tensor) -> torch.Tensor:
    """Grey of 0–255 like `faces` `[N, 1, S, S]`, darker towards a random side, with a little texture."""
    count, side = len(faces), _places(faces)
    grey = 255 * torch.rand(count, 1, 1, device=side.device) ** 1.3
    slope = 60 * (torch.rand(count, 2, 1, 1, device=side.device) - 0.5)
    texture = 12 * torch.rand(count, 1, 1, device=side.device) * torch.randn(count, len(side), len(side)).to(side)
    plane = grey + slope[:, 0] * (side - 0.5) + slope[:, 1] * (side - 0.5).unsqueeze(1) + texture
    return plane.clamp(0, 255).unsqueeze(1)


def sunglasses(count: int) -> torch.Tensor:
    """Two dark lenses and a bridge. Like the others: `[count, SHAPES, 6]`, see `_inside`."""
    y, x = _around(0.40, 0.05, count), _around(0.5, 0.04, count)
    apart, wide, high = _around(0.19, 0.03, count), _around(0.15, 0.04, count), _around(0.10, 0.035, count)
    power, angle = 2 + 4 * torch.rand(count), _around(0, 0.1, count)
    glasses = [
        _shape(x + way * apart * angle.cos(), y + way * apart * angle.sin(), wide, high, angle, power)
        for way in (-1, 1)
    ]
    bridge = _shape(
        x, y, apart + 0.2 * torch.rand(count), _around(0.02, 0.008, count), angle, torch.full((count,), 4.0)
    )
    return _things([*glasses, bridge])


def mask(count: int) -> torch.Tensor:
    """One shape over mouth and chin."""
    top, angle = _around(0.58, 0.08, count), _around(0, 0.12, count)
    high = _around(0.26, 0.05, count)
    power = 2 + 4 * torch.rand(count)
    return _things([_shape(_around(0.5, 0.05, count), top + high, _around(0.33, 0.06, count), high, angle, power)])


def hand(count: int) -> torch.Tensor:
    """Four fingers side by side, from any direction, more often over the lower half."""
    angle = 2 * math.pi * torch.rand(count)
    x, y = _around(0.5, 0.3, count), _around(0.62, 0.25, count)
    wide, long, power = _around(0.05, 0.015, count), _around(0.26, 0.08, count), torch.full((count,), 2.5)
    fingers = []
    for index in range(SHAPES):
        place = (index - 1.5) * 2.1 * wide
        fingers.append(_shape(x - place * angle.sin(), y + place * angle.cos(), long, wide, angle, power))
    return _things(fingers)


def hair(count: int) -> torch.Tensor:
    """A large ellipse that reaches in from the top or from a side."""
    angle = math.pi * torch.rand(count)  # from the right over the top to the left
    reach = 0.15 + 0.25 * torch.rand(count)
    away = 0.5 + 0.7 - reach
    size = torch.full((count,), 0.7)
    x, y = 0.5 + away * angle.cos(), 0.5 - away * angle.sin()
    return _things([_shape(x, y, size, size, angle, torch.full((count,), 2.0))])


def large_hand(count: int) -> torch.Tensor:
    """A palm with three fingers over a cheek, the mouth or the chin; only the network that finds covers is shown it."""
    size, angle = _around(0.75, 0.3, count), math.pi * (torch.rand(count) - 0.5)
    x, y = _around(0.5, 0.28, count), _around(0.72, 0.2, count)
    across, along = (angle.cos(), angle.sin()), (angle.sin(), -angle.cos())
    palm = _shape(x, y, 0.30 * size, 0.24 * size, angle, torch.full((count,), 3.0))
    fingers = []
    for index in (-1, 0, 1):
        aside, away, long = 0.19 * index * size, _around(0.38, 0.06, count) * size, _around(0.22, 0.07, count) * size
        place = [middle + aside * a + away * b for middle, a, b in zip((x, y), across, along, strict=True)]
        fingers.append(_shape(*place, 0.075 * size, long, angle, torch.full((count,), 2.5)))
    return _things([palm, *fingers])


def anything(count: int) -> torch.Tensor:
    """One shape anywhere."""
    angle, power = math.pi * torch.rand(count), 2 + 6 * torch.rand(count)
    sizes = [0.08 + 0.17 * torch.rand(count) for _ in range(2)]
    return _things([_shape(torch.rand(count), torch.rand(count), *sizes, angle, power)])


def _around(middle: float, spread: float, count: int) -> torch.Tensor:
    """Uniform draws `[count]`, at most `spread` from `middle`."""
    return middle + spread * (2 * torch.rand(count) - 1)


def _shape(*parameters: torch.Tensor) -> torch.Tensor:
    return torch.stack(parameters, dim=1)


def _things(shapes: list[torch.Tensor]) -> torch.Tensor:
    """`[N, SHAPES, 6]`; a thing of fewer shapes repeats its first one."""
    return torch.stack(shapes + shapes[:1] * (SHAPES - len(shapes)), dim=1)
