"""A map of tasks downwards and steps across: which tasks each step trained."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from engine.show.colours import Colours, styled
from engine.show.heat_map import HEAT, map_sheet

MOST_COLUMNS = 1200
"""A run of more steps than this is drawn in pieces of several steps, each of which shows the share of them."""


def active_tasks(colours: Colours, tasks: Sequence[str], masks: NDArray[np.bool_], num_epochs: int) -> Figure:
    """Draw which tasks were trained in each step, dark for trained.

    Args:
        colours: Colours.
        tasks: Task names; untrusted text.
        masks: [steps of the run, T].
        num_epochs: Epochs of the run; a line stands between them unless there are many.
    """
    with styled(colours):
        shares = in_pieces(masks, MOST_COLUMNS)
        figure, axes = map_sheet(colours, tasks, 7.6)
        num_steps = len(masks)
        axes.imshow(shares.T, cmap=HEAT, vmin=0, vmax=1, aspect="auto", interpolation="nearest", extent=(0, num_steps, len(tasks), 0))
        for boundary in range(1, num_epochs if num_epochs <= 30 else 0):
            axes.axvline(boundary * num_steps / num_epochs, color=colours.sheet, linewidth=0.8)
        for boundary in range(1, len(tasks)):
            axes.axhline(boundary, color=colours.sheet, linewidth=1.2)
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
