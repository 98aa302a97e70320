import pytest

from engine.report.html import page
from tests.page import Page


def test_a_whole_run_has_everything(make):
    text = page(make.history(*make.records()), "scheduler:\n  name: dst # a < b\n")
    parsed = Page(text)
    for part in (
        "trial",
        "finished",
        "compute-bound",
        "97 % of the time",
        "Result on test",
        "majority accuracy",
        "all-positive F1",
        "0.857",
        "ECE",
        "≤ 0.750",
        "+15.0",
        "Training loss per task",
        "Balanced accuracy on val",
        "Activation probability P(k, t)",
        "Active share of the steps",
        "Throughput and data wait",
        "138,422,128",
        "torch 2.14.1",
        "name: dst # a < b",
    ):
        assert part in parsed.text, part
    assert parsed.rows() == 4  # head, two tasks, mean
    assert sum(tag == "svg" for tag, _ in parsed.tags) == 2 + 2 + 1 + 1 + 1


def test_thresholds_have_a_column_only_where_they_were_chosen(make):
    chosen = make.replace(make.eval, metrics=(make.replace(make.metrics, threshold=0.234), make.constant))
    head = '<th scope="col">threshold</th>'
    assert head not in page(make.history(make.run, make.epoch, make.eval))
    text = page(make.history(make.run, make.epoch, chosen))
    assert head in text
    assert "0.234" in Page(text).text


def test_what_is_not_better_than_an_answer_without_a_model_is_marked(make):
    def marked(**values) -> list[str]:
        record = make.replace(make.eval, metrics=(make.replace(make.metrics, **values), make.replace(make.metrics, accuracy=0.9)))
        row = page(make.history(make.run, make.epoch, record)).split('<th scope="row" title="Young">')[1].split("</tr>")[0]
        return [cell.split("<")[0] for cell in row.split('class="behind">')[1:]]

    assert marked() == []
    assert marked(accuracy=0.7) == ["0.700", "≤ 0.750", "-5.0"]
    assert marked(f1=0.8) == ["0.800", "≤ 0.857"]


def test_it_needs_nothing_from_outside(make):
    for tag, attributes in Page(page(make.history(*make.records()))).tags:
        assert tag not in {"script", "link", "iframe", "img", "object"}
        for name, value in attributes.items():
            assert not (name in {"src", "href", "xlink:href", "action"} and not (value or "").startswith(("#", "data:"))), (tag, value)
    assert "@import" not in page(make.history(make.run))


def test_both_colour_schemes_and_a_phone_are_provided_for(make):
    text = page(make.history(make.run))
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_hostile_text_is_text(make):
    records = make.records(tasks=(make.hostile, "=1+1"))
    records[0] = make.replace(records[0], name="<b>x", model='"><img src=x onerror=1>', versions={"<i>": "</dl>"})
    text = page(make.history(*records), "</pre><script>1</script>")
    parsed = Page(text)
    tags = [tag for tag, _ in parsed.tags]
    assert not {"script", "img", "b>x"} & set(tags)
    assert "\x1b" not in text
    assert "<script>alert(1)</script>[red]\\x1b[31m$x_" in parsed.text
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)


def test_a_run_that_has_only_begun_has_a_page(make):
    parsed = Page(page(make.history(make.run)))
    assert "unfinished" in parsed.text
    assert "no training epoch has been measured" in parsed.text
    assert "Configuration" not in parsed.text
    assert "svg" not in [tag for tag, _ in parsed.tags]
    assert parsed.rows() == 0


def test_without_test_the_last_val_is_shown(make):
    parsed = Page(page(make.history(make.run, make.epoch, make.eval)))
    assert "Result on val" in parsed.text
    assert "n/a" in parsed.text


@pytest.mark.parametrize("num_tasks", [1, 40])
def test_few_and_many_tasks(make, num_tasks):
    parsed = Page(page(make.history(*make.records(tasks=tuple(f"Task_{place}" for place in range(num_tasks)), epochs=2))))
    assert parsed.rows() == num_tasks + 2
    assert sum(attributes.get("class") == "panel" for _, attributes in parsed.tags) == 2 * num_tasks
