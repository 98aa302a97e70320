"""Text that has to fit into some cells of a terminal."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from shards.command import one_line

GAP = "  "


def shorten(name: str, width: int) -> str:
    """Return a name free of control characters, at most `width` cells wide; what is cut out is the middle.

    >>> shorten("Mouth_Slightly_Open", 12), shorten("Young", 12)
    ('Mouth_…_Open', 'Young')
    """
    name = one_line(name)
    if cell_len(name) <= width:
        return name
    head, tail = len(name) - len(name) // 2, len(name) // 2
    while head + tail > 0 and cell_len(name[:head]) + cell_len(name[len(name) - tail :]) + 1 > width:
        head, tail = (head - 1, tail) if head > tail else (head, tail - 1)
    return f"{name[:head]}…{name[len(name) - tail :]}"


def fit(parts: Sequence[Sequence[Text]], width: int) -> Text:
    """Join one form of each part so that the line is at most `width` cells wide, if that can be had.

    Args:
        parts: In the order of the line; each is its forms from long to short, the shortest may be empty. The order of giving way is that
            of the forms: all second forms before all third forms, later parts first.
        width: Cells.
    """
    chosen = [0] * len(parts)
    steps = sorted((form, -place) for place, forms in enumerate(parts) for form in range(1, len(forms)))
    for form, place in [(0, 0), *steps]:
        if form:
            chosen[-place] = form
        texts = [forms[index] for forms, index in zip(parts, chosen, strict=True)]
        line = Text(GAP).join(text for text in texts if text)
        if line.cell_len <= width:
            break
    return on_one_line(line, width)


def on_one_line(line: Text, width: int) -> Text:
    """Return the line cut to `width` cells; it never wraps."""
    line.no_wrap = True
    line.truncate(width, overflow="ellipsis")
    return line
