"""Hats."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from shards.faces.attributes import Traits
from shards.faces.canvas import Canvas, Colour
from shards.faces.curves import CENTRE, Points, ellipse, mirrored, placed, ribbon, smooth
from shards.faces.head import Head
from shards.faces.palette import BLACK, WHITE, jittered, mix, pick

_CLOTHS: tuple[Colour, ...] = (
    (190, 52, 56), (44, 88, 150), (62, 122, 92), (232, 180, 64), (118, 66, 130),
    (54, 56, 70), (232, 226, 212), (204, 110, 60), (70, 150, 160),
)  # fmt: skip
_STRAWS: tuple[Colour, ...] = ((232, 204, 140), (214, 180, 116), (240, 222, 172))

Kind = Literal["beanie", "cap", "fedora", "sunhat", "beret"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hat:
    """Kind and colours of a hat."""

    kind: Kind
    colour: Colour
    trim: Colour
    height: float
    """How far it rises above the skull, in pixels."""
    lean: int
    """-1 or 1: the side to which a beret hangs and a visor turns."""
    extra: bool
    """Whether a beanie has a bobble and a cap a badge."""


def choose_hat(traits: Traits, rng: np.random.Generator) -> Hat | None:
    """Choose a hat for a person with these attributes, or none."""
    kinds: tuple[Kind, ...] = ("beanie", "cap", "fedora", "sunhat", "beret")
    kind = kinds[int(rng.integers(5))]
    straw = pick(_STRAWS, rng)
    cloth, trim = pick(_CLOTHS, rng), pick(_CLOTHS, rng)
    hat = Hat(
        kind=kind,
        colour=jittered(straw if kind == "sunhat" else cloth, rng, 8),
        trim=jittered(trim, rng, 8),
        height=float(np.clip(rng.normal(22, 4), 14, 32)),
        lean=1 if rng.random() < 0.5 else -1,
        extra=rng.random() < 0.6,
    )
    return hat if "Wearing_Hat" in traits else None


def draw_hat(canvas: Canvas, hat: Hat, head: Head) -> None:
    """Draw a hat on the head and its hair."""
    canvas.glow(ellipse(CENTRE, 90, head.cheek, 7), BLACK, 0.45, 3)
    draw = {"beanie": _draw_beanie, "cap": _draw_cap, "fedora": _draw_brimmed, "sunhat": _draw_brimmed, "beret": _draw_beret}
    draw[hat.kind](canvas, hat, head)


def _dome(hat: Hat, head: Head, base_y: float) -> Points:
    wide, top = head.cheek + 5, 57 - hat.height
    shoulder = (0.92 * wide, 0.5 * (top + base_y) - 4)
    half = [(0, top), (0.55 * wide, top + 5), shoulder, (wide, base_y - 3), (0.6 * wide, base_y + 2), (0, base_y + 3)]
    return smooth(mirrored(half), closed=True)


def _draw_beanie(canvas: Canvas, hat: Hat, head: Head) -> None:
    wide, top = head.cheek + 6, 57 - hat.height
    if hat.extra:
        canvas.fill(ellipse(CENTRE, top - 3, 11, 10.5), hat.trim)
        canvas.lines([ellipse(CENTRE, top - 3, radius, radius) for radius in (3.5, 7)], mix(hat.trim, WHITE, 0.35), 1.0, closed=True)
    canvas.fill(_dome(hat, head, 80), hat.colour)
    ribs = [smooth(placed([(0.25 * x, top + 3), (0.9 * x, 0.5 * (top + 76)), (x, 78)])) for x in np.linspace(-0.85, 0.85, 11) * wide]
    canvas.lines(np.stack(ribs), mix(hat.colour, BLACK, 0.22), 1.0)
    band = mix(hat.colour, hat.trim, 0.65)
    canvas.fill(ribbon(placed([(-wide, 83), (0, 81), (wide, 83)]), (15, 15)), band)
    stitches = [placed([(x, 74 + 0.03 * abs(x)), (x, 89)]) for x in np.linspace(3 - wide, wide - 3, 17)]
    canvas.lines(np.stack(stitches), mix(band, BLACK, 0.25), 1.0)


def _draw_cap(canvas: Canvas, hat: Hat, head: Head) -> None:
    wide, top = head.cheek + 5, 57 - 0.8 * hat.height
    canvas.fill(_dome(hat, head, 82), hat.colour)
    canvas.glow(ellipse(CENTRE + 18 * hat.lean, 56, 12, 14), mix(hat.colour, WHITE, 0.35), 0.6, 6)
    seams = [smooth(placed([(0, top), (x, 58), (1.15 * x, 80)])) for x in (-24, 0, 24)]
    canvas.lines(np.stack(seams), mix(hat.colour, BLACK, 0.3), 0.8)
    if hat.extra:
        canvas.fill(ellipse(CENTRE, 62, 9, 9), hat.trim)
        canvas.fill(ellipse(CENTRE, 62, 5, 5), mix(hat.trim, WHITE, 0.6))
    turn = 4 * hat.lean
    visor = [(1 - wide, 80), (turn, 75), (wide - 1, 80), (turn + 0.72 * wide, 91), (turn, 95), (turn - 0.72 * wide, 91)]
    canvas.fill(smooth(placed(visor), closed=True), mix(hat.trim, BLACK, 0.12))
    canvas.lines([smooth(placed([(3 - wide, 82), (turn, 79), (wide - 3, 82)]))], mix(hat.trim, BLACK, 0.4), 1.0)


def _draw_brimmed(canvas: Canvas, hat: Hat, head: Head) -> None:
    sunhat = hat.kind == "sunhat"
    wide, top = head.cheek + (2 if sunhat else 0), 54 - hat.height
    brim, thickness, dent = (wide + 34, 11, 0) if sunhat else (wide + 22, 8, 5)
    canvas.fill(ellipse(CENTRE, 81, brim + 2, thickness + 2), mix(hat.colour, BLACK, 0.16))
    canvas.fill(ellipse(CENTRE, 79.5, brim, thickness), hat.colour)
    half = [(0, top + dent), (0.5 * wide, top), (0.84 * wide, top + 12), (0.93 * wide, 60), (0.97 * wide, 79), (0, 84)]
    canvas.fill(smooth(mirrored(half), closed=True), hat.colour)
    canvas.glow(ellipse(CENTRE + 16 * hat.lean, 48, 10, 16), mix(hat.colour, WHITE, 0.4), 0.55, 6)
    if sunhat:
        rows = [smooth(placed([(-0.8 * wide, y), (0, y + 3), (0.8 * wide, y)])) for y in np.arange(top + 10, 64, 6)]
        canvas.lines(rows, mix(hat.colour, BLACK, 0.18), 0.8)
    canvas.fill(ribbon(placed([(-0.95 * wide, 71), (0, 75), (0.95 * wide, 71)]), (10, 10)), hat.trim)


def _draw_beret(canvas: Canvas, hat: Hat, head: Head) -> None:
    wide = head.cheek + 8
    cloth = [(-wide, 80), (-0.8 * wide, 58), (0, 44), (0.85 * wide, 40), (1.3 * wide, 62), (1.02 * wide, 84), (0, 84)]
    canvas.lines([placed([(6, 46), (9, 38)], side=hat.lean)], mix(hat.colour, BLACK, 0.3), 3.0)
    canvas.fill(smooth(placed(cloth, side=hat.lean), closed=True), hat.colour)
    canvas.glow(ellipse(CENTRE + 20 * hat.lean, 55, 20, 7, turn=-0.2 * hat.lean), mix(hat.colour, WHITE, 0.4), 0.6, 5)
    band = placed([(-head.cheek - 4, 84), (0, 80), (head.cheek + 4, 84)])
    canvas.fill(ribbon(band, (6, 6)), mix(hat.colour, BLACK, 0.35))
