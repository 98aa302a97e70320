"""One line of the table of `tools/benchmark gpu`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """What was measured, and what it should be."""

    what: str
    """In words, without its value."""
    value: float | str
    """A number, or words where there is none."""
    unit: str = ""
    """Of the number."""
    note: str = ""
    """What else was seen, with units."""
    expected: str = ""
    """What it should be on one H100, in words."""

    def in_words(self) -> str:
        """Return the value with its unit; numbers with three digits or more.

        >>> Figure(what="speed", value=12345.6, unit="images/s").in_words()
        '12,346 images/s'
        >>> Figure(what="step", value=0.98765, unit="ms").in_words()
        '0.988 ms'
        >>> Figure(what="kernels", value=0).in_words()
        '0'
        """
        if isinstance(self.value, str):
            text = self.value
        elif self.value == int(self.value) or abs(self.value) >= 1000:
            text = f"{self.value:,.0f}"
        else:
            text = f"{self.value:.3g}"
        return f"{text} {self.unit}".rstrip()
