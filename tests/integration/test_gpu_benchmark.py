"""`make gpu DEVICE=cpu`: every line of the GPU's benchmark but those that need CUDA, on toy sizes."""

import json
import os
import subprocess
import sys

import pytest

from tests.launch import ROOT


@pytest.mark.timeout(900)
def test_everything_runs_at_toy_size_from_a_checkout_that_is_not_installed(tmp_path):
    # A make around this test would make the inner one tell which folder it leaves.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "gpu", "DEVICE=cpu", f"PYTHON={sys.executable}", f"OUT={tmp_path / 'out'}", f"DATA={tmp_path / 'data'}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = json.loads((tmp_path / "out" / "results.json").read_text())["parts"]
    assert [(part["number"], part["status"]) for part in parts] == [(number, "done") for number in range(11)]
    figures = {part["number"]: {figure["what"]: figure["value"] for figure in part["figures"]} for part in parts}
    # The GPU's tests collect, and are skipped.
    assert (figures[0]["tests passed"], figures[0]["tests failed"]) == (0, 0)
    assert figures[0]["tests skipped"] >= 30
    assert all(len(found) >= 1 for found in figures.values())
    assert figures[2]["images of 8 that differ on two ranks, decoder cpu"] == 0
    assert figures[8]["dst: largest relative difference of a task's epoch loss"] < 1e-5
    assert figures[10]["killed and resumed, against undisturbed: losses"] == "the same bit for bit"
    assert figures[10]["half an image without a checksum, decoder auto"] == "told and skipped"
    # What the screen ends with is the table; nothing of the runs is left.
    table = (tmp_path / "out" / "table.md").read_text().rpartition("\n\n")[2]
    assert done.stdout.endswith(table)
    assert sorted(os.listdir(tmp_path / "data")) == ["faces-64", "features", "shards-64"]
