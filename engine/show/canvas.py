"""What all plots share: their style, their sheet in inches, and SVG that takes its ink from the page it stands on."""

import io
import re
import warnings
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, MUTED, GRID, ACCENT, SECOND, SHEET = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
"""Stand-ins for the page's colours: `to_svg` replaces each by the page's own, which differ between light and dark."""
_PAGE_COLOURS = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    GRID: "var(--line)",
    ACCENT: "var(--accent)",
    SECOND: "var(--second)",
    SHEET: "var(--sheet)",
}
PIXELS_PER_INCH = 108
"""Scale of the plots on a wide page; it makes their type as large as the page's small print."""
MIN_PIXELS_PER_INCH = 80
"""Scale below which a plot is rather scrolled than shrunk."""
DASHED = (0, (3, 3))
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 8,
    "text.color": INK,
    # A task name may hold dollar signs.
    "text.parse_math": False,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 7,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "lines.linewidth": 1.6,
}


def sheet(
    width: float, height: float, shape: tuple[int, int] = (1, 1), *, left: float = 0.4, bottom: float = 0.3, top: float = 0.22
) -> tuple[Figure, list[Axes]]:
    """Return a figure of that size in inches with rows by columns of axes inside margins in inches, row by row."""
    figure = Figure(figsize=(width, height))
    FigureCanvasSVG(figure)
    axes = figure.subplots(*shape, squeeze=False)
    figure.subplots_adjust(left=left / width, right=1 - 0.06 / width, bottom=bottom / height, top=1 - top / height)
    return figure, list(axes.flat)


def to_svg(figure: Figure, salt: str, *, shrinks: bool = False) -> Markup:
    """Return the figure as an `<svg>` element to stand inside a page.

    Args:
        figure: The figure; its text is escaped by matplotlib.
        salt: What sets this figure's element ids apart from those of the others on the page.
        shrinks: Whether the page may make it as small as it likes.
    """
    buffer = io.StringIO()
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": salt}):
        # The browser draws the letters; that matplotlib's own font lacks some of them does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    head, body = svg[svg.index("<svg") :].split(">", 1)
    for stand_in, colour in _PAGE_COLOURS.items():
        body = body.replace(f": {stand_in}", f": {colour}")
    inches = figure.get_figwidth()
    style = "" if shrinks else f' style="max-width: {PIXELS_PER_INCH * inches:.0f}px; min-width: {MIN_PIXELS_PER_INCH * inches:.0f}px"'
    svg = re.sub(r' (width|height)="[^"]*"', "", head) + f"{style}>{body}"
    return Markup(svg)  # noqa: S704 (matplotlib escapes what it writes)
