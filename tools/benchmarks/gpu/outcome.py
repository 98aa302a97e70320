"""How a part went, and all of them as one table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.schedule import Part

_HEAD = ("#", "what", "figure", "seen with it", "expected (H100)")


@dataclass(slots=True)
class Outcome:
    """One part."""

    part: Part
    """What it is."""
    figures: list[Figure] = field(default_factory=list)
    """What is known so far."""
    seconds: float = 0.0
    """How long it has taken."""
    status: str = "waiting"
    """`waiting`, `running`, `done`, or what went wrong."""

    @property
    def failed(self) -> bool:
        """Return whether it went wrong."""
        return self.status not in ("waiting", "running", "done")

    def to_json(self) -> dict[str, object]:
        """Return it in plain JSON types."""
        return {
            "number": self.part.number,
            "title": self.part.title,
            "status": self.status,
            "seconds": round(self.seconds, 1),
            "figures": [asdict(figure) for figure in self.figures],
        }


def page(machine: Mapping[str, object], outcomes: Sequence[Outcome]) -> str:
    """Return the Markdown page: the machine, then the table."""
    facts = "\n".join(f"- {name}: {_fact(value)}" for name, value in machine.items())
    return f"{facts}\n\n{table(outcomes)}\n"


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the table, in Markdown that reads well as it is."""
    rows = [_HEAD, *(tuple(cell.replace("|", "/") for cell in row) for outcome in outcomes for row in _rows(outcome))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    # The last column may be as long as it likes.
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _rows(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    number, told = str(outcome.part.number), f"{outcome.seconds:.0f} s" if outcome.status == "done" else outcome.status
    yield number, f"**{outcome.part.title}**", told, "", ""
    for figure in outcome.figures:
        yield number, figure.what, figure.in_words(), figure.note, figure.expected


def _fact(value: object) -> str:
    return ", ".join(f"{name} {entry}" for name, entry in value.items()) if isinstance(value, dict) else str(value)
