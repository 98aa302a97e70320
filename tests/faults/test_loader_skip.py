"""F-16: a damaged sample ends the run and is named, or has no part in it, is counted and reported; all others stay what they were."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.pipeline.batch import Batch
from engine.pipeline.imagenet import MEAN, STD
from engine.pipeline.order import Order
from shards.dataset import ShardDataset
from shards.errors import DataError
from tests.damage import change_array, repair_manifest
from tests.faults.conftest import damage
from tests.integration.conftest import flags, records, results
from tests.loading import open_loader, order_of

OPTIONS = {"image_size": 32, "threads": 2, "augment": {"mirror": True, "crop": (0.5, 1.0)}}
SKIP = OPTIONS | {"on_bad_sample": "skip"}
NUM_BATCHES = 16
"""Two epochs and a little."""


def spoil(folder: Path, sample_id: int) -> tuple[str, str]:
    """Make a sample undecodable and its checksum fit."""
    dataset = ShardDataset(folder)
    row = dataset.index[sample_id]
    path, offset, size = dataset.shard_path(row["shard"]), int(row["offset"]), int(row["size"])
    data = bytearray(path.read_bytes())
    data[offset : offset + 40] = bytes(40)
    path.write_bytes(data)

    def mend(index) -> None:
        index["crc32"][sample_id] = zlib.crc32(data[offset : offset + size])

    change_array(folder / "index.npy", mend)
    repair_manifest(folder)
    return path.name, dataset.key(sample_id)


def assert_the_rest_is_the_same(loaded: list[Batch], undisturbed: list[Batch], bad: list[int]) -> None:
    black = (-torch.tensor(MEAN) / torch.tensor(STD)).view(3, 1, 1)
    num_skipped = 0
    for batch, sound in zip(loaded, undisturbed, strict=True):
        damaged = torch.isin(sound.ids, torch.tensor(bad))
        damaged[sound.num_valid :] = False
        rest = ~damaged[: sound.num_valid]
        assert torch.equal(batch.ids, sound.ids)
        assert torch.equal(batch.num_labelled, sound.num_labelled)
        assert torch.equal(batch.images[: sound.num_valid][rest], sound.images[: sound.num_valid][rest])
        assert torch.equal(batch.labels[~damaged], sound.labels[~damaged])
        assert (batch.labels[damaged] == -1).all()
        assert (batch.images[damaged] - black).abs().le(0.02).all()
        assert (batch.num_valid, batch.num_skipped) == (sound.num_valid, int(damaged.sum()))
        num_skipped += batch.num_skipped
    # Each in at least one epoch of two.
    assert num_skipped > len(bad)


@pytest.fixture(scope="module", params=["dali", "torch"])
def backend(request):
    return request.param


@pytest.fixture(scope="module")
def undisturbed(shards, backend):
    with open_loader(shards, backend=backend, **OPTIONS) as loader:
        return [next(loader) for _ in range(NUM_BATCHES)]


@pytest.mark.parametrize("kinds", [[damage], [spoil], [damage, spoil]], ids=["flipped", "undecodable", "both"])
def test_bad_samples_are_left_out_wherever_they_are_and_nothing_else_changes(copy, backend, undisturbed, kinds):
    order = order_of(ShardDataset(copy))
    # Two in one batch, the last of the epoch (whose copies fill the batch), and the first.
    bad = [int(order.batch(0, 4)[1]), int(order.batch(0, 4)[6]), int(order.batch(0, 6)[-1]), int(order.batch(0, 0)[0])]
    named = [kinds[number % len(kinds)](copy, sample_id) for number, sample_id in enumerate(bad)]
    with open_loader(copy, backend=backend, **SKIP) as loader:
        loaded = [next(loader) for _ in range(NUM_BATCHES)]
        assert_the_rest_is_the_same(loaded, undisturbed, bad)
        told = loader.bad_samples.named()
        assert sorted((shard, key) for shard, key, _ in told) == sorted(named)
        assert all("\n" not in reason and reason for *_, reason in told)
    with open_loader(copy, backend=backend, start=(0, 5), **SKIP) as loader:
        assert_the_rest_is_the_same([next(loader) for _ in range(NUM_BATCHES - 5)], undisturbed[5:], bad)


@pytest.mark.parametrize("kind", [damage, spoil])
def test_a_bad_sample_raises_where_it_is_asked_for_and_is_named(copy, backend, kind):
    shard, key = kind(copy, int(order_of(ShardDataset(copy)).batch(0, 5)[3]))
    with open_loader(copy, backend=backend, **OPTIONS) as loader, pytest.raises(DataError, match=f"{shard}: image '{key}' ") as caught:
        for _ in range(6):
            next(loader)
    assert "set pipeline.on_bad_sample skip" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [damage, spoil])
def test_one_bad_sample_more_than_the_budget_ends_it(copy, backend, kind):
    order = order_of(ShardDataset(copy))
    named = [kind(copy, int(order.batch(0, step)[2])) for step in (0, 1, 2)]
    with open_loader(copy, backend=backend, max_bad_samples=2, **SKIP) as loader, pytest.raises(DataError) as caught:
        for _ in range(7):
            next(loader)
    shard, key = named[2]
    assert f"{shard}: image '{key}' " in str(caught.value)
    assert "it is one more than pipeline.max_bad_samples 2 allows" in str(caught.value)
    assert str(caught.value).endswith("; restore the shard")


def ids_of(folder: Path, split: str) -> range:
    return ShardDataset(folder).split_range(split)


def test_a_run_dies_of_a_bad_sample_and_goes_on_when_told_to_skip(copy, tmp_path, nursery):
    order = Order(ids=ids_of(copy, "train"), batch_size=8, seed=0, shuffle="global", drop_last=True)
    seen = np.concatenate([order.batch(0, step) for step in range(6)])
    # Left out of the first epoch, so that there is a checkpoint before it is met.
    later = next(int(i) for step in range(6) for i in order.batch(1, step) if i not in seen)
    named = {"train": damage(copy, later)}
    options = {"train__epochs": 2, "augment__mirror": True}
    code, _, err = nursery.start(flags(copy, tmp_path / "run", **options)).finish()
    assert (code, err.count("\n")) == (3, 1)
    assert "{}: image '{}' is damaged".format(*named["train"]) in err
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["epoch-000001-step-00000000"]
    named["val"] = damage(copy, ids_of(copy, "val")[-1])
    options |= {"pipeline__on_bad_sample": "skip"}
    # The same as a run that skipped from the beginning.
    for run in ("run", "whole"):
        assert nursery.start(flags(copy, tmp_path / run, run__if_exists="resume", **options)).finish()[0] == 0
    lines, whole = (records(tmp_path / run) for run in ("run", "whole"))
    epochs = [[line for line in results(run) if line["record"] == "EpochRecord"] for run in (lines, whole)]
    assert epochs[0] == epochs[1]
    skipped = [line for line in lines if line["record"] == "SkipRecord"]
    assert {line["split"]: (line["shard"], line["key"]) for line in skipped} == named
    assert [(line["epoch"], line["reason"]) for line in skipped] == [(1, "is damaged (its checksum differs from the index)")] * 2
    evaluations = [line for line in lines if line["record"] == "EvalRecord"]
    assert [(line["split"], line["num_samples"]) for line in evaluations] == [("val", 13), ("val", 12), ("test", 15)]
    assert all(metrics["num_labelled"] == line["num_samples"] for line in evaluations for metrics in line["metrics"])
    notes = json.loads((tmp_path / "run" / "summary.json").read_text())["notes"]
    keys = f"{named['train'][1]}, {named['val'][1]}"
    assert [note for note in notes if f"2 damaged samples were skipped: {keys}; records.jsonl tells" in note]


def test_a_run_with_too_many_bad_samples_ends_with_3(copy, nursery, tmp_path):
    for sample_id in ids_of(copy, "val")[3:6]:
        shard, key = damage(copy, sample_id)
    options = {"train__epochs": 1, "pipeline__on_bad_sample": "skip", "pipeline__max_bad_samples": 2}
    code, _, err = nursery.start(flags(copy, tmp_path / "run", **options)).finish()
    assert (code, err.count("\n")) == (3, 1)
    assert f"{shard}: image '{key}' is damaged" in err
    assert "it is one more than pipeline.max_bad_samples 2 allows" in err


def test_two_ranks_tell_a_skipped_sample_once(copy, nursery, tmp_path):
    """The last sample of the split: its copies fill the other rank's part of the batch."""
    shard, key = damage(copy, ids_of(copy, "val")[-1])
    options = {"train__epochs": 2, "pipeline__on_bad_sample": "skip"}
    assert [child.finish()[0] for child in nursery.start_two(flags(copy, tmp_path / "run", **options))] == [0, 0]
    lines = records(tmp_path / "run")
    assert [(line["shard"], line["key"], line["split"], line["epoch"]) for line in lines if line["record"] == "SkipRecord"] == [
        (shard, key, "val", 0)
    ]
    assert [line["num_samples"] for line in lines if line["record"] == "EvalRecord"] == [12, 12, 15]
