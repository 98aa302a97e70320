from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from engine.compare.charts import FACETS_PER_ROW, TICKS_END, Bars, Curve, curves, differences, ticks_within
from engine.show.colours import WHITE

TASKS = ("Young", "Bald", "mean")


def bars(name="dst", place=0, errors=(0.5, None, 0.1)):
    return Bars(name=name, place=place, points=(-2.0, None, 1.0), errors=errors)


def test_a_line_and_a_band_per_variant():
    series = [
        Curve(name="mtl", epochs=(0, 1), means=(0.5, 0.75), deviations=(0.1, 0.2)),
        Curve(name="dst", epochs=(0, 1), means=(0.25, 0.5), deviations=None),
    ]
    (axes,) = curves(WHITE, series).axes
    assert [line.get_ydata().tolist() if hasattr(line.get_ydata(), "tolist") else list(line.get_ydata()) for line in axes.lines] == [
        [0.5, 0.75],
        [0.25, 0.5],
    ]
    assert axes.lines[0].get_xdata()[0] == 1
    assert len(axes.collections) == 1
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (pytest.approx(0.4), pytest.approx(0.95))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mtl", "dst"]


def test_a_line_shows_through_the_one_that_covers_it():
    same = {"epochs": (0, 1), "means": (0.5, 0.75), "deviations": None}
    (axes,) = curves(WHITE, [Curve(name="mtl", **same), Curve(name="dst", **same)]).axes
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--"]
    assert [line.get_linestyle() for line in axes.get_legend().get_lines()] == ["-", "--"]


def test_a_panel_per_variant_and_a_bar_per_task():
    first, second = differences(WHITE, TASKS, [bars("mtl"), bars("dst", 1)]).axes
    assert [bar.get_width() for bar in first.patches] == [-2.0, 1.0]
    assert [label.get_text() for label in first.get_yticklabels()] == list(TASKS)
    assert [label.get_text() for label in second.get_yticklabels()] == [""] * 3
    assert first.get_xlim() == second.get_xlim() == (pytest.approx(-2.7), pytest.approx(2.7))
    assert [panel.get_title(loc="left") for panel in (first, second)] == ["mtl", "dst"]
    reach = [line.get_xdata() for line in first.lines if len(set(np.array(line.get_ydata()))) == 1 and len(line.get_xdata()) == 2]
    assert [-2.5, -1.5] in [list(ends) for ends in reach]


@given(st.floats(1e-4, 1e4))
def test_ticks_are_round_symmetric_and_clear_of_the_ends(limit):
    ticks = ticks_within(limit)
    assert len(ticks) >= 3
    assert ticks == pytest.approx([-tick for tick in reversed(ticks)])
    assert max(ticks) <= TICKS_END * limit


@pytest.mark.parametrize("largest", [0.019, 0.25, 1.5, 7.0, 19.7, 23.0, 48.0])
def test_labels_of_neighbouring_panels_are_apart(largest):
    tasks = ("Wearing_A_Necklace_Of_Large_Shiny_Pearls", "mean", "mean of tasks")
    series = [Bars(name=f"v{place}", place=place, points=(-largest, 0.0, largest), errors=(None,) * 3) for place in range(FACETS_PER_ROW)]
    figure = differences(WHITE, tasks, series)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [label.get_window_extent(renderer) for axes in figure.axes for label in axes.get_xticklabels()]
    gaps = [after.x0 - before.x1 for before, after in pairwise(boxes)]
    assert min(gaps) > 0.04 * figure.dpi
    names = [label.get_window_extent(renderer) for label in figure.axes[0].get_yticklabels()]
    assert min(box.x0 for box in names) >= 0


def test_colours_are_those_of_the_curves():
    panels = differences(WHITE, TASKS, [bars("dst", 3)]).axes
    assert panels[0].patches[0].get_facecolor()[:3] == pytest.approx([int(WHITE.series[3][i : i + 2], 16) / 255 for i in (1, 3, 5)])


@pytest.mark.parametrize("number", [1, FACETS_PER_ROW, FACETS_PER_ROW + 1, 9])
def test_any_number_of_variants(number):
    figure = differences(WHITE, TASKS, [bars(f"v{place}", place) for place in range(number)])
    assert len(figure.axes) == number


def test_no_difference_at_all_has_a_scale():
    nothing = Bars(name="dst", place=0, points=(0.0, 0.0, 0.0), errors=(0.0, 0.0, 0.0))
    (panel,) = differences(WHITE, TASKS, [nothing]).axes
    assert panel.get_xlim() == (-1, 1)
