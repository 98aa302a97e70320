"""Neck, shoulders and what is worn on them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from shards.faces.attributes import Traits
from shards.faces.canvas import Canvas, Colour, Image, softened
from shards.faces.curves import CENTRE, Points, both, ellipse, mirrored, placed, ribbon, smooth
from shards.faces.head import SURFACE_SCALE, Head
from shards.faces.palette import BLACK, WHITE, Palette, jittered, mix, pick
from shards.faces.pose import Pose

_CLOTHS: tuple[Colour, ...] = (
    (226, 88, 78), (58, 110, 165), (84, 150, 120), (240, 196, 92), (122, 82, 140), (70, 74, 90), (240, 234, 222),
    (208, 128, 84), (86, 164, 178), (226, 150, 164), (150, 168, 96), (34, 42, 66), (148, 50, 60),
)  # fmt: skip

_LIGHT = 200  # a cloth whose channels all reach this is nearly white
_OPENING = 25  # points of a garment's outline that go around the neck

Neckline = Literal["crew", "vee", "scoop", "collar"]
Pattern = Literal["plain", "stripes", "dots"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clothes:
    """Cut and colours of clothes."""

    neckline: Neckline
    pattern: Pattern
    colour: Colour
    second: Colour
    neck: float
    """Half of the neck's width, in pixels."""
    tie: bool


def choose_clothes(traits: Traits, rng: np.random.Generator) -> Clothes:
    """Choose the clothes of a person with these attributes."""
    male, tie = "Male" in traits, "Wearing_Necktie" in traits
    necklines: tuple[Neckline, ...] = ("crew", "crew", "vee", "collar", "collar") if male else ("scoop", "scoop", "vee", "crew", "scoop")
    patterns: tuple[Pattern, ...] = ("plain", "plain", "plain", "stripes", "dots")
    neckline, pattern = necklines[int(rng.integers(5))], patterns[int(rng.integers(5))]
    return Clothes(
        neckline="collar" if tie else neckline,
        pattern="plain" if tie else pattern,
        colour=jittered(pick(_CLOTHS, rng), rng, 10),
        second=jittered(pick(_CLOTHS, rng), rng, 10),
        neck=20.5 + 5.5 * male + 1.2 * rng.normal() + 3 * ("Chubby" in traits),
        tie=tie,
    )


def draw_body(canvas: Canvas, clothes: Clothes, head: Head, palette: Palette, pose: Pose) -> None:
    """Draw neck, shoulders and clothes."""
    half = [(0, 150), (clothes.neck, 152), (clothes.neck, 174), (clothes.neck + 8, 184), (58, 194), (88, 206), (110, 240), (0, 250)]
    body = smooth(mirrored(half), closed=True)
    surface = Canvas.blank(SURFACE_SCALE, mix(palette.skin, palette.shadow, 0.22), pose.matrix)
    surface.glow(ellipse(CENTRE + pose.light * 30, 206, 34, 10), palette.light, 0.4, 8)
    surface.glow(ellipse(CENTRE - pose.light * 4, head.chin_y - 1, head.jaw + 1, 12), mix(palette.shadow, BLACK, 0.12), 0.95, 4)
    surface.glow(both(ribbon([(7, 200), (24, 195), (46, 197)], (1, 3, 1))), palette.shadow, 0.45, 1)
    canvas.paint(body, surface.pixels)
    if clothes.neckline == "collar":
        _draw_shirt(canvas, clothes)
    else:
        _draw_top(canvas, clothes, pose)


def _garment(edge: float, neckline: list[tuple[float, float]]) -> Points:
    """Return the outline of a garment that leaves the shoulders at `edge` from the middle and is open along `neckline`."""
    shoulder = np.interp(edge, (20, 30, 58, 88), (176, 184, 193, 205))
    opening = smooth([(-edge, shoulder), *((-x, y) for x, y in reversed(neckline) if x), *neckline, (edge, shoulder)])
    outside = smooth([(edge, shoulder), (60, 192.5), (90, 205), (112, 244)])
    return placed(np.concatenate([opening, outside, outside[::-1] * (-1, 1)]))


def _draw_top(canvas: Canvas, clothes: Clothes, pose: Pose) -> None:
    if clothes.neckline == "crew":
        outline = _garment(clothes.neck + 3, [(0, 196), (14, 193)])
    elif clothes.neckline == "vee":
        outline = _garment(clothes.neck + 7, [(0, 217), (3, 213)])
    else:
        outline = _garment(47, [(0, 212), (24, 208)])
    canvas.paint(outline, _cloth(clothes, pose))
    canvas.lines([outline[:_OPENING]], mix(clothes.colour, BLACK, 0.28), 1.4)


def _cloth(clothes: Clothes, pose: Pose) -> Image:
    """Return a picture of the cloth, at the resolution of shading."""
    surface = Canvas.blank(SURFACE_SCALE, clothes.colour, pose.matrix)
    if clothes.pattern == "stripes":
        surface.lines([np.array([(-20.0, y), (200.0, y)]) for y in range(176, 240, 11)], clothes.second, 4)
    elif clothes.pattern == "dots":
        x, y = np.meshgrid(np.arange(-2, 190, 13), np.arange(184, 236, 10))
        dots = np.stack([x + 6 * (y // 10 % 2), y], axis=-1).reshape(-1, 1, 2)
        surface.fill(dots + ellipse(0, 0, 2.6, 2.6), clothes.second)
    surface.glow(ellipse(CENTRE - pose.light * 70, 216, 26, 40), BLACK, 0.3, 12)
    surface.glow(ellipse(CENTRE + pose.light * 60, 200, 20, 8), WHITE, 0.25, 8)
    return softened(surface.pixels, 0.8)


def _draw_shirt(canvas: Canvas, clothes: Clothes) -> None:
    neck = clothes.neck
    shirt = mix(clothes.second, WHITE, 0.72) if clothes.tie else clothes.colour
    canvas.fill(_garment(neck + 1, [(0, 206), (8, 196)]), shirt)
    if clothes.tie:
        _draw_suit(canvas, clothes, shirt)
    collar = both([(neck - 1, 174), (neck + 7, 181), (20, 202), (5, 193)])
    canvas.fill(collar, mix(shirt, WHITE, 0.25))
    canvas.lines(collar, mix(shirt, BLACK, 0.3), 0.8, closed=True)


def _draw_suit(canvas: Canvas, clothes: Clothes, shirt: Colour) -> None:
    """Draw a jacket and a tie."""
    neck, jacket = clothes.neck, mix(clothes.colour, BLACK, 0.45)
    canvas.fill(both([(neck + 4, 178), (60, 190.5), (92, 203), (118, 244), (6, 244), (13, 212)]), jacket)
    canvas.lines(both([(neck + 5, 181), (26, 200), (12, 218)]), mix(jacket, WHITE, 0.22), 1.2)
    tie = mix(clothes.second, BLACK, 0.15) if min(clothes.second) < _LIGHT else mix(clothes.second, BLACK, 0.5)
    canvas.fill(placed([(-5, 198), (5, 198), (9, 226), (-9, 226)]), tie)
    canvas.fill(placed([(-7, 190), (7, 190), (4.5, 200), (-4.5, 200)]), mix(tie, BLACK, 0.2))
    canvas.lines(np.stack([placed([(-8, y + 5), (8, y - 1)]) for y in (206, 214)]), mix(tie, shirt, 0.7), 2)
