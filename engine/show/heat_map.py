"""Values from 0 to 1 as colours: tasks downwards, epochs across."""

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from rich.cells import cell_len

from engine.show.canvas import sheet
from engine.show.colours import Colours, styled
from engine.show.fitting import shorten
from engine.show.words import number

HEAT = "cividis_r"
"""Colours of the heat maps: safe for the colour-blind, and dark at 1, so that dropped tasks light up."""
NAME_CELLS = 24
INCHES_PER_LETTER = 0.07
CELLS_LABELLED = 12
"""A heat map of more epochs than this speaks by colour only."""
VECTOR_CELLS = 2000
"""A heat map of more cells than this is drawn as an image."""


def heat_map(colours: Colours, tasks: Sequence[str], epochs: Sequence[int], values: Sequence[Sequence[float | None]]) -> Figure:
    """Draw one measure of every task over the epochs, coloured from 0 to 1.

    Args:
        colours: Colours.
        tasks: Task names; untrusted text.
        epochs: The epochs, from 0; at least one.
        values: One row per task, one value per epoch; None leaves a gap.
    """
    with styled(colours):
        table = np.array([[np.nan if value is None else value for value in row] for row in values], np.float64)
        num_epochs = len(epochs)
        figure, axes = map_sheet(colours, tasks, min(7.6, max(1.5, 0.5 * num_epochs)))
        seams = colours.sheet if num_epochs <= CELLS_LABELLED else "none"
        axes.pcolormesh(table, cmap=HEAT, vmin=0, vmax=1, rasterized=table.size > VECTOR_CELLS, edgecolors=seams, linewidth=0.8)
        every = math.ceil(num_epochs / 20)
        axes.set_xticks([place + 0.5 for place in range(0, num_epochs, every)], [str(epoch + 1) for epoch in epochs[::every]])
        axes.set_xlabel("epoch")
        for (row, place), value in np.ndenumerate(table if num_epochs <= CELLS_LABELLED else table[:, :0]):
            if not np.isnan(value):
                text = {"ha": "center", "va": "center", "fontsize": 7, "color": readable_on(heat(value))}
                axes.text(place + 0.5, row + 0.5, number(value, 2), **text)
        return figure


def map_sheet(colours: Colours, tasks: Sequence[str], width: float) -> tuple[Figure, Axes]:
    """Return a figure and axes with a row per task, the first on top.

    Args:
        colours: Colours.
        tasks: Their names; untrusted text.
        width: Inches of the map itself.
    """
    names = [shorten(task, NAME_CELLS) for task in tasks]
    left = 0.15 + INCHES_PER_LETTER * max(cell_len(name) for name in names)
    figure, (axes,) = sheet(left + width, 0.24 * len(tasks) + 0.4, left=left, bottom=0.36, top=0.04)
    axes.set_ylim(len(tasks), 0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_yticks([row + 0.5 for row in range(len(tasks))], names)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", labelcolor=colours.ink)
    return figure, axes


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
