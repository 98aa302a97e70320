"""Eyes, lashes and brows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from shards.faces.attributes import Traits
from shards.faces.canvas import Canvas, Colour
from shards.faces.curves import CENTRE, Points, both, ellipse, placed, ribbon, smooth
from shards.faces.palette import BLACK, INK, WHITE, Palette, jittered, mix, pick

EYE_Y = 112.0
_EYE_X = 20.0
_BROW_Y = -16.5  # from the eye
_PAINTED = 0.3  # makeup from here on is drawn
_EYEBALL: Colour = (247, 244, 241)
_IRISES: tuple[Colour, ...] = ((86, 54, 34), (70, 44, 32), (110, 72, 40), (84, 120, 84), (86, 130, 166), (62, 106, 150), (126, 134, 130))
_SHADOWS: tuple[Colour, ...] = ((120, 70, 120), (70, 90, 150), (150, 84, 80), (96, 110, 90), (130, 88, 60), (170, 80, 120))


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """Shape and colour of both eyes and brows; lengths in pixels."""

    opening: float
    """1 for an eye as wide open as usual."""
    iris: Colour
    gaze: float
    """How far the irises stand to the right."""
    makeup: float
    """Strength of eyeshadow and lashes, 0 to 1."""
    eyeshadow: Colour
    arch: float
    """How high the brow rises above the line between its ends."""
    brow_width: float
    brow_tilt: float
    bushy: bool


def choose_eyes(traits: Traits, rng: np.random.Generator) -> Eyes:
    """Choose eyes and brows for a person with these attributes."""
    opening, arch, width, tilt, gaze, makeup = rng.normal(0, 1, 6)
    narrow, male, bushy = (name in traits for name in ("Narrow_Eyes", "Male", "Bushy_Eyebrows"))
    return Eyes(
        opening=float(np.clip((0.52 if narrow else 1.0 - 0.06 * male) + 0.07 * opening, 0.4, 1.2)),
        iris=jittered(pick(_IRISES, rng), rng, 6),
        gaze=float(np.clip(1.2 * gaze, -2.5, 2.5)),
        makeup=float(np.clip((0.8 if "Heavy_Makeup" in traits else 0.1 * (not male)) + 0.1 * makeup, 0, 1)),
        eyeshadow=pick(_SHADOWS, rng),
        arch=8.8 + 1.5 * arch if "Arched_Eyebrows" in traits else 1.6 + 1.3 * arch,
        brow_width=float(np.clip((6.6 if bushy else 3.4 + 0.7 * male) + 0.5 * width, 2.2, 8.5)),
        brow_tilt=1.2 * tilt,
        bushy=bushy,
    )


def draw_eyes(canvas: Canvas, eyes: Eyes, palette: Palette) -> None:
    """Draw both eyes and both brows, on the canvas of the features."""
    wide, heavy = eyes.opening, 0.8 + 1.2 * eyes.makeup
    upper = smooth([(-10.8, 2), (-5.5, -4.8 * wide), (2, -7.2 * wide), (8, -4.8 * wide), (12.2, -0.5)])
    lower = smooth([(-10.8, 2), (-4, 4.8 * wide + 0.5), (2, 5.4 * wide + 0.3), (7, 4.0 * wide), (12.2, -0.5)])
    lid = _both(np.concatenate([upper, smooth([(12.2, -1.5), (3, -12), (-6, -9.5), (-10.8, 0)])]))
    canvas.glow(lid, mix(palette.skin, palette.shadow, 0.6), 0.5, 0.8)
    if eyes.makeup > _PAINTED:
        canvas.glow(lid, eyes.eyeshadow, 0.6 * eyes.makeup, 1.2)
    canvas.fill(_both(np.concatenate([upper, lower[::-1]])), _EYEBALL)
    _draw_irises(canvas, eyes, upper, lower)
    canvas.fill(_both(ribbon(upper[::6], (0.7, 1.5 * heavy, 2.0 * heavy, 1.2 * heavy))), INK)
    creases = np.stack([lower, placed(upper * (0.8, 1.15), 0.5, -3.2)])
    canvas.lines(np.concatenate([_both(crease) for crease in creases]), palette.line, 0.5)
    if eyes.makeup > _PAINTED:
        lashes = ([(12.2, -0.5), (15.5, -4)], [(10.3, -2.8 * wide), (13.5, -7)], [(7.6, -5 * wide), (9.8, -9.8)])
        canvas.lines(np.concatenate([_both(lash) for lash in lashes]), INK, 1.0)
    _draw_brows(canvas, eyes, palette)


def _both(points: ArrayLike) -> Points:
    """Return a shape given relative to the middle of an eye, with x growing away from the nose, for both eyes."""
    return both(points, _EYE_X, EYE_Y)


def _draw_irises(canvas: Canvas, eyes: Eyes, upper: Points, lower: Points) -> None:
    """Draw irises, cut off by the lids, and the lights in them."""
    for radius, colour in ((6.6, mix(eyes.iris, BLACK, 0.45)), (5.6, eyes.iris), (2.9, INK)):
        discs = []
        for side in (-1, 1):
            disc = ellipse(side * eyes.gaze + 0.5, -0.6, radius, radius)
            disc[:, 1] = np.clip(disc[:, 1], np.interp(disc[:, 0], *upper.T), np.interp(disc[:, 0], *lower.T))
            discs.append(placed(disc, CENTRE + side * _EYE_X, EYE_Y, side=side))
        canvas.fill(np.stack(discs), colour)
    middles = np.array([[[CENTRE + side * _EYE_X + eyes.gaze, EYE_Y]] for side in (-1, 1)])
    canvas.fill(middles + ellipse(-1.9, -2.8 * eyes.opening, 1.8, 1.8), WHITE)
    canvas.fill(middles + ellipse(2.3, 1.8 * eyes.opening, 0.9, 0.9), mix(eyes.iris, WHITE, 0.7))


def _draw_brows(canvas: Canvas, eyes: Eyes, palette: Palette) -> None:
    arch, width = eyes.arch, eyes.brow_width
    colour = mix(mix(palette.hair, INK, 0.4), palette.skin, 0.1)
    spine = np.array([(-12.5, 1.0 - 0.18 * arch), (-6, -0.7 * arch), (1.5, -arch), (9, -0.8 * arch), (15.5, 1.5 + 0.12 * arch)])
    spine[:, 1] += _BROW_Y + spine[:, 0] * 0.06 * eyes.brow_tilt + 0.1 * arch
    canvas.fill(_both(ribbon(spine, (0.7 * width, width, 0.9 * width, 0.65 * width, 0.5))), colour)
    if eyes.bushy:
        hairs = smooth(spine)[1:-3:2, None] + np.array([(0, 0.4 * width), (1.8, -0.62 * width)])
        canvas.lines(np.concatenate([_both(hair) for hair in hairs]), colour, 0.8)
