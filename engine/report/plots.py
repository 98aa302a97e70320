"""The plots of the report page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.colors import to_hex
from matplotlib.ticker import MaxNLocator
from rich.cells import cell_len

from engine.report.canvas import ACCENT, DASHED, INK, MUTED, SECOND, SHEET, sheet, styled, to_svg
from engine.report.rows import mean
from engine.report.tables import shorten
from engine.report.words import number

HEAT = "cividis_r"
"""Colours of the heat maps: safe for the colour-blind, and dark at 1, so that dropped tasks light up."""
PANEL_INCHES = (2.05, 1.05)
EPOCHS_DOTTED = 30
"""A line through more epochs than this shows no dots."""
NAME_CELLS = 24
INCHES_PER_LETTER = 0.07
CELLS_LABELLED = 12
"""A heat map of more epochs than this speaks by colour only."""
VECTOR_CELLS = 2000
"""A heat map of more cells than this is drawn as an image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One measure of every task over the epochs."""

    name: str
    """What is measured, as an identifier."""
    tasks: tuple[str, ...]
    """Task names; untrusted text."""
    epochs: tuple[int, ...]
    """The epochs, from 0, that were measured; at least one."""
    values: tuple[tuple[float | None, ...], ...]
    """One row per task, one value per epoch; None leaves a gap."""


@styled
def panels(series: Series, *, level: float | None = None) -> list[Markup]:
    """Return one small plot per task, all on the same axes, the mean over the tasks behind each.

    Args:
        series: What to draw.
        level: A value to mark with a dashed line: chance, for instance.
    """
    x = [epoch + 1 for epoch in series.epochs]
    behind = _line([mean(column) for column in zip(*series.values, strict=True)])
    limits = _limits([value for row in series.values for value in row if value is not None] + ([] if level is None else [level]))
    drawn = []
    for task, values in enumerate(series.values):
        figure, (axes,) = sheet(*PANEL_INCHES, left=0.3, bottom=0.2, top=0.04)
        axes.plot(x, behind, color=MUTED, linewidth=0.8, alpha=0.7)
        axes.plot(x, _line(values), color=ACCENT, marker="o" if len(x) <= EPOCHS_DOTTED else None, markersize=2.6)
        if level is not None:
            axes.axhline(level, color=MUTED, linewidth=0.8, linestyle=DASHED)
        axes.set_xlim(min(x) - 0.4, max(x) + 0.4)
        axes.set_ylim(*limits)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.tick_params(length=0)
        drawn.append(to_svg(figure, f"{series.name}-{task}", shrinks=True))
    return drawn


@styled
def heat_map(series: Series) -> Markup:
    """Return the tasks downwards and the epochs across, coloured from 0 to 1."""
    num_epochs, num_tasks = len(series.epochs), len(series.tasks)
    names = [shorten(task, NAME_CELLS) for task in series.tasks]
    left = 0.15 + INCHES_PER_LETTER * max(cell_len(name) for name in names)
    width = left + min(7.6, max(1.5, 0.5 * num_epochs))
    figure, (axes,) = sheet(width, 0.24 * num_tasks + 0.4, left=left, bottom=0.36, top=0.04)
    seams = SHEET if num_epochs <= CELLS_LABELLED else "none"
    rasterized = num_epochs * num_tasks > VECTOR_CELLS
    axes.pcolormesh(
        [_line(row) for row in series.values], cmap=HEAT, vmin=0, vmax=1, rasterized=rasterized, edgecolors=seams, linewidth=0.8
    )
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_yticks([row + 0.5 for row in range(num_tasks)], names)
    every = math.ceil(num_epochs / 20)
    axes.set_xticks([place + 0.5 for place in range(0, num_epochs, every)], [str(epoch + 1) for epoch in series.epochs[::every]])
    axes.tick_params(length=0)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_xlabel("epoch")
    for row, line in enumerate(series.values if num_epochs <= CELLS_LABELLED else ()):
        for place, value in enumerate(line):
            if value is not None:
                axes.text(place + 0.5, row + 0.5, number(value, 2), ha="center", va="center", fontsize=7, color=readable_on(heat(value)))
    return to_svg(figure, series.name)


@styled
def speed(epochs: Sequence[int], rates: Sequence[float], waits: Sequence[float], level: float) -> Markup:
    """Return throughput per epoch above the share of time spent waiting for data.

    Args:
        epochs: Epochs, from 0; at least one.
        rates: Images per second.
        waits: Data wait shares, 0 to 1.
        level: The share, 0 to 1, above which a run is data-bound; drawn as a dashed line.
    """
    figure, (upper, lower) = sheet(9.35, 2.9, (2, 1), left=0.55, bottom=0.4)
    figure.subplots_adjust(hspace=0.4)
    x = [epoch + 1 for epoch in epochs]
    upper.bar(x, rates, width=0.7, color=ACCENT)
    upper.set_title("images/s", loc="left", fontsize=8, pad=4)
    lower.bar(x, [100 * wait for wait in waits], width=0.7, color=SECOND)
    lower.set_title("data wait, % of the time", loc="left", fontsize=8, pad=4)
    lower.axhline(100 * level, color=MUTED, linewidth=0.8, linestyle=DASHED)
    lower.set_ylim(0, max(110 * max(waits), 125 * level))
    for axes in (upper, lower):
        axes.set_xlim(0.4, max(x) + 0.6)
        axes.grid(visible=False, axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=20))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.tick_params(length=0)
    upper.tick_params(labelbottom=False)
    lower.set_xlabel("epoch")
    return to_svg(figure, "speed")


def heat_gradient() -> str:
    """Return the heat maps' colours from 0 to 1 as a CSS gradient."""
    return f"linear-gradient(to right, {', '.join(heat(step / 8) for step in range(9))})"


def heat(value: float) -> str:
    """Return the heat maps' colour of a value, 0 to 1, as `#rrggbb`."""
    # An integer would be an index into the colour table.
    return to_hex(tuple(mpl.colormaps[HEAT](float(value))))


def readable_on(colour: str) -> str:
    """Return black or white, whichever can be read on a colour given as `#rrggbb`."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else "#000000"


def _line(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.08 * (high - low) or 0.05
    return low - margin, high + margin
