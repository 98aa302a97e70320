"""The files of a comparison: `report.html`, `report.md`, `results.json` and a picture of each plot."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from engine.compare.comparison import RUNS
from engine.compare.findings import Findings, findings_json
from engine.compare.markdown import markdown
from engine.compare.page import page
from engine.compare.plots import Plot
from engine.compare.tables import make_tables
from shards.errors import ConfigurationError, DataError
from shards.files import is_one_of, write_text
from shards.storage.lock import LOCK

PLOTS = "plots"
_RESULTS = "results.json"
_OURS = (RUNS, PLOTS, _RESULTS, "report.md", "report.html", LOCK)
_PICTURES = re.compile(r"(val|difference-to-stl|(probabilities|active)-.*)\.png")


def check_folder(folder: Path) -> None:
    """Look whether a comparison may write into a folder: a new one, an empty one, or that of an earlier comparison.

    Raises:
        ConfigurationError: It may not.
    """
    if not str(folder).strip(". /"):
        raise ConfigurationError(f"--out {str(folder)!r}: name a folder of the comparison's own, such as runs/compare")
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"--out {folder}: is not a folder; name another")
    foreign = sorted(name for name in os.listdir(folder) if not is_one_of(name, _OURS)) if folder.is_dir() else []
    if foreign and not _is_comparison(folder / _RESULTS):
        raise ConfigurationError(f"--out {folder}: holds {foreign[0]!r}, which no comparison wrote; name another folder")


def _is_comparison(path: Path) -> bool:
    try:
        return {"variants", "metric", "seeds"} <= set(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return False


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
        _RESULTS: findings_json(findings),
        "report.md": markdown(findings, tables, title),
        "report.html": page(findings, tables, plots, title=title, config=config),
    }
    for name, content in contents.items():
        write_text(folder / name, content)
    try:
        (folder / PLOTS).mkdir(exist_ok=True)
        for old in (folder / PLOTS).iterdir():
            if _PICTURES.fullmatch(old.name):
                old.unlink()
    except OSError as error:
        raise DataError(f"{folder / PLOTS}: cannot be written: {error.strerror or error}") from error
    return [*(folder / name for name in contents), *(plot.write_png(folder / PLOTS) for plot in plots)]
