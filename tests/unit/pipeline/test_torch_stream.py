"""The reference backend, and how far DALI's batches agree with it."""

import shutil

import pytest
import torch

from engine.pipeline import torch_stream
from engine.pipeline.imagenet import STD
from shards.dataset import ShardDataset
from shards.errors import DataError
from tests.loading import batches
from tests.unit.pipeline.test_source import damage

GREY_LEVEL = torch.tensor(STD).view(3, 1, 1)


def greatest_difference(shards, **options) -> float:
    """Between the backends, in grey levels of 0 to 255."""
    pairs = zip(batches(2, shards, **options), batches(2, shards, backend="torch", **options), strict=True)
    return max(float(((one.images - other.images) * GREY_LEVEL).abs().max()) for one, other in pairs)


@pytest.mark.parametrize(
    "options",
    [
        {"image_size": 224},
        {"image_size": 48},
        {"image_size": "none"},
        {"augment": {"mirror": True, "crop": (0.2, 1.0)}},
    ],
    ids=["larger", "smaller", "as-they-are", "pieces"],
)
def test_dali_on_a_cpu_agrees_to_the_last_grey_level(shards, options):
    assert greatest_difference(shards, **options) < 0.001


@pytest.mark.parametrize("options", [{"brightness": 0.4}, {"contrast": 0.5}, {"saturation": 0.6}, {"hue": 60.0}], ids="".join)
def test_other_colours_agree_within_a_grey_level(shards, options):
    # DALI's matrix between RGB and YIQ is rounded to three digits; the colours must have changed at all.
    assert greatest_difference(shards, augment=options, image_size="none") < 1.01
    plain, varied = batches(1, shards), batches(1, shards, augment=options)
    assert (plain[0].images - varied[0].images).abs().mean() > 0.02


def test_damage_met_in_another_process_is_told_as_if_it_were_met_here(shards, tmp_path):
    copy = shutil.copytree(shards, tmp_path / "copy")
    dataset = ShardDataset(copy)
    shard = damage(dataset, 30)
    with pytest.raises(DataError, match=rf"{shard}: image '{dataset.key(30)}' is damaged .*skip$"):
        batches(7, copy, backend="torch")
    loaded = batches(7, copy, backend="torch", on_bad_sample="skip")
    assert [batch.num_skipped for batch in loaded] == [int(30 in batch.ids) for batch in loaded]
    assert sum(batch.num_skipped for batch in loaded) == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("unable to allocate shared memory(shm) for file </x>: No space left on device (28)"), "ran out of shared memory"),
        (OSError(24, "Too many open files"), r"too many files open for pipeline.backend torch, .*ulimit -n: \d+"),
        (RuntimeError("unable to open shared memory object </x> in read-write mode: Too many open files (24)"), "too many files open"),
    ],
)
def test_what_keeps_a_batch_from_being_shared_is_named(monkeypatch, error, message):
    def refused(_):
        raise error

    monkeypatch.setattr(torch.Tensor, "share_memory_", refused)
    with pytest.raises(DataError, match=message):
        torch_stream._shared(torch.zeros(3))
