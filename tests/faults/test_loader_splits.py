"""F-20, F-04: fewer shards than ranks, splits of one sample or none, a last batch of one; and one rank becomes two in mid-epoch."""

import itertools
import json
import os
import shutil
from pathlib import Path

import pytest

from engine.pipeline.order import Order
from shards.dataset import ShardDataset
from tests.conftest import pack, write_celeba
from tests.integration.conftest import flags, forget_end, records, results
from tests.launch import TRAIN
from tests.loading import keys_of, open_loader

# Writes down which samples each rank trains on, at the moment when it does.
WATCHED = """
import json, os
from engine.loop.step import TrainStep
train = TrainStep.__call__
def watched(self, batch, mask, *args, **options):
    with open(os.environ["WATCH"] + os.environ.get("RANK", "0"), "a") as file:
        file.write(json.dumps(batch.ids[: batch.num_valid].tolist()) + chr(10))
    return train(self, batch, mask, *args, **options)
TrainStep.__call__ = watched
"""


def packed(folder: Path, train: int, val: int, test: int, shards: int = 1) -> Path:
    source = write_celeba(folder / "celeba", num_images=train + val + test)
    codes = [0] * train + [1] * val + [2] * test
    (source / "list_eval_partition.txt").write_text("".join(f"{i:06d}.jpg {code}\n" for i, code in enumerate(codes, start=1)))
    return pack(source, folder / "shards", shards=shards)


@pytest.fixture(scope="module")
def ones(tmp_path_factory):
    """One shard per split; one sample in val; one in the last batch of test, and in that of train if it is kept."""
    return packed(tmp_path_factory.mktemp("ones"), train=41, val=1, test=9)


@pytest.fixture(scope="module")
def none(tmp_path_factory):
    """No val; a single sample in test; fewer samples to train on than one batch holds."""
    return packed(tmp_path_factory.mktemp("none"), train=7, val=0, test=1)


@pytest.mark.parametrize("world_size", [1, 2, 4, 8])
@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("which", ["ones", "none"])
def test_every_sample_comes_exactly_once_on_any_number_of_ranks(which, split, world_size, request):
    folder = request.getfixturevalue(which)
    dataset = ShardDataset(folder)
    wanted = sorted(dataset.key(sample_id) for sample_id in dataset.split_range(split))
    if not wanted:
        with pytest.raises(ValueError, match="0 samples make no batch of 8"):
            open_loader(folder, split)
        return
    loaded, num_labelled = [], []
    for rank in range(world_size):
        with open_loader(folder, split, rank=rank, world_size=world_size, image_size=32) as loader:
            # Twice: what is read ahead at an epoch's end belongs to the next one.
            epochs = [[next(loader) for _ in range(loader.order.steps_per_epoch)] for _ in range(2)]
        assert all(len(batch.images) == 8 // world_size for batch in epochs[0])
        assert all((batch.labels[batch.num_valid :] == -1).all() for batch in epochs[0])
        loaded.append([[key for batch in keys_of(folder, epoch) for key in batch] for epoch in epochs])
        num_labelled.append([batch.num_labelled.tolist() for batch in epochs[0]])
    for epoch in range(2):
        assert sorted(key for rank in loaded for key in rank[epoch]) == wanted
    assert all(other == num_labelled[0] for other in num_labelled)
    assert sum(step[0] for step in num_labelled[0]) == len(wanted)


def evaluations(run_dir: Path) -> list[tuple]:
    lines = [line for line in records(run_dir) if line["record"] == "EvalRecord"]
    return [(line["split"], line["epoch"], line["num_samples"], [task["num_labelled"] for task in line["metrics"]]) for line in lines]


def test_two_ranks_evaluate_no_val_and_one_test_sample(none, nursery, tmp_path):
    options = {"train__epochs": 2, "pipeline__drop_last": False}
    ends = [child.finish() for child in nursery.start_two(flags(none, tmp_path / "run", **options))]
    assert [(code, err) for code, _, err in ends] == [(0, "")] * 2
    assert "warning: the val split is empty; nothing is evaluated on it" in ends[0][1]
    assert evaluations(tmp_path / "run") == [("test", 1, 1, [1] * 3)]


def test_without_training_samples_it_says_so(tmp_path, nursery):
    code, _, err = nursery.start(flags(packed(tmp_path, train=0, val=2, test=2), tmp_path / "run")).finish()
    assert (code, err.count("\n")) == (2, 1)
    assert "there are 0 training samples, too few for one batch of 8; lower train.batch_size" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("changes", [(1, 2), (2, 1)], ids=["one-to-two", "two-to-one"])
def test_a_run_goes_on_with_another_number_of_ranks_and_trains_on_the_same_batches(ones, nursery, tmp_path, changes):
    options = {"train__epochs": 2, "train__checkpoint_every": 2, "report__every": 1, "pipeline__drop_last": False, "augment__mirror": True}

    def train(name: str, num_ranks: int, **more) -> None:
        start = nursery.start_two if num_ranks == 2 else lambda *arguments, **variables: [nursery.start(*arguments, **variables)]
        children = start(flags(ones, tmp_path / name, **(options | more)), WATCHED + TRAIN, WATCH=str(tmp_path / f"{name}-{num_ranks}-"))
        assert [(code, err) for code, _, err in (child.finish() for child in children)] == [(0, "")] * num_ranks

    def seen(name: str, num_ranks: int) -> list[list[int]]:
        """The global batches, in order."""
        paths = [tmp_path / f"{name}-{num_ranks}-{rank}" for rank in range(num_ranks)]
        ranks = [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]
        return [list(itertools.chain(*parts)) for parts in zip(*ranks, strict=True)]

    train("whole", 1)
    train("parts", changes[0])
    # As if it had been killed after the fourth of the second epoch's six steps.
    shutil.rmtree(tmp_path / "parts" / "checkpoints" / "epoch-000002-step-00000000")
    forget_end(tmp_path / "parts")
    assert os.listdir(tmp_path / "parts" / "checkpoints") == ["epoch-000001-step-00000004"]
    train("parts", changes[1], run__if_exists="resume")
    order = Order(ids=ShardDataset(ones).split_range("train"), batch_size=8, seed=0, shuffle="global")
    batches = [order.batch(epoch, step).tolist() for epoch in range(2) for step in range(6)]
    assert seen("whole", 1) == batches
    assert seen("parts", changes[0])[:10] + seen("parts", changes[1]) == batches
    for one, two in zip(*(results(records(tmp_path / name)) for name in ("whole", "parts")), strict=True):
        if one["record"] == "EpochRecord":
            assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
            assert two["task_losses"] == pytest.approx(one["task_losses"], rel=1e-5)
            assert (two["active_shares"], two["probabilities"]) == (one["active_shares"], pytest.approx(one["probabilities"], rel=1e-5))
    assert evaluations(tmp_path / "parts")[-2:] == [("val", 1, 1, [1] * 3), ("test", 1, 9, [9] * 3)]
