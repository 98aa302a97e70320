"""The mouth: lips, teeth and smile."""

from dataclasses import dataclass

import numpy as np

from shards.faces.attributes import Traits
from shards.faces.canvas import Canvas, Colour
from shards.faces.curves import CENTRE, Points, both, ellipse, placed, ribbon, smooth
from shards.faces.palette import BLACK, WHITE, Palette, mix

_Y = 150.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Mouth:
    """Shape of a mouth, in pixels."""

    half_width: float
    upper: float
    """Thickness of the upper lip."""
    lower: float
    """Thickness of the lower lip."""
    smile: float
    """0 for a straight mouth, 1 for a broad smile; below 0 for a sad one."""
    opening: float
    glossy: bool


def choose_mouth(traits: Traits, rng: np.random.Generator) -> Mouth:
    """Choose a mouth for a person with these attributes."""
    width, upper, lower, smile, opening = rng.normal(0, 1, 5)
    big, smiling = "Big_Lips" in traits, "Smiling" in traits
    happiness = float(np.clip((0.85 if smiling else 0.05) + 0.16 * smile, -0.3, 1.2))
    return Mouth(
        half_width=float(14.5 + 4.5 * max(happiness, 0) + 0.8 * width),
        upper=float(np.clip((6.0 if big else 2.8) + 0.7 * upper, 1.6, 8)),
        lower=float(np.clip((8.0 if big else 4.0) + 0.8 * lower, 2.4, 10)),
        smile=happiness,
        opening=float(np.clip(6.0 + 1.4 * opening, 3, 9)) if "Mouth_Slightly_Open" in traits else 0.0,
        glossy="Wearing_Lipstick" in traits,
    )


def draw_mouth(canvas: Canvas, mouth: Mouth, palette: Palette) -> None:
    """Draw the mouth on the canvas of the features."""
    half, open_by = mouth.half_width, mouth.opening
    middle = 1.2 * mouth.smile - 0.35 * open_by
    corner = -4.2 * mouth.smile
    sag = corner + 0.72 * (middle - corner)

    def across(*right: tuple[float, float]) -> Points:
        """Return a curve from the left corner to the right one; points on the right half, from the middle outwards."""
        left = [(-x, y) for x, y in reversed(right) if x > 0]
        return placed(smooth([(-half, corner), *left, *right, (half, corner)]), y=_Y)

    top = across((0, middle - mouth.upper + 0.9), (3.2, middle - mouth.upper - 0.5), (0.55 * half, sag - 0.72 * mouth.upper))
    seam = across((0, middle + 0.3), (0.5 * half, sag))
    floor = across((0, middle + open_by), (0.5 * half, sag + 0.9 * open_by))
    bottom = across((0, middle + open_by + mouth.lower), (0.5 * half, sag + 0.88 * (open_by + mouth.lower)))
    lips = palette.lips
    canvas.glow(ellipse(CENTRE, _Y + middle + open_by + mouth.lower + 3, 8, 1.8), palette.shadow, 0.6, 1.6)
    canvas.fill(np.concatenate([top, bottom[::-1]]), lips)
    canvas.fill(np.concatenate([top, seam[::-1]]), mix(lips, BLACK, 0.14))
    if open_by:
        _draw_inside(canvas, seam, floor, lips=lips)
    else:
        canvas.fill(ribbon(seam[::4], (0.8, 1.5, 1.2, 1.5, 0.8)), mix(lips, (50, 14, 20), 0.72))
    shine = 0.7 if mouth.glossy else 0.4
    glint = ellipse(CENTRE - 2, _Y + middle + open_by + 0.45 * mouth.lower, 0.3 * half, 0.17 * mouth.lower)
    canvas.glow(glint, mix(lips, WHITE, 0.7), shine, 0.7)
    dimple = ribbon([(half - 0.5, _Y + corner + 1), (half + 0.7, _Y + corner - 0.4), (half + 1.6, _Y + corner - 1.6)], (0.6, 1.2, 1.6))
    canvas.fill(both(dimple), palette.line, 0.8)


def _draw_inside(canvas: Canvas, seam: Points, floor: Points, *, lips: Colour) -> None:
    """Draw teeth and tongue between the lips, whose inner edges have equally many points from left to right."""
    inner = slice(2, -2)
    canvas.fill(np.concatenate([seam[inner], floor[inner][::-1]]), mix(lips, (44, 10, 16), 0.82))
    gap = floor - seam
    canvas.fill(np.concatenate([(seam + 0.78 * gap)[4:-4], floor[4:-4][::-1]]), mix(lips, (190, 70, 80), 0.6))
    canvas.fill(np.concatenate([seam[3:-3], (seam + 0.58 * gap)[3:-3][::-1]]), (250, 247, 240))
