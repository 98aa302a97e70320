"""The comparison as Markdown."""

import re
from collections.abc import Sequence

from engine.compare.findings import Findings
from engine.compare.verdict import notes, verdict
from engine.show.tables import DOWN, UP, Cell, Table
from shards.command import one_line

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&$]")
"""What has a meaning inside a line; parentheses have one only behind brackets, `#` and `-` only at a line's beginning."""


def markdown(findings: Findings, tables: Sequence[Table], title: str) -> str:
    """Return the verdict, the notes and the tables.

    Args:
        findings: What was found.
        tables: Its tables.
        title: What the comparison is called; untrusted text.
    """
    lines = [f"# {escape(title)}", "", *(f"{escape(sentence)}  " for sentence in verdict(findings)), ""]
    lines += [f"- {escape(full_stop(note))}" for note in notes(findings)]
    for table in tables:
        lines += ["", f"## {escape(table.title)}", "", escape(table.caption), "", *_table(table)]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    r"""Return text that Markdown shows as it is, on one line.

    >>> escape("a|b <i> Wearing_Hat")
    'a\\|b \\<i\\> Wearing\\_Hat'
    """
    return _SPECIAL.sub(lambda match: "\\" + match.group(), one_line(text))


def full_stop(text: str) -> str:
    """Return the text with a full stop at its end, unless it has something of that kind.

    >>> full_stop("dst is nearly mtl"), full_stop("Two sentences. Both end.")
    ('dst is nearly mtl.', 'Two sentences. Both end.')
    """
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _table(table: Table) -> list[str]:
    rows = [[escape(row.name), *(_cell(cell) for cell in row.cells)] for row in table.rows]
    return [
        _line([escape(table.corner), *(escape(head.name) for head in table.heads)]),
        _line(["---", *("---:" for _ in table.heads)]),
        *(_line(row) for row in rows),
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    match cell.mark:
        case "best":
            return f"**{text}**"
        case "gain":
            return f"{text} {UP}"
        case "harm":
            return f"{text} {DOWN}"
        case _:
            return text
