"""Evaluation of known tables on one rank and on two, against scikit-learn."""

import json

import pytest

from tests.launch import Nursery
from tests.unit.loop.evaluation import SIZES, SKIPPED, table
from tests.unit.loop.reference import MAJORITY, TASKS, reference

PROGRAM = "from tests.unit.loop.evaluation import main; main()"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Number of ranks -> what each of them found."""
    folders = {world_size: tmp_path_factory.mktemp(f"ranks-{world_size}") for world_size in (1, 2)}
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    try:
        children = [nursery.start([str(folders[1])], PROGRAM), *nursery.start_two([str(folders[2])], PROGRAM)]
        ends = [child.finish() for child in children]
    finally:
        nursery.close()
    assert [code for code, _, _ in ends] == [0, 0, 0], ends
    results = {size: [json.loads(path.read_text()) for path in sorted(folder.iterdir())] for size, folder in folders.items()}
    assert [[rank["world_size"] for rank in ranks] for ranks in results.values()] == [[1], [2, 2]]
    return results


@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("num_samples", SIZES)
def test_every_sample_counts_once_whatever_the_tail(found, world_size, num_samples):
    for rank in found[world_size]:
        for split in ("val", "test"):
            record = rank[f"{split} {num_samples}"]
            assert (record["split"], record["epoch"]) == (split, 4)
            assert record["num_samples"] == num_samples - (num_samples > SKIPPED), "the damaged sample"
            assert record["same_table"]


@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("num_samples", SIZES)
def test_agreement_with_scikit_learn(found, world_size, num_samples):
    logits, labels = table(num_samples)
    for split in ("val", "test"):
        metrics = found[world_size][0][f"{split} {num_samples}"]["metrics"]
        assert [entry["task"] for entry in metrics] == list(TASKS)
        for column, entry in enumerate(metrics):
            expected = reference(logits[:, column], labels[:, column], entry["threshold"], MAJORITY[column])
            assert entry == pytest.approx(expected | {"task": TASKS[column]}, abs=1e-6), (split, TASKS[column])


@pytest.mark.parametrize("num_samples", SIZES)
def test_any_number_of_ranks_finds_the_same_to_the_last_digit(found, num_samples):
    for split in ("val", "test"):
        one, first, second = (rank[f"{split} {num_samples}"]["metrics"] for ranks in (found[1], found[2]) for rank in ranks)
        assert one == first == second


def test_test_is_answered_at_the_thresholds_of_val(found):
    val, test = ([entry["threshold"] for entry in found[2][0][f"{split} 129"]["metrics"]] for split in ("val", "test"))
    assert val == test
    assert [threshold != 0.5 for threshold in val].count(True) >= 3


@pytest.mark.parametrize("world_size", [1, 2])
def test_all_ranks_stop_or_fail_alike(found, world_size):
    for rank in found[world_size]:
        assert rank["stopped"]
        assert rank["divergence"] == "epoch 5: the model's val output for task 'rare' is not finite; lower optimizer.lr"
