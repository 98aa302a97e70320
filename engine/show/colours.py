"""The colours of plots: the page's own, which differ between light and dark, or those of white paper."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
from markupsafe import Markup

from engine.show.canvas import ACCENT, GRID, INK, MUTED, SECOND, SHEET, STYLE

NUM_SERIES = 8
DASHES = (
    "solid",
    (0, (5, 3)),
    (0, (1, 1.7)),
    (0, (6, 2.5, 1, 2.5)),
    (0, (2.5, 2.5)),
    (0, (9, 3.5)),
    (0, (6, 2, 1, 2, 1, 2)),
    (0, (8, 2.5, 3, 2.5)),
)
"""Only the first line is whole: lines are drawn one over the other, and through the gaps of a later one an equal earlier one is seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Colours:
    """Colours by what they are for, as `#rrggbb`."""

    ink: str
    """Text."""
    muted: str
    """Small print and reference lines."""
    grid: str
    """Lines behind the data."""
    accent: str
    """The data where there is only one kind."""
    second: str
    """A second kind beside it."""
    sheet: str
    """What lies below."""
    series: tuple[str, ...]
    """One colour per variant."""

    def line(self, place: int) -> tuple[str, object]:
        """Return colour and dashes of the variant at a place, from 0."""
        # Eight colours and seven patterns: only after 56 variants a pair comes again.
        return self.series[place % NUM_SERIES], DASHES[(place - 1) % (len(DASHES) - 1) + 1] if place else DASHES[0]


WHITE = Colours(
    ink="#1c2126",
    muted="#667079",
    grid="#dfe3e6",
    accent="#0a6ebd",
    second="#c75b12",
    sheet="#ffffff",
    series=("#667079", "#c75b12", "#0a6ebd", "#14763f", "#8c3fb0", "#b3261e", "#8a6d00", "#0e7c86"),
)
"""For paper and slides; chosen to be told apart by the colour-blind as far as eight lines can be, and never by colour alone: names stand
at the lines."""
DARK_SERIES = ("#98a2ab", "#f0a061", "#62b3f5", "#5fd38d", "#cf8df0", "#ff8f85", "#d9bc4a", "#4fc7d1")
"""The same on a dark page."""
_STAND_INS = tuple(f"#0a0a0{number}" for number in range(1, NUM_SERIES + 1))
PAGE = Colours(ink=INK, muted=MUTED, grid=GRID, accent=ACCENT, second=SECOND, sheet=SHEET, series=_STAND_INS)
"""Stand-ins for the page's own colours."""


@contextmanager
def styled(colours: Colours) -> Iterator[None]:
    """Draw in the house's style with these colours, for the length of the block."""
    replaced = {INK: colours.ink, MUTED: colours.muted, GRID: colours.grid}
    with mpl.rc_context({key: replaced.get(value, value) if isinstance(value, str) else value for key, value in STYLE.items()}):
        yield


def page_coloured(svg: Markup) -> Markup:
    """Return a drawing whose stand-ins for variants are the page's colours; `engine.show.canvas.to_svg` has replaced the others."""
    text = str(svg)
    for number, stand_in in enumerate(_STAND_INS, start=1):
        text = text.replace(f": {stand_in}", f": var(--series-{number})")
    return Markup(text)  # noqa: S704 (the drawing was markup before)


def series_css(colours: tuple[str, ...]) -> str:
    """Return the variants' colours as CSS variables.

    >>> series_css(("#ffffff",))
    '--series-1: #ffffff;'
    """
    return " ".join(f"--series-{number}: {colour};" for number, colour in enumerate(colours, start=1))
