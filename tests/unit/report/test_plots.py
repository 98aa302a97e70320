import re
import xml.etree.ElementTree as ET

import pytest

from engine.report.plots import Series, heat_map, panels, speed
from engine.show.heat_map import heat, heat_gradient

SVG = "{http://www.w3.org/2000/svg}"


def series(num_tasks: int = 2, num_epochs: int = 3, name: str = "Young") -> Series:
    values = tuple(tuple(0.5 + 0.01 * epoch + 0.1 * task for epoch in range(num_epochs)) for task in range(num_tasks))
    return Series(name="s", tasks=(name,) * num_tasks, epochs=tuple(range(num_epochs)), values=values)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 (our own drawing)


def test_one_panel_per_task_on_the_same_axes():
    drawn = panels(series(num_tasks=5), level=0.4)
    assert len(drawn) == 5
    ticks = {tuple(text for text in texts(svg) if "." in text) for svg in drawn}
    assert len(ticks) == 1


def test_epochs_count_from_one():
    assert {"1", "2", "3"} <= set(texts(panels(series())[0]))
    assert "0" not in texts(panels(series())[0])


def test_a_heat_map_names_its_tasks_and_values():
    found = texts(heat_map(series()))
    assert found.count("Young") == 2
    assert {"0.50", "0.51", "0.52", "0.60", "0.61", "0.62", "epoch"} <= set(found)


def test_a_long_heat_map_speaks_by_colour_only():
    found = texts(heat_map(series(num_epochs=60)))
    assert "0.50" not in found
    assert "58" in found


def test_a_huge_heat_map_is_an_image_inside_the_drawing():
    svg = heat_map(series(num_tasks=40, num_epochs=60))
    assert 'href="data:image/png;base64,' in svg
    assert len(svg) < 200_000


def test_gaps_and_single_points_can_be_drawn():
    gap = Series(name="s", tasks=("a", "b"), epochs=(0,), values=((None,), (0.5,)))
    assert len(panels(gap)) == 2
    assert texts(heat_map(gap)).count("n/a") == 0
    nothing = Series(name="s", tasks=("a",), epochs=(0,), values=((None,),))
    assert len(panels(nothing)) == 1


def test_ink_comes_from_the_page():
    svg = heat_map(series()) + "".join(panels(series(), level=0.5)) + speed([0, 1], [100.0, 110.0], [0.0, 0.3], 0.05)
    for variable in ("currentColor", "var(--muted)", "var(--line)", "var(--accent)", "var(--second)", "var(--sheet)"):
        assert variable in svg
    assert not re.search(r"#0[1-6]0[1-6]0[1-6]\b", svg)


def test_the_same_run_gives_the_same_drawing():
    assert heat_map(series()) == heat_map(series())


@pytest.mark.parametrize(
    "name", ["<script>alert()</script>", "$\\frac{1}$ $", "_hidden", "\x1b[31m", "人\U0001f600", "=1+1", "]]>&amp;-->"]
)
def test_any_name_is_text(name):
    svg = heat_map(series(name=name))
    assert "<script" not in svg
    visible = name.replace("\x1b", "\\x1b")
    assert texts(svg).count(visible) == 2


def test_the_heat_colours_run_from_light_to_dark():
    assert heat_gradient().startswith(f"linear-gradient(to right, {heat(0.0)},")
    assert heat(1) == heat(1.0)
    brightness = [int(heat(step / 4)[1:], 16) for step in range(5)]
    assert brightness == sorted(brightness, reverse=True)
