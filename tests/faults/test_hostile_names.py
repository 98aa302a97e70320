"""F-33: markup, escapes, formulas and marks that turn text around, in names of attributes, images, runs and variants.

A page shows them as the text that they are, a terminal is given no order, a spreadsheet no formula, a Markdown table no further column.
"""

import contextlib
import csv
import io
import json
import re
import shutil
import unicodedata
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torchvision
import yaml

from engine.command_line import parse
from engine.compare.command import compare
from engine.report.command import ReportOptions, report
from engine.run.run import run
from shards.check.command import CheckOptions, check_shards
from shards.command import one_line
from shards.errors import DataError, DropstreamError
from shards.manifest import dump_manifest, load_manifest
from tests.conftest import ATTRIBUTES, forget_accelerator, pack, write_celeba
from tests.integration.conftest import SMALL
from tests.launch import light_vgg11

HOSTILE = (
    "[red]Young[/red]",
    "[/] [link=http://x.example]Bald[/link]",
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"'><b onclick=alert(1)>&amp;",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1:A9)",
    "$\\frac{x$ $y$",
    "a|b`c*d_e~f#g",
    "{{ 7*7 }}{% endfor %}",
)
PLAIN = tuple(f"plain {number}" for number in range(len(HOSTILE)))
RUN = "=run [bold]x <i>y&amp; |\x1b]0;owned\x07\u202egpj"
PLAIN_RUN = "a run"
OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\]8;[^\x1b]*\x1b\\")
"""Colours, cursor movements and links: what rich writes by itself."""


class Tags(HTMLParser):
    """Counts a page's elements with the names of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found, self.text = Counter(), ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found[tag, *sorted(name for name, _ in attrs)] += 1

    def handle_data(self, data):
        self.text += data


def hidden(text: str) -> list[str]:
    """Characters by which a terminal is given orders, or a reader is misled."""
    return [char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def made(folder: Path, names: tuple[str, ...], run_name: str) -> tuple[Path, dict[str, str]]:
    """Pack, check, train, report and compare with these names; return the folder and what each command printed."""
    source = write_celeba(folder / "source")
    rows = [line.split() for line in (source / "list_attr_celeba.txt").read_text().splitlines()[2:]]
    table = folder / "labels.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("image", *names), *([row[0], *row[1 : len(names) + 1]] for row in rows)])
    printed = {}

    def command(what: str, function) -> None:
        forget_accelerator()
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            function()
        printed[what] = out.buffer.getvalue().decode()

    shards, base = folder / "shards", folder / "base.yaml"
    settings = SMALL | {"data.shards": str(shards), "train.epochs": "1", "report.every": "3"}
    del settings["data.tasks"], settings["report.console"]
    tree: dict = {"data": {"tasks": list(names)}}
    for name, value in settings.items():
        section, _, key = name.partition(".")
        tree.setdefault(section, {})[key] = value
    base.write_text(yaml.safe_dump(tree))
    command("pack", lambda: pack(source, shards, attributes=(str(table),)))
    command("check", lambda: check_shards(CheckOptions(folder=str(shards), workers=1)))
    for mode in ("rich", "plain"):
        run_dir = folder / mode / run_name
        words = ["--config", str(base), "--run.dir", str(run_dir), "--report.console", mode]
        command(f"train {mode}", lambda words=words: run(parse(words)))
    command("report", lambda: report(ReportOptions(folder=run_dir, svg=folder / "console.svg")))
    compared = ["--config", str(base), "--out", str(folder / run_name), "--schedulers", "mtl", "dst", "--seeds", "1"]
    command("compare", lambda: compare([*compared, "--bootstrap", "100"]))
    return folder, printed


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> dict[str, tuple[Path, dict[str, str]]]:
    """The same commands with hostile names and with plain ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchvision.models, "vgg11", light_vgg11)
        # As a terminal of that size has it, for what is drawn.
        patch.setenv("COLUMNS", "160")
        return {
            "hostile": made(tmp_path_factory.mktemp("hostile"), HOSTILE, RUN),
            "plain": made(tmp_path_factory.mktemp("plain"), PLAIN, PLAIN_RUN),
        }


def test_f33_no_command_gives_a_terminal_an_order(both):
    _, printed = both["hostile"]
    for what, text in printed.items():
        # Drawn over and over, a line begins with a carriage return.
        assert hidden(OURS.sub("", text).replace("\r", "") if "rich" in what else text) == [], what
    # Names are there as they are, and no markup was taken for what it says.
    for what in ("train rich", "train plain", "report", "compare"):
        flat = re.sub(r"\s+", " ", OURS.sub("", printed[what]))
        assert "[red]Young" in flat or "[red]" in flat, what


def test_f33_pages_show_names_as_text_and_have_no_other_elements_than_with_plain_names(both):
    pages = {
        name: sorted(folder.rglob("*.html"), key=lambda path: str(path.relative_to(folder)).replace(RUN, PLAIN_RUN))
        for name, (folder, _) in both.items()
    }
    assert len(pages["hostile"]) == len(pages["plain"]) > 2
    for hostile, plain in zip(pages["hostile"], pages["plain"], strict=True):
        text = hostile.read_text()
        tags, expected = Tags(text), Tags(plain.read_text())
        assert tags.found.keys() == expected.found.keys(), hostile
        assert not any(name.startswith("on") for _, *names in tags.found for name in names)
        assert hidden(text.replace("\t", "")) == [], hostile


def test_f33_markdown_tables_keep_their_columns(both):
    lines = {name: next(folder.rglob("report.md")).read_text().splitlines() for name, (folder, _) in both.items()}
    unescaped = re.compile(r"(?<!\\)\|")
    rows = {name: [len(unescaped.findall(line)) for line in text if line.startswith("|")] for name, text in lines.items()}
    assert Counter(rows["hostile"]) == Counter(rows["plain"])
    for line in lines["hostile"]:
        assert not re.search(r"(?<!\\)<", line)
        assert hidden(line) == []


def test_f33_json_holds_the_names_exactly(both):
    folder, _ = both["hostile"]
    assert load_manifest(folder / "shards").attributes == HOSTILE
    (records,) = folder.glob("plain/*/records.jsonl")
    assert tuple(json.loads(records.read_text().splitlines()[0])["tasks"]) == HOSTILE
    assert json.loads(next(folder.rglob("results.json")).read_text())["tasks"] == list(HOSTILE)
    (config,) = folder.glob("plain/*/config.yaml")
    assert yaml.safe_load(config.read_text())["data"]["tasks"] == list(HOSTILE)


def test_f33_pictures_are_drawn_whatever_is_written_in_them(both):
    counts = [len(list(folder.rglob("*.png"))) for folder, _ in both.values()]
    assert counts[0] == counts[1] > 0


BAD_ATTRIBUTES = ["a\x1b[31m", "a\x9b31m", "a\u202eb", "a\u2066b", "a\u2028b", "a\x00b", "a\x7f"]


@pytest.mark.parametrize("name", BAD_ATTRIBUTES)
def test_f33_an_attribute_with_control_characters_is_refused_in_a_clean_line(celeba, copy, tmp_path, name):
    table = tmp_path / "labels.csv"
    table.write_text(f"image,{name}\n000001.jpg,1\n")
    with pytest.raises(DataError) as caught:
        pack(celeba, tmp_path / "out", attributes=(str(table),))
    assert hidden(one_line(str(caught.value))) == []
    # And in what somebody else has packed, with a checksum that fits.
    manifest = load_manifest(copy)
    object.__setattr__(manifest, "attributes", (name, *ATTRIBUTES[1:]))
    (copy / "manifest.json").write_text(dump_manifest(manifest))
    with pytest.raises(DataError, match="holds control characters") as caught:
        load_manifest(copy)
    assert hidden(one_line(str(caught.value))) == []


BAD_FILES = [
    "=1+1.jpg",
    "+1.jpg",
    "-1.jpg",
    "@x.jpg",
    "a\x1b[31m.jpg",
    "a\u202egpj.exe.jpg",
    "\t=1.jpg",
    "a,b\n=1.jpg",
    "[red]x.jpg",
    "<b>.jpg",
]
BAD_FILES += ["a\udcff.jpg", "'; drop.jpg", '"=1".jpg']


def test_f33_files_of_such_names_are_packed_or_listed_without_formulas_and_escapes(celeba, tmp_path, capsys):
    source = shutil.copytree(celeba, tmp_path / "source")
    for number, name in enumerate(BAD_FILES):
        good = (source / "img_align_celeba" / f"{number + 1:06d}.jpg").read_bytes()
        # Every other one is damaged too.
        (source / "img_align_celeba" / name).write_bytes(good[: len(good) // (1 + number % 2)])
    pack(source, tmp_path / "out", on_bad_image="quarantine")
    printed = capsys.readouterr()
    assert hidden(printed.out + printed.err) == []
    with (tmp_path / "out" / "quarantine.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 + len(BAD_FILES)
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell
        assert hidden(cell) == []


def test_f33_messages_about_such_paths_are_one_clean_line(tmp_path, capsys):
    for name in (*HOSTILE, RUN, *BAD_FILES):
        if "/" in name:
            continue
        for function in (
            lambda name=name: check_shards(CheckOptions(folder=str(tmp_path / name))),
            lambda name=name: report(ReportOptions(folder=tmp_path / name)),
            lambda name=name: run(parse(["--data.shards", str(tmp_path / name), "--run.dir", str(tmp_path / "r")])),
        ):
            with pytest.raises(DropstreamError) as caught:
                function()
            assert hidden(one_line(str(caught.value))) == []
    captured = capsys.readouterr()
    assert hidden(captured.out + captured.err) == []
