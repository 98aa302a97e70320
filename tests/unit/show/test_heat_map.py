import pytest

from engine.show.colours import WHITE
from engine.show.heat_map import heat_map


@pytest.mark.parametrize(("num_epochs", "written"), [(2, 4), (40, 0)])
def test_probabilities_are_written_into_few_cells(num_epochs, written):
    (axes,) = heat_map(WHITE, ("Young", "Bald"), range(num_epochs), [(1.0,) * num_epochs, (0.75,) * num_epochs]).axes
    assert len(axes.texts) == written
    assert {text.get_text() for text in axes.texts} == ({"1.00", "0.75"} if written else set())
