"""Earrings and necklaces."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from shards.faces.attributes import Traits
from shards.faces.canvas import Canvas, Colour
from shards.faces.curves import CENTRE, Points, ellipse, placed, resample, smooth
from shards.faces.head import Head
from shards.faces.palette import BLACK, WHITE, jittered, mix, pick

_METALS: tuple[Colour, ...] = ((248, 206, 84), (240, 190, 70), (226, 230, 238), (206, 212, 222), (236, 176, 140))
_GEMS: tuple[Colour, ...] = ((40, 150, 160), (206, 52, 76), (70, 96, 200), (52, 160, 96), (240, 236, 228), (150, 80, 180), (240, 140, 50))

_LARGE = 8.0  # a stud from here on is a gem
_LOBE_Y = 129.0
_CLASP_Y = 178.0  # where a necklace comes out from behind the neck

Earring = Literal["hoop", "drop", "stud", "tier"]
Necklace = Literal["pearls", "beads", "pendant", "collar"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Jewellery:
    """What hangs at the ears and at the neck."""

    earring: Earring | None
    necklace: Necklace | None
    metal: Colour
    gem: Colour
    earring_size: float
    """Radius of a hoop and half of the length of a drop, in pixels."""
    bead: float
    """Radius of a bead in pixels."""
    hang: float
    """How far the necklace hangs below its ends, in pixels."""


def choose_jewellery(traits: Traits, rng: np.random.Generator) -> Jewellery:
    """Choose the jewellery of a person with these attributes."""
    earrings: tuple[Earring, ...] = ("hoop", "drop", "stud", "tier", "hoop", "drop")
    necklaces: tuple[Necklace, ...] = ("pearls", "beads", "pendant", "collar", "pearls")
    earring, necklace = earrings[int(rng.integers(6))], necklaces[int(rng.integers(5))]
    return Jewellery(
        earring=earring if "Wearing_Earrings" in traits else None,
        necklace=necklace if "Wearing_Necklace" in traits else None,
        metal=jittered(pick(_METALS, rng), rng, 5),
        gem=jittered(pick(_GEMS, rng), rng, 8),
        earring_size=float(np.clip(rng.normal(8.2, 1.6), 4.5, 12)),
        bead=float(np.clip(rng.normal(3.3, 0.5), 2.2, 4.6)),
        hang=float(np.clip(rng.normal(22, 4), 14, 30)),
    )


def draw_earrings(canvas: Canvas, jewellery: Jewellery, head: Head) -> None:
    """Draw both earrings over the hair, on the canvas of the ears."""
    size, metal = jewellery.earring_size, jewellery.metal
    for side in (-1, 1):
        x, y = CENTRE + side * (head.cheek + 2.5), _LOBE_Y
        if jewellery.earring == "hoop":
            ring = ellipse(x, y + size, 0.8 * size, size)
            canvas.lines([ring], mix(metal, BLACK, 0.5), 3.2, closed=True)
            canvas.lines([ring - (0.3, 0.3)], metal, 2.0, closed=True)
        elif jewellery.earring == "drop":
            drop = smooth(placed([(0, 2), (0.55 * size, 1.3 * size), (0, 1.9 * size), (-0.55 * size, 1.3 * size)], x, y), closed=True)
            _draw_gem(canvas, drop, jewellery.gem)
            _draw_beads(canvas, np.array([(x, y)]), 2.0, metal)
        elif jewellery.earring == "stud":
            _draw_beads(canvas, np.array([(x, y)]), 0.55 * size + 0.8, jewellery.gem if size > _LARGE else metal)
        else:
            for row, radius in enumerate((0.28, 0.4, 0.52)):
                _draw_beads(canvas, np.array([(x, y + 0.72 * size * row)]), radius * size, (metal, jewellery.gem)[row % 2])


def draw_necklace(canvas: Canvas, jewellery: Jewellery) -> None:
    """Draw the necklace over neck, chest and clothes."""
    hang, bead = jewellery.hang, jewellery.bead
    string = smooth(placed([(-25, 0), (-17, 0.66 * hang), (0, hang), (17, 0.66 * hang), (25, 0)], y=_CLASP_Y))
    canvas.glow(np.concatenate([string, placed(string, 0, 4)[::-1]]), BLACK, 0.4, 1.2)
    if jewellery.necklace in ("pearls", "beads"):
        colours = ((248, 242, 232), (248, 242, 232)) if jewellery.necklace == "pearls" else (jewellery.gem, jewellery.metal)
        count = max(9, round(92 / (2.1 * bead)))
        places = resample(string, count)
        _draw_beads(canvas, places[::2], bead, colours[0])
        _draw_beads(canvas, places[1::2], bead, colours[1])
    elif jewellery.necklace == "collar":
        for row, colour in ((0, jewellery.metal), (3.6, mix(jewellery.metal, BLACK, 0.2)), (7.2, jewellery.metal)):
            canvas.lines([string - (0, row)], mix(colour, BLACK, 0.45), 3.4)
            canvas.lines([string - (0, row + 0.3)], colour, 2.2)
    else:
        canvas.lines([string], mix(jewellery.metal, BLACK, 0.5), 3.0)
        canvas.lines([string - (0, 0.4)], jewellery.metal, 2.0)
        bottom = _CLASP_Y + hang
        pendant = ellipse(CENTRE, bottom + 5, 2.2 * bead, 2.6 * bead)
        canvas.fill(ellipse(CENTRE, bottom + 5, 2.2 * bead + 1.4, 2.6 * bead + 1.4), mix(jewellery.metal, BLACK, 0.1))
        _draw_gem(canvas, pendant, jewellery.gem)


def _draw_beads(canvas: Canvas, places: Points, radius: float, colour: Colour) -> None:
    """Draw beads that do not touch each other at places [n, 2]."""
    middles = places[:, None]
    canvas.fill(middles + ellipse(0, 0, radius + 0.5, radius + 0.5), mix(colour, BLACK, 0.5))
    canvas.fill(middles + ellipse(0, 0, radius, radius), mix(colour, BLACK, 0.08))
    canvas.fill(middles + ellipse(-0.3 * radius, -0.35 * radius, 0.38 * radius, 0.38 * radius), mix(colour, WHITE, 0.75))


def _draw_gem(canvas: Canvas, outline: Points, colour: Colour) -> None:
    """Draw a gem that glitters at its upper left."""
    middle = outline.mean(axis=0)
    canvas.fill(outline, colour)
    canvas.lines([outline], mix(colour, BLACK, 0.5), 0.7, closed=True)
    canvas.fill(placed(0.3 * (outline - middle), *(middle - 0.3 * np.ptp(outline, axis=0) / 2)), mix(colour, WHITE, 0.8))
