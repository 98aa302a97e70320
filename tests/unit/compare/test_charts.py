import numpy as np
import pytest

from engine.compare.charts import FACETS_PER_ROW, Bars, Curve, curves, differences
from engine.compare.inks import WHITE

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


def test_a_panel_per_variant_and_a_bar_per_task():
    first, second = differences(WHITE, TASKS, [bars("mtl"), bars("dst", 1)]).axes
    assert [bar.get_width() for bar in first.patches] == [-2.0, 1.0]
    assert [label.get_text() for label in first.get_yticklabels()] == list(TASKS)
    assert [label.get_text() for label in second.get_yticklabels()] == [""] * 3
    assert first.get_xlim() == second.get_xlim() == (pytest.approx(-2.7), pytest.approx(2.7))
    assert [panel.get_title(loc="left") for panel in (first, second)] == ["mtl", "dst"]
    reach = [line.get_xdata() for line in first.lines if len(set(np.array(line.get_ydata()))) == 1 and len(line.get_xdata()) == 2]
    assert [-2.5, -1.5] in [list(ends) for ends in reach]


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
