import numpy as np
import pytest

from engine.compare.plots import make_plots
from engine.show.colours import DASHES, NUM_SERIES, PAGE, WHITE, page_coloured
from shards.errors import DataError
from tests.unit.compare.found import difference, findings, variant

MASKS = {"dst": np.array([[True, False]] * 12)}


def found(**fields):
    return findings(
        variant("mtl", suffering=(True, False)),
        variant("dst", to_baseline=difference(0.5), suffering=(False, False), probability=0.5),
        **fields,
    )


def test_everything_there_is_to_draw():
    plots = make_plots(found(), MASKS)
    assert [plot.name for plot in plots] == ["val", "difference-to-stl", "probabilities-dst", "active-dst"]
    assert "one standard deviation over 3 seeds" in plots[0].caption
    assert "single-task training" in plots[1].caption
    assert "seed 0" in plots[3].caption


def test_without_stl_the_difference_is_to_mtl():
    plots = make_plots(findings(variant("mtl"), variant("dst", to_baseline=difference(0.5))), {})
    assert [plot.name for plot in plots] == ["val", "difference-to-mtl", "probabilities-dst"]


def test_without_anything_to_compare_or_val_little_is_drawn():
    assert make_plots(findings(variant("mtl", val=((), (), ()), val_epochs=())), {}) == []
    assert make_plots(findings(variant("mtl", val=((None, None),), val_epochs=(0, 1)), seeds=(0,)), {}) == []


def test_on_the_page_colours_are_the_pages():
    for plot in make_plots(found(), MASKS):
        svg = str(plot.svg())
        for stand_in in (PAGE.ink, PAGE.muted, PAGE.grid, PAGE.sheet, *PAGE.series):
            assert stand_in not in svg, (plot.name, stand_in)
    assert "var(--series-1)" in str(make_plots(found(), MASKS)[0].svg())


def test_pictures_are_on_white_and_repeat_byte_for_byte(tmp_path):
    for plot in make_plots(found(), MASKS):
        path = plot.write_png(tmp_path)
        first = path.read_bytes()
        assert first.startswith(b"\x89PNG")
        assert path.name == f"{plot.name}.png"
        assert plot.write_png(tmp_path).read_bytes() == first


def test_names_from_the_data_are_text_in_every_plot():
    hostile = ("<script>alert(1)</script>\x1b[31m$x_", "顔")
    made = findings(variant("mtl", tasks=hostile), variant("dst", to_baseline=difference(1), probability=0.5, tasks=hostile), tasks=hostile)
    for plot in make_plots(made, MASKS):
        svg = str(plot.svg())
        assert "<script" not in svg
        assert "\x1b" not in svg


def test_a_picture_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(DataError, match=r"missing/val.png: cannot be written: No such file"):
        make_plots(found(), MASKS)[0].write_png(tmp_path / "missing")


def test_more_variants_than_colours_differ_by_their_dashes():
    lines = [WHITE.line(place) for place in range(NUM_SERIES * (len(DASHES) - 1) + 1)]
    assert len(set(lines)) == len(lines)


def test_only_the_first_line_is_whole_and_its_neighbours_differ_in_dashes():
    dashes = [WHITE.line(place)[1] for place in range(40)]
    assert dashes[0] == "solid"
    assert "solid" not in dashes[1:]
    assert len(set(dashes[:8])) == 8


def test_only_style_colours_are_replaced():
    assert page_coloured(f"<text>{PAGE.series[0]}</text><path style='stroke: {PAGE.series[1]}'/>") == (
        f"<text>{PAGE.series[0]}</text><path style='stroke: var(--series-2)'/>"
    )
