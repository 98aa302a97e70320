import numpy as np
import pytest

from engine.compare.page import page
from engine.compare.plots import make_plots
from engine.compare.tables import make_tables, with_minus
from engine.compare.verdict import NOTHING_SHOWN
from tests.page import Page
from tests.unit.compare.found import difference, findings, variant

HOSTILE = "<script>alert(1)</script>[red]\x1b[31m$x_"


def draw(found, title="trial", config="optimizer:\n  lr: 0.1 # a < b\n"):
    masks = {entry.name: np.array([[True, False]] * 12) for entry in found.variants if entry.drops_tasks}
    return page(found, make_tables(found), make_plots(found, masks), title=title, config=config)


def found(tasks=("Young", "Bald"), **fields):
    return findings(
        variant("stl", to_baseline=difference(1, 0.2), tasks=tasks),
        variant("mtl", suffering=(True, False), tasks=tasks),
        variant("dst", to_baseline=difference(0.5), suffering=(False, False), probability=0.5, tasks=tasks),
        tasks=tasks,
        **fields,
    )


def test_it_has_everything():
    parsed = Page(draw(found()))
    for part in (
        "Over 3 seeds no variant differs from mtl beyond chance",
        NOTHING_SHOWN,
        "3 variants · 3 seeds · 2 tasks · 15 test images",
        "Result on test",
        "Against mtl and stl",
        "Balanced accuracy on val",
        "Difference to stl",
        "P(k, t) under dst",
        "Active tasks under dst",
        "without a model",
        "2,000 resamples",
        with_minus("-2 standard errors"),
        "How it was calculated",
        "a chance of 0.092",
        "lr: 0.1 # a < b",
    ):
        assert part in parsed.text, part
    assert sum(tag == "svg" for tag, _ in parsed.tags) == 4
    assert sum(attributes.get("class") == "harm" for _, attributes in parsed.tags) == 2
    assert {"best"} <= {attributes.get("class") for _, attributes in parsed.tags}


def test_marks_stand_before_the_numbers():
    made = findings(
        variant("mtl"), variant("up", to_baseline=difference(3, 0.01)), variant("down", value=0.9, to_baseline=difference(-3, 0.01))
    )
    text = draw(made)
    assert text.count('<td class="gain"><small>▲</small> +3.00 ± 1.00</td>') == 3
    assert text.count(with_minus('<td class="harm"><small>▼</small> -3.00 ± 1.00</td>')) == 3
    assert '<td class="best">0.900 ± 0.010</td>' in text


def test_notes_are_sentences():
    text = draw(found(lost=("mtl seed 1 diverged.", "it has no results")))
    assert "<li>mtl seed 1 diverged.</li>" in text
    assert "<li>it has no results.</li>" in text


def test_a_table_knows_its_longest_name():
    tasks = ("Wearing_A_Necklace_Of_Large_Shiny_Pearls", "Bald")
    styles = [attributes["style"] for tag, attributes in Page(draw(found(tasks=tasks))).tags if tag == "table"]
    assert styles == [f"--letters: {width}" for width in (15, 3, 40, 40, 40)]


def test_the_verdict_comes_before_any_number():
    text = draw(found())
    assert text.index("beyond chance") < text.index("<table")


def test_it_needs_nothing_from_outside():
    for tag, attributes in Page(draw(found())).tags:
        assert tag not in {"script", "link", "iframe", "img", "object"}
        for name, value in attributes.items():
            assert not (name in {"src", "href", "xlink:href", "action"} and not (value or "").startswith(("#", "data:"))), (tag, value)


def test_hostile_text_is_text():
    text = draw(found(tasks=(HOSTILE, "=1+1")), title="<b>x", config="</pre><script>1</script>")
    parsed = Page(text)
    assert not {"script", "b>x"} & {tag for tag, _ in parsed.tags}
    assert "\x1b" not in text
    assert "<script>alert(1)</script>[red]\\x1b[31m$x_" in parsed.text


@pytest.mark.parametrize("num_tasks", [1, 40])
def test_few_and_many_tasks_and_one_seed(num_tasks):
    tasks = tuple(f"Task_{place}" for place in range(num_tasks))
    made = findings(
        variant("mtl", tasks=tasks), variant("dst", to_baseline=difference(0.5, None), tasks=tasks), tasks=tasks, seeds=(0,), num_samples=1
    )
    parsed = Page(draw(made))
    assert "One seed cannot tell" in parsed.text
    assert "1 seed · " in parsed.text
