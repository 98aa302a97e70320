"""The files of a comparison: `report.html`, `report.md`, `results.json` and a picture of each plot."""

from collections.abc import Sequence
from pathlib import Path

from engine.compare.findings import Findings, findings_json
from engine.compare.markdown import markdown
from engine.compare.page import page
from engine.compare.plots import Plot
from engine.compare.tables import make_tables
from engine.report.outputs import write_text
from shards.errors import DataError

PLOTS = "plots"


def write_outputs(folder: Path, findings: Findings, plots: Sequence[Plot], config: str) -> list[Path]:
    """Write all files anew and return their paths; pictures of an earlier comparison are removed.

    Args:
        folder: Folder of the comparison.
        findings: What was found.
        plots: Its plots.
        config: Configuration of one of the runs.

    Raises:
        DataError: A file cannot be written.
    """
    title = folder.resolve().name
    tables = make_tables(findings)
    contents = {
        "results.json": findings_json(findings),
        "report.md": markdown(findings, tables, title),
        "report.html": page(findings, tables, plots, title=title, config=config),
    }
    for name, content in contents.items():
        write_text(folder / name, content)
    try:
        (folder / PLOTS).mkdir(exist_ok=True)
        for old in (folder / PLOTS).glob("*.png"):
            old.unlink()
    except OSError as error:
        raise DataError(f"{folder / PLOTS}: cannot be written: {error.strerror or error}") from error
    return [*(folder / name for name in contents), *(plot.write_png(folder / PLOTS) for plot in plots)]
