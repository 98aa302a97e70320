import json

import pytest

from engine.compare.outputs import PLOTS, check_folder, write_outputs
from shards.errors import ConfigurationError
from tests.unit.compare.found import difference, findings, variant

FOUND = findings(variant("mtl"), variant("dst", to_baseline=difference(1)))
NAMES = {"results.json", "report.md", "report.html", PLOTS}


def test_a_folder_of_its_own_may_be_new_empty_or_an_earlier_comparisons(tmp_path):
    check_folder(tmp_path / "new")
    check_folder(tmp_path)
    # Stopped in the middle of the first run, and dead.
    (tmp_path / "runs").mkdir()
    (tmp_path / ".lock").touch()
    check_folder(tmp_path)
    write_outputs(tmp_path, FOUND, [], "run: {}\n")
    (tmp_path / "notes.txt").touch()
    check_folder(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= NAMES


@pytest.mark.parametrize("name", ["", ".", "..", "/", "../.."])
def test_a_folder_has_a_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"name a folder of the comparison's own, such as runs/compare"):
        check_folder(tmp_path.__class__(name))


@pytest.mark.parametrize("content", [None, b"", b"[1, 2]", b"3", b'{"variants": []}'])
def test_somebody_elses_folder_is_not_touched(tmp_path, content):
    (tmp_path / "report.md").write_text("thesis")
    (tmp_path / "thesis.tex").touch()
    if content is not None:
        (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"holds 'thesis.tex', which no comparison wrote; name another folder"):
        check_folder(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file: is not a folder; name another"):
        check_folder(tmp_path / "file")


def test_what_a_killed_process_left_is_the_comparisons_own(tmp_path):
    (tmp_path / ".results.json.4711-0123abcd.tmp").write_bytes(b"{")
    (tmp_path / ".lock").touch()
    check_folder(tmp_path)
    (tmp_path / ".thesis.tex.4711-0123abcd.tmp").touch()
    with pytest.raises(ConfigurationError, match=r"holds '.thesis.tex.4711-0123abcd.tmp', which no comparison wrote"):
        check_folder(tmp_path)


def test_pictures_of_an_earlier_comparison_go_and_others_stay(tmp_path):
    (tmp_path / PLOTS).mkdir()
    for name in ("val", "difference-to-stl", "probabilities-dst", "active-random", "mine", "interval"):
        (tmp_path / PLOTS / f"{name}.png").touch()
    paths = write_outputs(tmp_path, FOUND, [], "run: {}\n")
    assert {path.name for path in (tmp_path / PLOTS).iterdir()} == {"mine.png", "interval.png"}
    assert {path.name for path in paths} == NAMES - {PLOTS}
    assert json.loads((tmp_path / "results.json").read_text())["metric"] == "balanced_accuracy"
