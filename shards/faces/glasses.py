"""Glasses."""

from dataclasses import dataclass

import numpy as np

from shards.faces.attributes import Traits
from shards.faces.canvas import Canvas, Colour
from shards.faces.curves import CENTRE, Points, ellipse, flipped, ribbon, smooth
from shards.faces.eyes import EYE_Y
from shards.faces.head import Head
from shards.faces.palette import BLACK, WHITE, mix, pick

_FRAMES: tuple[Colour, ...] = ((34, 30, 34), (92, 52, 36), (150, 118, 60), (120, 30, 40), (36, 56, 96), (110, 112, 120))


@dataclass(frozen=True, slots=True, kw_only=True)
class Glasses:
    """Shape and colour of glasses."""

    frame: Colour
    round_: bool
    tinted: bool
    pen: float
    """Thickness of the frame in pixels."""


def choose_glasses(traits: Traits, rng: np.random.Generator) -> Glasses | None:
    """Choose glasses for a person with these attributes, or none."""
    glasses = Glasses(frame=pick(_FRAMES, rng), round_=rng.random() < 0.5, tinted=rng.random() < 0.22, pen=rng.uniform(1.2, 2.4))
    return glasses if "Eyeglasses" in traits else None


def draw_glasses(canvas: Canvas, glasses: Glasses, head: Head) -> None:
    """Draw the glasses on the canvas of the features."""
    right = _lens(glasses)
    lenses = np.stack([flipped(right), right])
    canvas.fill(lenses, mix(glasses.frame, BLACK, 0.5) if glasses.tinted else WHITE, 0.86 if glasses.tinted else 0.12)
    for side in (-1, 1):
        glint = ribbon([(CENTRE + side * 21 - 6, EYE_Y + 4), (CENTRE + side * 21 + 3, EYE_Y - 8)], (2.2, 2.2))
        canvas.fill(glint, WHITE, 0.35)
    canvas.lines(lenses, glasses.frame, glasses.pen, closed=True)
    bridge = smooth([(CENTRE - 5, EYE_Y - 1), (CENTRE, EYE_Y - 3), (CENTRE + 5, EYE_Y - 1)])
    arms = [np.array([(CENTRE + side * 37, EYE_Y - 4), (CENTRE + side * (head.cheek + 1), EYE_Y - 6)]) for side in (-1, 1)]
    canvas.lines([bridge, *arms], glasses.frame, glasses.pen)


def _lens(glasses: Glasses) -> Points:
    if glasses.round_:
        return ellipse(CENTRE + 21, EYE_Y + 0.5, 16, 14.5)
    return smooth([(CENTRE + x, EYE_Y + y) for x, y in ((6, -9), (21, -11.5), (37, -10), (36, 5), (26, 12), (13, 11), (6, 3))], closed=True)
