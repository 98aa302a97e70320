"""The nose."""

from dataclasses import dataclass

import numpy as np

from shards.faces.attributes import Traits
from shards.faces.canvas import Canvas
from shards.faces.curves import CENTRE, both, ellipse, mirrored, placed, ribbon, smooth
from shards.faces.palette import Palette, mix
from shards.faces.pose import Pose


@dataclass(frozen=True, slots=True, kw_only=True)
class Nose:
    """Shape of a nose, in pixels."""

    half_width: float
    tip_y: float
    pointed: float
    """0 for a round tip, 1 for a pointed one."""


def choose_nose(traits: Traits, rng: np.random.Generator) -> Nose:
    """Choose a nose for a person with these attributes."""
    width, length, pointed = rng.normal(0, 1, 3)
    big, sharp = "Big_Nose" in traits, "Pointy_Nose" in traits
    return Nose(
        half_width=float(np.clip((14.6 if big else 8.6) - 1.2 * sharp + 1.1 * width, 6, 18)),
        tip_y=(138.0 if big else 133.5) + 0.9 * length,
        pointed=float(np.clip((0.85 if sharp else 0.1) + 0.15 * pointed, 0, 1)),
    )


def draw_nose(canvas: Canvas, nose: Nose, palette: Palette, pose: Pose) -> None:
    """Draw the nose on the canvas of the features."""
    wide, tip = nose.half_width, nose.tip_y
    drop = 3.5 + 3.0 * nose.pointed
    half = [(0, 104), (3.5, 112), (4.5 + 0.1 * wide, tip - 12), (wide, tip - 2), (0.75 * wide, tip + 2), (0, tip + drop)]
    body = smooth(mirrored(half), closed=True)
    canvas.glow(body, mix(palette.skin, palette.shadow, 0.75), 0.6, 1.0)
    # The side away from the light lies in shadow.
    bridge = ribbon(placed([(5, 106), (5.5, tip - 12), (0.9 * wide, tip - 3)], side=-pose.light), (1, 3, 4))
    canvas.glow(bridge, palette.shadow, 0.55, 1.6)
    canvas.glow(ribbon([(CENTRE, 106), (CENTRE, tip - 8)], (3, 4.5)), palette.light, 0.6, 1.5)
    bulb = 0.55 * wide * (1 - 0.45 * nose.pointed)
    canvas.glow(ellipse(CENTRE, tip - 2.5, bulb, 4.2), palette.light, 0.75, 1.3)
    under = [(0.82 * wide, tip + 1), (0.4 * wide, tip + 2.6), (0, tip + drop), (-0.4 * wide, tip + 2.6), (-0.82 * wide, tip + 1)]
    canvas.glow(ribbon(placed(under), (0.6, 1.8, 1.8, 0.6)), palette.line, 0.75, 0.5)
    canvas.fill(both(ribbon([(0.8 * wide, tip - 6), (wide, tip - 2.5), (0.8 * wide, tip + 1)], (0.5, 1.8, 0.8))), palette.line, 0.7)
    canvas.fill(both(ellipse(0.46 * wide, tip + 1.6, 0.2 * wide + 0.4, 1.3, turn=0.25)), mix(palette.line, (40, 12, 14), 0.5))
