from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.show.fitting import shorten


@given(name=st.text(max_size=40), width=st.integers(1, 30))
def test_a_shortened_name_fits_and_is_printable(name, width):
    short = shorten(name, width)
    assert cell_len(short) <= width
    assert short.isprintable()


def test_shortening_keeps_both_ends():
    assert shorten("Wearing_Necklace", 12) == "Wearin…klace"
    assert shorten("人人人人人", 5) == "人…人"
