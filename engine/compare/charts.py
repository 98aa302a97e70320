"""Two charts: the learning curves of all variants, and each variant's difference per task."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.cells import cell_len

from engine.show.canvas import DASHED, sheet
from engine.show.colours import Colours, styled
from engine.show.fitting import shorten

WIDTH = 9.35
"""Inches of a chart on a wide page."""
NAME_CELLS = 30
INCHES_PER_LETTER = 0.075
LEGEND_LINE = 4.5
"""Letter heights of a line in the legend: long enough for its dashes to be told apart."""
EPOCHS_DOTTED = 30
"""A line through more epochs than this shows no dots."""
FACETS_PER_ROW = 4
TICKS_END = 0.85
"""Share of an axis, from its middle, beyond which it has no labels."""
MOST_INCHES = 3.2
"""A panel is no wider than this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """One variant over the epochs."""

    name: str
    """What the variant is called."""
    epochs: tuple[int, ...]
    """The epochs, from 0."""
    means: tuple[float, ...]
    """Mean over the seeds per epoch."""
    deviations: tuple[float, ...] | None
    """Standard deviation over the seeds; None with one seed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bars:
    """One variant's difference on every task."""

    name: str
    """What the variant is called."""
    place: int
    """Its place among all variants, which gives its colour."""
    points: tuple[float | None, ...]
    """Difference per task in points, the mean over the tasks last."""
    errors: tuple[float | None, ...]
    """Standard error of each; None with one seed."""


def curves(colours: Colours, series: Sequence[Curve]) -> Figure:
    """Draw a line per variant, with a band of one standard deviation to either side."""
    with styled(colours):
        names = [shorten(curve.name, NAME_CELLS) for curve in series]
        room = 0.85 + INCHES_PER_LETTER * max(cell_len(name) for name in names)
        figure, (axes,) = sheet(WIDTH, max(3.2, 0.18 * len(series) + 0.6), left=0.5, bottom=0.4, top=0.08)
        figure.subplots_adjust(right=1 - room / WIDTH)
        for place, (curve, name) in enumerate(zip(series, names, strict=True)):
            colour, dashes = colours.line(place)
            x = [epoch + 1 for epoch in curve.epochs]
            if curve.deviations:
                pairs = list(zip(curve.means, curve.deviations, strict=True))
                low, high = [mean - deviation for mean, deviation in pairs], [mean + deviation for mean, deviation in pairs]
                axes.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
            axes.plot(
                x, curve.means, color=colour, linestyle=dashes, label=name, marker="o" if len(x) <= EPOCHS_DOTTED else None, markersize=2.6
            )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=20))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.tick_params(length=0)
        axes.set_xlabel("epoch")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, labelspacing=0.6, handlelength=LEGEND_LINE)
        return figure


def differences(colours: Colours, tasks: Sequence[str], series: Sequence[Bars]) -> Figure:
    """Draw a panel per variant with a bar per task, all on the same axes, the mean over the tasks below a gap.

    Args:
        colours: Colours.
        tasks: Names of the bars, the mean's last.
        series: The variants.
    """
    with styled(colours):
        names = [shorten(task, 24) for task in tasks]
        left = 0.15 + INCHES_PER_LETTER * max(cell_len(name) for name in names)
        rows = math.ceil(len(series) / FACETS_PER_ROW)
        columns = math.ceil(len(series) / rows)
        height = 0.2 * (len(tasks) + 0.5)
        width = left + min(MOST_INCHES, (WIDTH - left) / columns) * columns
        figure, facets = sheet(width, rows * (height + 0.62) + 0.1, (rows, columns), left=left, bottom=0.42, top=0.3)
        figure.subplots_adjust(wspace=0.08, hspace=0.62 / height)
        limit = _limit(series)
        ticks = ticks_within(limit)
        for axes in facets[len(series) :]:
            axes.remove()
        for number, (axes, bars) in enumerate(zip(facets, series, strict=False)):
            _panel(axes, bars, colours, len(tasks))
            axes.set_xlim(-limit, limit)
            axes.set_xticks(ticks)
            axes.set_title(shorten(bars.name, 26), loc="left", fontsize=8, pad=4)
            shown = names if number % columns == 0 else [""] * len(names)
            axes.set_yticks(_places(len(tasks)), shown)
            axes.tick_params(axis="y", labelcolor=colours.ink)
            axes.set_xlabel("points")
        return figure


def _places(num_bars: int) -> list[float]:
    return [*(float(place) for place in range(num_bars - 1)), num_bars - 0.5]


def _panel(axes: Axes, bars: Bars, colours: Colours, num_bars: int) -> None:
    colour = colours.line(bars.place)[0]
    triples = zip(_places(num_bars), bars.points, bars.errors, strict=True)
    known = [(place, value, error) for place, value, error in triples if value is not None]
    axes.barh([place for place, _, _ in known], [value for _, value, _ in known], height=0.62, color=colour)
    for place, value, error in known:
        if error is not None:
            axes.plot([value - error, value + error], [place, place], color=colours.ink, linewidth=0.9, solid_capstyle="butt")
    axes.axvline(0, color=colours.muted, linewidth=0.8)
    axes.axhline(num_bars - 1.25, color=colours.grid, linewidth=0.8, linestyle=DASHED)
    axes.set_ylim(num_bars, -0.6)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0)


def ticks_within(limit: float) -> list[float]:
    """Return round numbers on both sides of zero, none so near an end that its label would touch one of the next panel.

    >>> ticks_within(20.5)
    [-10.0, 0.0, 10.0]
    """
    ticks = [float(tick) for tick in MaxNLocator(nbins=5, symmetric=True).tick_values(-limit, limit)]
    return [tick for tick in ticks if abs(tick) <= TICKS_END * limit]


def _limit(series: Sequence[Bars]) -> float:
    pairs = [pair for bars in series for pair in zip(bars.points, bars.errors, strict=True)]
    ends = [abs(value) + (error or 0) for value, error in pairs if value is not None]
    return 1.08 * max(ends, default=0.0) or 1.0
