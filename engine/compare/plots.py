"""Which plots a comparison has, what they say, and each as part of the page and as a picture."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from numpy.typing import NDArray

from engine.compare.assess import MEAN
from engine.compare.charts import Bars, Curve, curves, differences
from engine.compare.findings import Difference, Findings, TaskFindings, VariantFindings
from engine.compare.maps import MOST_COLUMNS, active_tasks
from engine.compare.measures import measure_of
from engine.show.canvas import to_svg
from engine.show.colours import PAGE, WHITE, Colours, page_coloured, styled
from engine.show.heat_map import heat_map
from shards.command import one_line
from shards.errors import DataError

DOTS_PER_INCH = 160
"""Of the pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """One plot."""

    name: str
    """Its file's name, without an ending."""
    title: str
    """Its heading."""
    caption: str
    """What is to be seen, and how."""
    draw: Callable[[Colours], Figure]
    """Draws it in the given colours."""
    has_scale: bool = False
    """Whether its colours run from 0 to 1."""

    def svg(self) -> Markup:
        """Return it as part of the page."""
        with styled(PAGE):
            return page_coloured(to_svg(self.draw(PAGE), self.name))

    def write_png(self, folder: Path) -> Path:
        """Write it as a picture on white and return its path.

        Raises:
            DataError: It cannot be written.
        """
        path = folder / f"{self.name}.png"
        with styled(WHITE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            try:
                figure = self.draw(WHITE)
                # Above the drawing, where the page has a heading.
                figure.text(0.01, 1.02, self.title, fontsize=10, va="bottom")
                options: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.12, "metadata": {"Software": None}}
                figure.savefig(path, dpi=DOTS_PER_INCH, facecolor=WHITE.sheet, **options)
            except OSError as error:
                raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
        return path


def make_plots(findings: Findings, masks: Mapping[str, NDArray[np.bool_]]) -> list[Plot]:
    """Return the plots for which there is something to draw.

    Args:
        findings: What is drawn.
        masks: Variant's name -> [steps of the run, T], the tasks that its first run trained in each step; of those that drop tasks.
    """
    maps = [plot for variant in findings.variants if variant.drops_tasks for plot in _maps(findings, variant, masks.get(variant.name))]
    return [*_curves(findings), *_differences(findings), *maps]


def _curves(findings: Findings) -> list[Plot]:
    series = [curve for variant in findings.variants if (curve := _curve(variant))]
    if not series:
        return []
    name = measure_of(findings.metric).name
    band = ""
    if len(findings.seeds) > 1:
        band = f", and one standard deviation over {len(findings.seeds)} seeds to either side"
    caption = f"Mean over the tasks after each epoch{band}."
    return [Plot(name="val", title=f"{name.capitalize()} on val", caption=caption, draw=partial(curves, series=series))]


def _curve(variant: VariantFindings) -> Curve | None:
    values = np.array([[np.nan if value is None else value for value in row] for row in variant.val], np.float64)
    if not values.size or np.isnan(values).any():
        return None
    deviations = tuple(values.std(axis=0, ddof=1).tolist()) if len(values) > 1 else None
    return Curve(name=variant.name, epochs=variant.val_epochs, means=tuple(values.mean(axis=0).tolist()), deviations=deviations)


def _differences(findings: Findings) -> list[Plot]:
    by_single = any(variant.single for variant in findings.variants)
    other = "stl" if by_single else "mtl"
    series = []
    for place, variant in enumerate(findings.variants):
        entries = [*variant.tasks, variant.overall]
        found = [_to(entry, single=by_single) for entry in entries]
        if any(found):
            means = tuple(100 * mean if known and (mean := known.mean) is not None else None for known in found)
            errors = tuple(100 * error if known and (error := known.standard_error) is not None else None for known in found)
            series.append(Bars(name=variant.name, place=place, points=means, errors=errors))
    if not series:
        return []
    name = measure_of(findings.metric).name
    lines = " The thin lines reach one standard error of the mean over the seeds to either side." if len(findings.seeds) > 1 else ""
    against = "single-task training (stl)" if by_single else "plain multitask learning (mtl)"
    caption = f"Points of {findings.split} {name} above that of {against}: to the right is better.{lines}"
    tasks = (*findings.tasks, MEAN)
    return [
        Plot(
            name=f"difference-to-{other}",
            title=f"Difference to {other}",
            caption=caption,
            draw=partial(differences, tasks=tasks, series=series),
        )
    ]


def _to(entry: TaskFindings, *, single: bool) -> Difference | None:
    return entry.to_single if single else entry.to_baseline


def _maps(findings: Findings, variant: VariantFindings, masks: NDArray[np.bool_] | None) -> Sequence[Plot]:
    name, file = one_line(variant.name), Path(variant.folder).name
    seeds = f", mean over {len(findings.seeds)} seeds" if len(findings.seeds) > 1 else ""
    epochs = range(len(variant.probabilities))
    found = [
        Plot(
            name=f"probabilities-{file}",
            title=f"P(k, t) under {name}",
            caption=f"The probability with which a task is trained in a step{seeds}.",
            draw=partial(heat_map, tasks=findings.tasks, epochs=epochs, values=list(zip(*variant.probabilities, strict=True))),
            has_scale=True,
        )
    ]
    if masks is not None:
        pieces = "" if len(masks) <= MOST_COLUMNS else " Each column is the share of several steps."
        found.append(
            Plot(
                name=f"active-{file}",
                title=f"Active tasks under {name}",
                caption=f"Which tasks each step trained with seed {findings.seeds[0]}; dark is trained.{pieces}",
                draw=partial(active_tasks, tasks=findings.tasks, masks=masks, num_epochs=len(variant.probabilities)),
                has_scale=True,
            )
        )
    return found
