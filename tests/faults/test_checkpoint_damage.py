"""F-30: a checkpoint with a flipped bit or a cut or missing file, or one of another model or run, is refused by name."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

from engine.command_line import parse
from engine.loop.checkpoint import CHECKSUMS, latest_checkpoint, read_checkpoint, read_state, write_checkpoint
from engine.run.run import run
from shards.errors import CheckpointError
from tests.conftest import forget_accelerator
from tests.damage import digests, flip
from tests.faults.interruptions import OPTIONS, snapshot
from tests.identical import differences
from tests.integration.conftest import flags, forget_end
from tests.launch import light_vgg11

FILES = ["checksums.json", "model.safetensors", "optimizer.safetensors", "state.json"]


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(f"{path}/"), caught.value
    assert str(caught.value).endswith(f"; delete {path} to go on from the checkpoint before it")
    return str(caught.value)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write_checkpoint(folder, 0, 1, snapshot(1))
    return latest_checkpoint(folder)


@pytest.mark.parametrize("name", FILES)
def test_f30_every_kind_of_damage_to_every_file_is_refused(small, tmp_path, name):
    path = shutil.copytree(small, tmp_path / small.name)
    size, rng = (path / name).stat().st_size, np.random.default_rng(0)
    # Of what is text every bit; of tensors the head's and some others.
    places = range(size) if name.endswith(".json") else [*range(150), *rng.integers(150, size, 200).tolist()]
    for at in places:
        for bit in range(8) if name.endswith(".json") else [int(rng.integers(8))]:
            flip(path / name, at, bit)
            told = refused(path)
            # A checksum with a flipped digit blames its file, a flipped name the file that is not there.
            assert name in told or name == CHECKSUMS, told
            flip(path / name, at, bit)
    whole = (path / name).read_bytes()
    for length in {0, 1, 8, size // 2, size - 1}:
        (path / name).write_bytes(whole[:length])
        assert name in refused(path)
    (path / name).write_bytes(whole + b"\0")
    assert name in refused(path)
    (path / name).unlink()
    assert name in refused(path)
    (path / name).mkdir()
    assert name in refused(path)


@pytest.fixture
def killed(calm, tmp_path, training):  # noqa: ARG001 (a fixture)
    """A run that was killed after its last checkpoint, and that checkpoint; there is one before it."""
    run_dir = shutil.copytree(calm[0], tmp_path / "run")
    forget_end(run_dir)
    return run_dir, latest_checkpoint(run_dir / "checkpoints")


def go_on(shards: Path, run_dir: Path, **options) -> None:
    forget_accelerator()
    run(parse(flags(shards, run_dir, run__if_exists="resume", **(OPTIONS | options))))


def refused_run(shards: Path, run_dir: Path, message: str, **options) -> None:
    """Going on is refused in these words, and nothing in the run's folder is touched."""
    before = digests(run_dir)
    with pytest.raises(CheckpointError, match=message):
        go_on(shards, run_dir, **options)
    assert {name: digest for name, digest in digests(run_dir).items() if name in before} == before


def forge(path: Path) -> None:
    """Make the checksums fit whatever is there."""
    names = [file.name for file in path.iterdir() if file.name != CHECKSUMS]
    (path / CHECKSUMS).write_text(json.dumps({name: hashlib.sha256((path / name).read_bytes()).hexdigest() for name in names}))


@pytest.mark.parametrize("name", FILES)
def test_f30_a_run_does_not_go_on_from_a_damaged_file_and_does_when_told_how(shards, calm, killed, name):
    run_dir, newest = killed
    flip(newest / name, (newest / name).stat().st_size // 2, 3)
    refused_run(
        shards, run_dir, rf"^{re.escape(str(newest))}/\S+: .*; delete {re.escape(str(newest))} to go on from the checkpoint before it$"
    )
    # As the message says.
    shutil.rmtree(newest)
    go_on(shards, run_dir)
    assert differences(run_dir, calm[0]) == []


@pytest.fixture(scope="module")
def others(shards, tmp_path_factory) -> dict[str, Path]:
    """Checkpoints after the first epoch of other runs."""
    found = {}
    for name, options in {"model": {"model__hidden": 8}, "run": {"run__seed": 1}, "optimizer": {"optimizer__name": "sgd"}}.items():
        folder = tmp_path_factory.mktemp("other") / "run"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torchvision.models, "vgg11", light_vgg11)
            go_on(shards, folder, **(options | {"train__epochs": 1}))
        found[name] = latest_checkpoint(folder / "checkpoints")
    return found


@pytest.mark.parametrize(
    ("which", "difference"),
    [("model", "model.hidden was 8, is 16"), ("run", "run.seed was 1, is 0"), ("optimizer", "optimizer.name was sgd, is adam")],
)
def test_f30_a_checkpoint_of_another_run_is_refused_with_the_difference(shards, killed, others, which, difference):
    run_dir, newest = killed
    shutil.copytree(others[which], newest, dirs_exist_ok=True)
    refused_run(shards, run_dir, rf"^{re.escape(str(newest))}/state.json: the checkpoint belongs to another run: .*{difference}")


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("forged", [False, True])
def test_f30_a_file_of_another_model_is_refused_by_name_though_its_checksum_was_made_to_fit(shards, killed, others, name, forged):
    run_dir, newest = killed
    shutil.copy(others["model"] / name, newest / name)
    if forged:
        forge(newest)
    complaint = {
        (False, "model.safetensors"): "is damaged",
        (False, "optimizer.safetensors"): "is damaged",
        (True, "model.safetensors"): r"holds readout.shared.0.weight as \[8, 256\] float32, and this model's is \[16, 256\]",
        (True, "optimizer.safetensors"): r"does not fit this run \(\d+\.\w+ is \[",
    }[forged, name]
    refused_run(shards, run_dir, rf"^{re.escape(str(newest / name))}: {complaint}")


def without(path: Path, tensor: str) -> None:
    tensors = load_file(path)
    del tensors[tensor]
    save_file(tensors, path)


def added(path: Path) -> None:
    save_file(load_file(path) | {"extra": torch.zeros(1)}, path)


def edited(path: Path, **fields) -> None:
    path.write_text(json.dumps({name: value for name, value in (json.loads(path.read_text()) | fields).items() if value is not None}))


FORGERIES = {
    "a weight is gone": (
        lambda c: without(c / "model.safetensors", "readout.heads.1.0.bias"),
        r"model.safetensors: lacks readout.heads.1.0.bias, which this model trains",
    ),
    "a weight too many": (lambda c: added(c / "model.safetensors"), "model.safetensors: holds extra, which this model does not train"),
    "a moment too many": (lambda c: added(c / "optimizer.safetensors"), "optimizer.safetensors: does not fit this run"),
    "no weights": (lambda c: (c / "model.safetensors").unlink(), "checksums.json: does not list model.safetensors"),
    "no moments": (lambda c: (c / "optimizer.safetensors").unlink(), "checksums.json: does not list optimizer.safetensors"),
    "no state": (lambda c: (c / "state.json").unlink(), "checksums.json: does not list state.json"),
    "no scheduler": (lambda c: edited(c / "state.json", scheduler=None), r"state.json: does not fit this run \(it holds no scheduler\)"),
    "no identity": (lambda c: edited(c / "state.json", identity=None), r"state.json: does not fit this run \(its run has no identity\)"),
    "a list of tasks": (lambda c: edited(c / "state.json", scheduler=[]), "state.json: does not fit this run"),
    "thresholds in words": (lambda c: edited(c / "state.json", thresholds={"values": "half"}), "state.json: does not fit this run"),
    "no sums": (lambda c: edited(c / "state.json", tally={"sums": []}), "state.json: does not fit this run"),
    "an epoch in words": (lambda c: edited(c / "state.json", epoch="two"), "state.json: does not fit this run"),
    "a step too far": (
        lambda c: edited(c / "state.json", epoch=1, step=7),
        r"state.json: does not fit this run \(epoch 1, step 7: expected 0 or more, and 0 to 6",
    ),
    "before the beginning": (
        lambda c: edited(c / "state.json", epoch=-1),
        r"state.json: does not fit this run \(epoch -1 and step 0 are no counts",
    ),
    "no tensors": (lambda c: (c / "model.safetensors").write_bytes(b"{}"), "model.safetensors: is not safetensors"),
    "JSON without end": (lambda c: (c / "state.json").write_text("[" * 100_000), "state.json: is not JSON"),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_f30_what_was_edited_and_given_fitting_checksums_is_refused_by_name(shards, killed, case):
    run_dir, newest = killed
    change, message = FORGERIES[case]
    change(newest)
    forge(newest)
    refused_run(shards, run_dir, rf"^{re.escape(str(newest))}/{message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "is not JSON"),
        ('{"../../records.jsonl": "0"}', "lists '../../records.jsonl', which is no file of a checkpoint"),
        ('{"/etc/passwd": "0"}', "lists '/etc/passwd', which is no file of a checkpoint"),
        ('{"state.json": 5}', "state.json: is damaged"),
    ],
)
def test_f30_checksums_lead_nowhere_else(small, tmp_path, content, message):
    path = shutil.copytree(small, tmp_path / small.name)
    (path / CHECKSUMS).write_text(content)
    assert message in refused(path)
    with pytest.raises(CheckpointError, match=re.escape(message)):
        read_state(path)
