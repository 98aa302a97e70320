"""Checkpoint folders."""

import json
import os
import resource

import pytest
import torch

from engine.loop.checkpoint import Snapshot, latest_checkpoint, read_checkpoint, write_checkpoint
from engine.loop.optimizer_state import join_state, split_state
from shards.errors import CheckpointError


def snapshot(value: float = 1.0) -> Snapshot:
    return Snapshot(
        tensors={"model": {"w": torch.full((3, 2), value), "n": torch.tensor(5)}, "optimizer": {}}, state={"epoch": 2, "x": [0.1]}
    )


def test_round_trip(tmp_path):
    write_checkpoint(tmp_path / "c", 0, 12, snapshot())
    path = latest_checkpoint(tmp_path / "c")
    assert path is not None
    assert path.name == "epoch-000000-step-00000012"
    read = read_checkpoint(path)
    assert read.state == snapshot().state
    assert torch.equal(read.tensors["model"]["w"], torch.ones(3, 2))
    assert read.tensors["model"]["n"].dtype == torch.int64
    assert read.tensors["optimizer"] == {}
    assert sorted(os.listdir(path)) == ["checksums.json", "model.safetensors", "optimizer.safetensors", "state.json"]


def test_the_newest_two_stay_and_unfinished_ones_do_not_count(tmp_path):
    assert latest_checkpoint(tmp_path / "none") is None
    for step in (5, 100, 20, 1000):
        write_checkpoint(tmp_path, 0, step, snapshot(step))
    (tmp_path / ".epoch-000000-step-00009999.tmp").mkdir()
    newest = latest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.name == "epoch-000000-step-00001000"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] != ".") == [
        "epoch-000000-step-00000100",
        "epoch-000000-step-00001000",
    ]
    write_checkpoint(tmp_path, 0, 1000, snapshot(7))
    assert not list(tmp_path.glob("*.old"))
    assert read_checkpoint(newest).tensors["model"]["w"][0, 0] == 7


def test_the_end_of_an_epoch_and_the_beginning_of_the_next_are_two_checkpoints(tmp_path):
    write_checkpoint(tmp_path, 0, 6, snapshot(1))
    write_checkpoint(tmp_path, 1, 0, snapshot(2))
    newest = latest_checkpoint(tmp_path)
    assert newest is not None
    assert read_checkpoint(newest).tensors["model"]["w"][0, 0] == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_damage_is_found(tmp_path, name):
    write_checkpoint(tmp_path, 0, 1, snapshot())
    path = tmp_path / "epoch-000000-step-00000001" / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 4
    path.write_bytes(data)
    with pytest.raises(
        CheckpointError, match=rf"{name}: is damaged .*delete .*epoch-000000-step-00000001 to go on from the checkpoint before it"
    ):
        read_checkpoint(path.parent)
    path.write_bytes(data[:-1])
    with pytest.raises(CheckpointError, match="is damaged"):
        read_checkpoint(path.parent)
    path.unlink()
    with pytest.raises(CheckpointError, match=f"{name}: cannot be read"):
        read_checkpoint(path.parent)


@pytest.mark.parametrize(("content", "message"), [("{", "is not JSON"), ("[]", "no JSON object"), ("{}", "does not list state.json")])
def test_damaged_checksums_are_found(tmp_path, content, message):
    write_checkpoint(tmp_path, 0, 1, snapshot())
    (tmp_path / "epoch-000000-step-00000001" / "checksums.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / "epoch-000000-step-00000001")


def test_a_full_disk_leaves_the_checkpoint_before_it(tmp_path):
    write_checkpoint(tmp_path, 0, 1, snapshot())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))
    try:
        with pytest.raises(CheckpointError, match=r"epoch-000000-step-00000002: cannot be written \(File too large\)"):
            write_checkpoint(tmp_path, 0, 2, Snapshot(tensors={"model": {"w": torch.zeros(100_000)}}, state={}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == ["epoch-000000-step-00000001"]
    assert read_checkpoint(tmp_path / "epoch-000000-step-00000001").state == snapshot().state


@pytest.mark.parametrize(
    "build",
    [
        lambda p, lr: torch.optim.Adam(p, lr=lr, fused=True),
        lambda p, lr: torch.optim.AdamW(p, lr=lr),
        lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9, fused=True),
    ],
    ids=["adam", "adamw", "sgd"],
)
def test_an_optimiser_goes_through_tensors_and_json(build):
    def train(optimizer, weights, seeds):
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            for weight in weights:
                weight.grad = torch.empty_like(weight).copy_(torch.randn(weight.shape, generator=generator))
            optimizer.step()

    # Channels last: a moment restored in the usual format would be walked in another order than its parameter.
    formats = (torch.contiguous_format, torch.channels_last)
    first = [torch.nn.Parameter(torch.zeros(4, 3, 2, 2).to(memory_format=its)) for its in formats]
    optimizer = build(first, lr=0.1)
    train(optimizer, first, range(3))
    tensors, rest = split_state(optimizer)
    second = [torch.nn.Parameter(weight.detach().clone()) for weight in first]
    resumed = build(second, lr=0.1)
    # As a file gives them back: it knows the usual format only.
    stored = {name: value.clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
    join_state(resumed, stored, json.loads(json.dumps(rest)))
    for weights, current in ((first, optimizer), (second, resumed)):
        train(current, weights, range(3, 6))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    with pytest.raises(ValueError, match="other parameter groups"):
        join_state(build([*second, torch.nn.Parameter(torch.zeros(1))], lr=0.1), tensors, rest)


@pytest.mark.parametrize("name", ["../secret.safetensors", "/dev/zero", "x/y.safetensors", "a\0.safetensors", "notes.txt", ""])
def test_no_file_by_another_name_is_read(tmp_path, name):
    write_checkpoint(tmp_path, 0, 1, snapshot())
    (tmp_path / "epoch-000000-step-00000001" / "checksums.json").write_text(json.dumps({name: "0" * 64}))
    with pytest.raises(CheckpointError, match=r"checksums\.json: lists .*; delete .* to go on from the checkpoint before it"):
        read_checkpoint(tmp_path / "epoch-000000-step-00000001")


def test_json_that_is_nested_too_deeply_is_no_json(tmp_path):
    write_checkpoint(tmp_path, 0, 1, snapshot())
    (tmp_path / "epoch-000000-step-00000001" / "checksums.json").write_text("[" * 5000)
    with pytest.raises(CheckpointError, match="is not JSON"):
        read_checkpoint(tmp_path / "epoch-000000-step-00000001")
