"""Beards, from a shadow at five o'clock to a full one."""

from dataclasses import dataclass

import numpy as np

from shards.faces.attributes import Traits
from shards.faces.canvas import Canvas
from shards.faces.curves import Points, both, mirrored, placed, resample, ribbon, smooth
from shards.faces.head import Head
from shards.faces.palette import BLACK, INK, Palette, mix

_MOUTH_Y = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beard:
    """Which parts of the face are bearded."""

    full: bool
    goatee: bool
    mustache: bool
    sideburns: bool
    shadow: float
    """Darkness of stubble, 0 to 1."""


def choose_beard(traits: Traits, rng: np.random.Generator) -> Beard:
    """Choose a beard for a person with these attributes."""
    shadow = 0.34 + 0.07 * rng.normal()
    named = traits & {"Goatee", "Mustache", "Sideburns", "5_o_Clock_Shadow"}
    return Beard(
        full="No_Beard" not in traits and not named,
        goatee="Goatee" in traits,
        mustache="Mustache" in traits,
        sideburns="Sideburns" in traits,
        shadow=float(np.clip(shadow, 0.15, 0.6)) if "5_o_Clock_Shadow" in traits else 0.0,
    )


def draw_beard(canvas: Canvas, beard: Beard, head: Head, palette: Palette) -> None:
    """Draw the beard on the head; mouth and nose come over it."""
    colour = mix(palette.hair, INK, 0.3)
    if beard.shadow:
        canvas.glow(_lower_face(head), mix(colour, (70, 76, 92), 0.4), beard.shadow, 2.5)
    if beard.full:
        canvas.glow(_lower_face(head), colour, 0.9, 0.8)
        _draw_strokes(canvas, _lower_face(head), palette)
    if beard.sideburns:
        strip = [(head.cheek - 6, 108), (head.cheek + 1, 108), (head.cheek - 0.5, 133), (head.cheek - 6.5, 136)]
        canvas.glow(both(smooth(strip, closed=True)), colour, 0.85, 0.7)
    if beard.goatee:
        goatee = smooth(mirrored([(0, 157), (9, 158.5), (13, 164), (9, head.chin_y + 1), (0, head.chin_y + 5)]), closed=True)
        canvas.glow(goatee, colour, 0.92, 0.6)
        _draw_strokes(canvas, goatee, palette)
    if beard.mustache or beard.full:
        mustache = placed([(-20, 151), (-9, 144.5), (0, 143), (9, 144.5), (20, 151)])
        canvas.glow(ribbon(mustache, (1.5, 6.5, 5, 6.5, 1.5)), colour, 0.92, 0.5)


def _lower_face(head: Head) -> Points:
    """Return the outline of where a full beard grows."""
    outer = [(head.cheek - 1, 112), (head.cheek - 0.5, 128), (head.jaw + 1.5, 151), (head.chin + 3, head.chin_y - 2), (0, head.chin_y + 4)]
    inner = [(0, 143), (17, 146), (27, 143), (head.cheek - 9, 130), (head.cheek - 6, 114)]
    right_outer, right_inner = smooth(outer), smooth(inner)
    right = np.concatenate([right_inner, right_outer])
    return placed(np.concatenate([right, right[::-1] * (-1, 1)]))


def _draw_strokes(canvas: Canvas, outline: Points, palette: Palette) -> None:
    """Draw short hairs along the lower edge of a beard."""
    edge = resample(outline, 120)
    roots = edge[edge[:, 1] > _MOUTH_Y + 8]
    hairs = roots[:, None] + np.array([[0.0, 1.0], [0.0, -5.0]])
    canvas.lines(hairs, mix(palette.hair, BLACK, 0.45), 0.6)
