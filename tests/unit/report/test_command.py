import subprocess
import sys
from pathlib import Path

import pytest

from engine.journal.journal import FILE_NAME
from engine.journal.records import to_json
from engine.report.command import ReportOptions, report
from engine.report.outputs import write_text
from shards.errors import DataError

TOOL = Path(__file__).parents[3] / "tools" / "report"


def run_folder(folder: Path, records) -> Path:
    (folder / FILE_NAME).write_text("".join(to_json(record) + "\n" for record in records))
    return folder


def test_it_prints_the_summary_and_rewrites_the_files(make, tmp_path, capsys):
    run_folder(tmp_path, make.records())
    (tmp_path / "config.yaml").write_text("marker: here\n")
    report(ReportOptions(folder=tmp_path, svg=tmp_path / "console.svg"))
    assert "test balanced accuracy 0.800" in capsys.readouterr().out
    assert '"status": "finished"' in (tmp_path / "summary.json").read_text()
    assert "marker: here" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "console.svg").read_text().startswith("<svg")


def test_an_unfinished_run_says_so(make, tmp_path, capsys):
    report(ReportOptions(folder=run_folder(tmp_path, make.records()[:6])))
    assert "note: the run is unfinished: 1 of 3 epochs are done" in capsys.readouterr().out


def test_a_picture_that_cannot_be_written_is_named(make, tmp_path):
    with pytest.raises(DataError, match=r"absent/console\.svg: cannot be written \(No such file or directory\)"):
        report(ReportOptions(folder=run_folder(tmp_path, make.records()), svg=tmp_path / "absent" / "console.svg"))


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    write_text(tmp_path / "a", "one")
    write_text(tmp_path / "a", "two")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "two")]


def test_a_configuration_that_cannot_be_read_is_named(make, tmp_path):
    run_folder(tmp_path, make.records())
    (tmp_path / "config.yaml").mkdir()
    with pytest.raises(DataError, match=r"config\.yaml: cannot be read: Is a directory"):
        report(ReportOptions(folder=tmp_path))


def test_the_tool_ends_in_one_line_and_the_documented_code(tmp_path):
    result = subprocess.run([sys.executable, TOOL, tmp_path], capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert (
        result.stderr
        == f"error: {tmp_path}/records.jsonl: no such file; give the folder (--run.dir of the training) of a run that has started\n"
    )


def test_the_tool_explains_itself():
    result = subprocess.run([sys.executable, TOOL, "--help"], capture_output=True, text=True, check=True)
    assert "Run folder" in result.stdout
    assert TOOL.stat().st_mode & 0o111
