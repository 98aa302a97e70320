"""A picture of the console for documentation: header, last epoch and summary as one SVG."""

import io

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from engine.journal.history import RunHistory
from engine.report.columns import EPOCH_COLUMNS
from engine.report.display import RichDisplay
from engine.report.live import step_line
from engine.report.panels import epoch_title, header
from engine.report.rows import epoch_rows
from engine.report.summary import summarise
from engine.report.tables import in_terminal
from shards.command import one_line

WIDTH = 100
"""Cells."""
_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: "Fira Code", "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px;
  line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
# Rich's own format fetches a font from the network, which a picture in a README must not.


def picture(history: RunHistory) -> str:
    """Return the console of a run as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor", legacy_windows=False)
    console.print(header(history, WIDTH))
    steps = list(history.steps.values())
    if steps:
        # One from the middle of the last epoch: the line as it stood most of the time.
        console.print(step_line(history, steps[-(len(steps) // (2 * len(history.epochs) or 2)) - 1], WIDTH))
    if history.epochs:
        epoch = max(history.epochs)
        table = in_terminal(epoch_rows(history, epoch), EPOCH_COLUMNS, WIDTH)
        console.print(Text(), epoch_title(history, epoch), table, sep="\n")
    RichDisplay(console).end(summarise(history))
    title = f"tools/report runs/{one_line(history.run.name)}"
    return console.export_svg(title=title, theme=SVG_EXPORT_THEME, code_format=_FORMAT, unique_id="console")
