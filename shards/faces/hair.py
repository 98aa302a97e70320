"""Hair behind the head and around the face, with strands and shine."""

import numpy as np

from shards.faces.canvas import Canvas, Colour, softened
from shards.faces.curves import CENTRE, Points, ellipse, flipped, placed, ribbon, smooth
from shards.faces.haircut import KNOTS, Edges, Hair
from shards.faces.head import SURFACE_SCALE, Head
from shards.faces.palette import BLACK, Palette, mix
from shards.faces.pose import Pose

_GREY: Colour = (214, 212, 214)
_SUN: Colour = (255, 238, 210)


def draw_back(canvas: Canvas, hair: Hair, edges: Edges, palette: Palette) -> None:
    """Draw what is behind the head and the shoulders."""
    if hair.cut == "up":
        x, y = CENTRE + 0.6 * hair.part, 46 - hair.volume
        canvas.fill(ellipse(x, y, 18, 16), mix(palette.hair, BLACK, 0.16))
        canvas.glow(ellipse(x - 5, y - 5, 7, 5), mix(palette.hair, _SUN, 0.4), 0.7, 2)
        turns = np.stack([ellipse(x + 1, y, radius, 0.85 * radius) for radius in (14, 9.5, 5)])
        canvas.lines(turns, mix(palette.hair, BLACK, 0.36), 0.8, closed=True)
    if hair.cut in ("long", "bob"):
        outer = edges.outer
        canvas.fill(outer, mix(palette.hair, BLACK, 0.36))
        lower = outer[: KNOTS // 3]
        share = np.linspace(0.1, 0.9, 14)[:, None, None]
        canvas.lines(lower * (1 - share) + flipped(lower) * share, mix(palette.hair, BLACK, 0.5), 0.6)


def draw_front(canvas: Canvas, hair: Hair, edges: Edges, head: Head, palette: Palette, pose: Pose) -> None:
    """Draw the hair over the forehead and at the sides of the face."""
    if hair.cut == "bald":
        if hair.side_fringe:
            _draw_side_fringe(canvas, head, palette)
        return
    outer, inner = edges.outer, edges.inner
    surface = Canvas.blank(SURFACE_SCALE, palette.hair, pose.matrix)
    surface.lines([inner], mix(palette.hair, BLACK, 0.4), 6)
    surface.lines([outer], mix(palette.hair, BLACK, 0.22), 4)
    crown = 0.6 * outer + 0.4 * inner
    start = KNOTS // 2 - 6 if pose.light > 0 else KNOTS // 2 - 16
    surface.glow(ribbon(crown[start : start + 22 : 7], (1, 8, 9, 1)), mix(palette.hair, _SUN, 0.5), 0.8, 2.5)
    canvas.paint(np.concatenate([outer, inner[::-1]]), softened(surface.pixels, 2.0))
    if hair.curly:
        _draw_curls(canvas, edges, palette)
    else:
        _draw_strands(canvas, _strands(edges, hair), palette)


def shade_of(hair: Hair, edges: Edges) -> Points | None:
    """Return the outline of the hair that throws a shadow on the face, or none."""
    return None if hair.cut == "bald" else np.concatenate([edges.outer, placed(edges.inner[::-1], 0, 3.5)])


def _strands(edges: Edges, hair: Hair) -> Points:
    """Return the strands of combed hair, [strands, n, 2], side by side."""
    outer, inner = edges.outer, edges.inner
    if hair.cut in ("long", "bob") and hair.front != "fringe":
        share = np.linspace(0.06, 0.94, hair.num_strands)[:, None, None]
        return (outer * (1 - share) + inner * share)[:, 1:-1:2]
    # Combed up from the forehead and away from the part: each strand leans a little further over than its root.
    lean = round(5 * np.sign(hair.part)) if hair.front != "fringe" else 0
    roots = np.linspace(3, KNOTS - 4, 2 * hair.num_strands).astype(int)
    ends = np.clip(roots + lean, 2, KNOTS - 3)
    return inner[roots, None] + (outer[ends] - inner[roots])[:, None] * np.array([0.0, 0.35, 0.7, 0.92])[:, None]


def _draw_strands(canvas: Canvas, strands: Points, palette: Palette) -> None:
    tones = ((0, mix(palette.hair, BLACK, 0.22), 0.6), (1, mix(palette.hair, _SUN, 0.12), 0.5), (2, mix(palette.hair, BLACK, 0.36), 0.5))
    for first, colour, width in tones:
        canvas.lines(strands[first::3], colour, width)
    num_grey = round(palette.grey * len(strands))
    if num_grey:
        chosen = np.linspace(2, len(strands) - 3, num_grey).astype(int)
        canvas.lines(strands[chosen], mix(palette.hair, _GREY, 0.5), 0.6)


def _draw_curls(canvas: Canvas, edges: Edges, palette: Palette) -> None:
    dark, light, grey = mix(palette.hair, BLACK, 0.32), mix(palette.hair, _SUN, 0.22), mix(palette.hair, _GREY, 0.55)
    ring = ellipse(0, 0, 4.6, 4.2)[2:-6]
    rows = [(edges.outer * (1 - share) + edges.inner * share)[5 + shift : -5 : 6] for share, shift in ((0.18, 0), (0.5, 3), (0.82, 0))]
    middles = np.concatenate(rows)[:, None]
    canvas.lines(middles + ring, dark, 1.0)
    canvas.lines(middles + ring - 0.8, light, 0.6)
    num_grey = round(palette.grey * len(middles))
    if num_grey:
        chosen = np.linspace(0, len(middles) - 1, num_grey).astype(int)
        canvas.lines(middles[chosen] + ring - 0.8, grey, 0.8)


def _draw_side_fringe(canvas: Canvas, head: Head, palette: Palette) -> None:
    cheek = head.cheek
    patch = placed(smooth([(cheek - 3, 92), (cheek + 3, 96), (cheek + 4.5, 110), (cheek - 1, 120), (cheek - 4, 106)], closed=True))
    for outline in (patch, flipped(patch)):
        canvas.fill(outline, palette.hair)
