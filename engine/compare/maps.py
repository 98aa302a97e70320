"""Two maps of tasks downwards and time across: P per epoch, and the tasks of each step."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from rich.cells import cell_len

from engine.compare.inks import Inks, styled
from engine.report.canvas import sheet
from engine.report.plots import CELLS_LABELLED, HEAT, INCHES_PER_LETTER, NAME_CELLS, VECTOR_CELLS, heat, readable_on
from engine.report.tables import shorten
from engine.report.words import number

MOST_COLUMNS = 1200
"""A run of more steps than this is drawn in pieces of several steps, each of which shows the share of them."""


def probabilities(inks: Inks, tasks: Sequence[str], values: Sequence[Sequence[float]]) -> Figure:
    """Draw P(k, t), coloured from 0 to 1.

    Args:
        inks: Colours.
        tasks: Task names; untrusted text.
        values: One row per epoch, one value per task.
    """
    with styled(inks):
        table = np.array(values).T
        num_epochs = table.shape[1]
        figure, axes = _map_sheet(inks, tasks, min(7.6, max(1.5, 0.5 * num_epochs)))
        seams = inks.sheet if num_epochs <= CELLS_LABELLED else "none"
        axes.pcolormesh(table, cmap=HEAT, vmin=0, vmax=1, rasterized=table.size > VECTOR_CELLS, edgecolors=seams, linewidth=0.8)
        every = math.ceil(num_epochs / 20)
        axes.set_xticks([place + 0.5 for place in range(0, num_epochs, every)], [str(place + 1) for place in range(0, num_epochs, every)])
        axes.set_xlabel("epoch")
        for row, line in enumerate(table if num_epochs <= CELLS_LABELLED else ()):
            for place, value in enumerate(line):
                colour = readable_on(heat(value))
                axes.text(place + 0.5, row + 0.5, number(value, 2), ha="center", va="center", fontsize=7, color=colour)
        return figure


def active_tasks(inks: Inks, tasks: Sequence[str], masks: NDArray[np.bool_], num_epochs: int) -> Figure:
    """Draw which tasks were trained in each step, dark for trained.

    Args:
        inks: Colours.
        tasks: Task names; untrusted text.
        masks: [steps of the run, T].
        num_epochs: Epochs of the run; a line stands between them unless there are many.
    """
    with styled(inks):
        shares = in_pieces(masks, MOST_COLUMNS)
        figure, axes = _map_sheet(inks, tasks, 7.6)
        num_steps = len(masks)
        axes.imshow(shares.T, cmap=HEAT, vmin=0, vmax=1, aspect="auto", interpolation="nearest", extent=(0, num_steps, len(tasks), 0))
        for boundary in range(1, num_epochs if num_epochs <= 30 else 0):
            axes.axvline(boundary * num_steps / num_epochs, color=inks.sheet, linewidth=0.8)
        for boundary in range(1, len(tasks)):
            axes.axhline(boundary, color=inks.sheet, linewidth=1.2)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel("step of the run")
        return figure


def in_pieces(masks: NDArray[np.bool_], most: int) -> NDArray[np.float64]:
    """Return [pieces, T]: the share of each piece's steps in which a task was trained; all pieces but the last are equally long.

    >>> in_pieces(np.array([[True], [False], [False]]), 2)
    array([[0.5],
           [0. ]])
    """
    size = math.ceil(len(masks) / most)
    starts = np.arange(0, len(masks), size)
    counts = np.diff(np.append(starts, len(masks)))
    return np.add.reduceat(masks.astype(np.float64), starts) / counts[:, None]


def _map_sheet(inks: Inks, tasks: Sequence[str], width: float) -> tuple[Figure, Axes]:
    names = [shorten(task, NAME_CELLS) for task in tasks]
    left = 0.15 + INCHES_PER_LETTER * max(cell_len(name) for name in names)
    figure, (axes,) = sheet(left + width, 0.24 * len(tasks) + 0.4, left=left, bottom=0.36, top=0.04)
    axes.set_ylim(len(tasks), 0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_yticks([row + 0.5 for row in range(len(tasks))], names)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", labelcolor=inks.ink)
    return figure, axes
