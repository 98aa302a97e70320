import re

from hypothesis import given
from hypothesis import strategies as st

from engine.compare.markdown import escape, markdown
from engine.compare.tables import make_tables, with_minus
from tests.unit.compare.found import difference, findings, variant

HOSTILE = "<script>a|b</script>`x` [z](http://e) *b* \x1b[31m"


def test_verdict_notes_and_tables():
    found = findings(variant("mtl"), variant("dst", value=0.9, to_baseline=difference(0.4, 0.3)))
    text = markdown(found, make_tables(found), "my comparison")
    assert text.startswith("# my comparison\n\nOver 3 seeds dst does not differ from mtl")
    assert "\n- 2 p-values of single tasks are shown" in text
    assert "\n| dst | **0.900 ± 0.010** |" in text
    assert "\n## Difference to mtl per task\n" in text


def test_every_row_has_as_many_cells_as_its_head():
    tasks = (HOSTILE, "a|b")
    found = findings(
        variant("mtl", suffering=(True, False), tasks=tasks), variant("dst", to_baseline=difference(1), tasks=tasks), tasks=tasks
    )
    text = markdown(found, make_tables(found), HOSTILE)
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 5
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert "\x1b" not in text
    assert not re.search(r"(?<!\\)[<`\[]", text)
    assert with_minus("-1.00 ± 1.00 ▼") in text


def test_gains_and_losses_beyond_chance_are_told_apart():
    found = findings(variant("mtl"), variant("up", to_baseline=difference(3, 0.01)), variant("down", to_baseline=difference(-3, 0.01)))
    rows = [line for line in markdown(found, make_tables(found), "t").splitlines() if line.startswith("| Young |")]
    assert rows[1] == with_minus("| Young | +3.00 ± 1.00 ▲ | 0.005 | 0.020 | -3.00 ± 1.00 ▼ | 0.005 | 0.020 |")


def test_every_note_ends_like_a_sentence():
    found = findings(variant("mtl"), variant("dst", to_baseline=difference(0.4)), lost=("mtl seed 1 diverged.", "it has no results"))
    notes = [line for line in markdown(found, make_tables(found), "t").splitlines() if line.startswith("- ")]
    assert notes[:2] == ["- mtl seed 1 diverged.", "- it has no results."]
    assert any(note.endswith("allow for that.") for note in notes)
    assert all(note.endswith(".") and not note.endswith("..") for note in notes)


@given(st.text())
def test_nothing_escapes(text):
    escaped = escape(text)
    assert "\n" not in escaped
    assert not re.search(r"(?<!\\)(?:\\\\)*[|<`*\[]", escaped)
