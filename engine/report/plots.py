"""The plots of the report page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from engine.report.rows import mean
from engine.show import heat_map as heat
from engine.show.canvas import ACCENT, DASHED, MUTED, SECOND, sheet, to_svg
from engine.show.colours import PAGE, styled

PANEL_INCHES = (2.05, 1.05)
EPOCHS_DOTTED = 30
"""A line through more epochs than this shows no dots."""


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


@styled(PAGE)
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


def heat_map(series: Series) -> Markup:
    """Return the tasks downwards and the epochs across, coloured from 0 to 1."""
    with styled(PAGE):
        return to_svg(heat.heat_map(PAGE, series.tasks, series.epochs, series.values), series.name)


@styled(PAGE)
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


def _line(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.08 * (high - low) or 0.05
    return low - margin, high + margin
