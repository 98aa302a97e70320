"""What is behind a person: a wall, a sky, lights out of focus."""

from collections.abc import Callable

import numpy as np

from shards.faces.canvas import HEIGHT, WIDTH, Canvas, Colour, Image, enlarged, softened
from shards.faces.curves import ellipse, placed, smooth
from shards.faces.palette import BLACK, WHITE, jittered, mix, pick

_WALLS: tuple[Colour, ...] = (
    (228, 208, 186), (186, 206, 214), (206, 196, 222), (176, 196, 170), (236, 220, 196), (120, 136, 160), (88, 80, 104), (214, 164, 148),
    (104, 128, 120), (238, 236, 232), (150, 120, 108), (64, 72, 92),
)  # fmt: skip
_SKIES: tuple[Colour, ...] = ((150, 196, 232), (244, 190, 150), (186, 214, 236), (104, 120, 176), (250, 214, 170))
_GREENS: tuple[Colour, ...] = ((110, 150, 96), (84, 128, 92), (150, 168, 90), (70, 104, 84))
_CLOUD = smooth([(-21, 4), (-15, -3), (-8, -3), (-2, -10), (7, -9), (11, -3), (19, -2), (22, 4), (0, 6)], closed=True)
_SCALE = 0.5


def draw_scene(rng: np.random.Generator) -> Image:
    """Return a background, [109, 89, 3]: half the finished size, as it is out of focus."""
    scenes: tuple[Callable[[np.random.Generator], Image], ...] = (_studio, _bokeh, _hills, _window, _curtain, _leaves, _studio, _bokeh)
    return scenes[int(rng.integers(len(scenes)))](rng)


def _gradient(top: Colour, bottom: Colour, slant: float = 0.0) -> Canvas:
    """Return a picture that goes from one colour at the top to another at the bottom; `slant` tilts it."""
    canvas = Canvas.blank(_SCALE, top)
    shares = np.clip([[-slant / 2, slant / 2], [1 - slant / 2, 1 + slant / 2]], 0, 1)[..., None]
    corners = np.array(top) * (1 - shares) + np.array(bottom) * shares
    canvas.pixels[:] = enlarged(np.rint(corners).astype(np.uint8), canvas.pixels)
    return canvas


def _studio(rng: np.random.Generator) -> Image:
    wall = jittered(pick(_WALLS, rng), rng, 8)
    canvas = _gradient(mix(wall, WHITE, 0.12), mix(wall, BLACK, 0.28), rng.uniform(-0.6, 0.6))
    canvas.glow(ellipse(rng.uniform(20, 158), rng.uniform(40, 110), 50, 60), mix(wall, WHITE, 0.6), 0.6, 20)
    return canvas.pixels


def _bokeh(rng: np.random.Generator) -> Image:
    wall = mix(jittered(pick(_WALLS, rng), rng, 8), BLACK, rng.uniform(0.1, 0.5))
    canvas = _gradient(wall, mix(wall, BLACK, 0.35))
    for x, y, radius, strength in rng.uniform((0, 0, 5, 0.15), (WIDTH, 170, 18, 0.5), (14, 4)):
        canvas.glow(ellipse(x, y, radius, radius), mix(pick(_SKIES, rng), WHITE, 0.3), float(strength), 1.0)
    return canvas.pixels


def _hills(rng: np.random.Generator) -> Image:
    sky = jittered(pick(_SKIES, rng), rng, 8)
    canvas = _gradient(sky, mix(sky, WHITE, 0.6))
    if rng.random() < 0.5:
        canvas.glow(ellipse(rng.uniform(10, 168), rng.uniform(15, 60), 12, 12), (255, 246, 214), 0.95, 1.5)
    for x, y, size in rng.uniform((0, 10, 0.8), (WIDTH, 70, 1.5), (3, 3)):
        canvas.glow(placed(size * _CLOUD, x, y), WHITE, 0.75, 1.8)
    green = jittered(pick(_GREENS, rng), rng, 6)
    for level, share in ((112, 0.45), (140, 0.15), (172, 0.0)):
        tops = level + rng.uniform(-14, 14, 5)
        ridge = smooth(np.stack([np.linspace(-20, 198, 5), tops], axis=1))
        canvas.fill(np.concatenate([ridge, [[220.0, 240.0], [-40.0, 240.0]]]), mix(green, sky, share + 0.15))
    return softened(canvas.pixels, 1.2)


def _window(rng: np.random.Generator) -> Image:
    wall = jittered(pick(_WALLS, rng), rng, 8)
    canvas = _gradient(wall, mix(wall, BLACK, 0.2))
    left, wide = rng.uniform(-30, 120), rng.uniform(60, 90)
    corners = np.array([(left, 8.0), (left + wide, 8), (left + wide, 128), (left, 128)])
    canvas.fill(corners, mix(pick(_SKIES, rng), WHITE, 0.35))
    canvas.lines([corners], mix(wall, WHITE, 0.6), 6, closed=True)
    bars = [np.array([(left + wide / 2, 8.0), (left + wide / 2, 128)]), np.array([(left, 68.0), (left + wide, 68)])]
    canvas.lines(bars, mix(wall, WHITE, 0.6), 4)
    return softened(canvas.pixels, 1.6)


def _curtain(rng: np.random.Generator) -> Image:
    wall = jittered(pick(_WALLS, rng), rng, 8)
    canvas = _gradient(wall, mix(wall, BLACK, 0.25))
    fold = np.array([(0.0, -5.0), (7, -5), (10, HEIGHT + 5), (-2, HEIGHT + 5)])
    across = np.arange(rng.uniform(-10, 10), WIDTH + 20, rng.uniform(14, 26))
    canvas.glow(fold + np.stack([across, 0 * across], axis=1)[:, None], mix(wall, BLACK, 0.4), 0.55, 2.5)
    return canvas.pixels


def _leaves(rng: np.random.Generator) -> Image:
    green = jittered(pick(_GREENS, rng), rng, 8)
    canvas = _gradient(mix(green, (250, 244, 190), 0.45), mix(green, BLACK, 0.4))
    for x, y, turn, share in rng.uniform((-5, -5, 0, -0.3), (WIDTH + 5, HEIGHT, np.pi, 0.4), (26, 4)):
        tone = mix(green, (240, 240, 150), float(share)) if share > 0 else mix(green, BLACK, float(-share))
        canvas.fill(ellipse(x, y, 15, 6, turn=float(turn)), tone)
    return softened(canvas.pixels, 2.0)
