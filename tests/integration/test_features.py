"""Training from features: the same as from images, computed once for all who may share them."""

import json
import shutil
from pathlib import Path

import pytest
import torchvision

from engine.command_line import parse
from engine.loop.features.compute import FeaturePass
from engine.loop.state import Position
from engine.pipeline.order import Order
from engine.report import reporter
from engine.run.run import run
from shards.dataset import ShardDataset
from shards.errors import CheckpointError, ConfigurationError, DataError, Interrupted
from tests.conftest import NUM_TRAIN, forget_accelerator
from tests.faults.conftest import damage
from tests.integration.conftest import flags, records, results
from tests.integration.test_train import assert_same_run, stop_after
from tests.launch import light_vgg11

FROZEN = {"model__train_from": "heads", "train__epochs": 2, "report__every": 1, "optimizer__lr": 0.01, "report__console": "quiet"}


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    monkeypatch.setattr(torchvision.models, "vgg11", light_vgg11)
    # Drawing the page takes as long as the rest of such a run.
    monkeypatch.setattr(reporter, "write_outputs", lambda *_, **__: ())


@pytest.fixture
def passes(monkeypatch) -> list[list[int]]:
    """Blocks of each pass."""
    seen, compute = [], FeaturePass.__call__

    def noted(self, blocks, look):
        seen.append(blocks.tolist())
        compute(self, blocks, look)

    monkeypatch.setattr(FeaturePass, "__call__", noted)
    return seen


def words(shards, run_dir, **options) -> list[str]:
    """The command line: as everywhere, and a value of several words is several."""
    return [part for word in flags(shards, run_dir, **(FROZEN | options)) for part in str(word).split()]


def train(shards, run_dir, **options) -> list[dict]:
    """Train, maybe once more in this process."""
    try:
        run(parse(words(shards, run_dir, **options)))
        return records(run_dir)
    finally:
        forget_accelerator()


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything about the features."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


def numbers(metrics: dict) -> dict:
    return {name: value for name, value in metrics.items() if isinstance(value, float)}


def assert_same_learning(cached: list[dict], plain: list[dict], rel: float) -> None:
    masks = [[line["active"] for line in lines if line["record"] == "StepRecord"] for lines in (cached, plain)]
    assert masks[0] == masks[1]
    steps = [[line["loss"] for line in lines if line["record"] == "StepRecord"] for lines in (cached, plain)]
    assert steps[0] == pytest.approx(steps[1], rel=rel)
    assert [line for line in cached if line["record"] == "SkipRecord"] == [line for line in plain if line["record"] == "SkipRecord"]
    for one, other in zip(results(cached), results(plain), strict=True):
        if one["record"] == "EpochRecord":
            assert one["task_losses"] == pytest.approx(other["task_losses"], rel=rel)
            assert one["active_shares"] == other["active_shares"]
            assert one["probabilities"] == pytest.approx(other["probabilities"], rel=rel)
        else:
            assert one["num_samples"] == other["num_samples"]
            for mine, its in zip(one["metrics"], other["metrics"], strict=True):
                assert (mine["num_labelled"], mine["num_positive"]) == (its["num_labelled"], its["num_positive"])
                assert numbers(mine) == pytest.approx(numbers(its), abs=10 * rel)


MIRROR = {"augment__mirror": True}
CASES = {
    "dst": {"train__epochs": 4, "scheduler__regulariser": 0.0, "scheduler__incompleteness": 0.4},
    "mtl": {"scheduler__name": "mtl"},
    "mirror": MIRROR,
    "mirror-with-a-partly-filled-batch": MIRROR | {"pipeline__drop_last": False},
    "partly-filled-last-batch": {"pipeline__drop_last": False, "train__batch_size": 11},
    "two-taps": {"model__task_taps": "Bald pool1 Bangs conv2_1", "model__tap_grid": 2, "scheduler__name": "random", "scheduler__rate": 0.5},
    "own-hidden-layers": {"model__task_hidden": "Bald 8x4 Young none"},
    "window": {"pipeline__shuffle": "window", "pipeline__window_shards": 2},
    "batch-norm": {"model__trunk": "vgg11_bn", "model__tap": "pool2"},
    "sizes-as-they-are": {"pipeline__image_size": "none", "model__tap": "pool1"},
    "micro-batches": {"train__micro_batch_size": 3, "model__channels_last": False, "data__limit": 30},
    "epoch-granularity-and-weights": {"scheduler__granularity": "epoch", "loss__pos_weight": "balanced", "report__threshold": "val"},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_training_from_features_is_training_from_images(shards, tmp_path, options):
    mirrored = {"features__mirrored": True} if "augment__mirror" in options else {}
    plain = train(shards, tmp_path / "plain", **options)
    cached = train(shards, tmp_path / "cached", features__dir=tmp_path / "features", **mirrored, **options)
    assert_same_learning(cached, plain, rel=1e-4)
    # Something was learnt, and where tasks are dropped some were.
    losses = [line["task_losses"] for line in plain if line["record"] == "EpochRecord"]
    moved = [abs(last - first) for first, last in zip(losses[0], losses[-1], strict=True)]
    assert min(moved) > 1e-4
    assert max(moved) > 1e-2
    if options.get("scheduler__name") == "random" or "scheduler__regulariser" in options:
        assert any(False in line["active"] for line in plain if line["record"] == "StepRecord")


@pytest.mark.parametrize(
    ("options", "rel"),
    [({"train__precision": "bf16"}, 0.03), ({"features__dtype": "float16"}, 2e-3), ({"features__dtype": "bfloat16"}, 0.04)],
    ids=["bf16", "stored-as-float16", "stored-as-bfloat16"],
)
def test_with_fewer_digits_it_is_nearly_the_same(shards, tmp_path, options, rel):
    plain = train(shards, tmp_path / "plain", **{name: value for name, value in options.items() if not name.startswith("features")})
    cached = train(shards, tmp_path / "cached", features__dir=tmp_path / "features", **options)
    losses = [[line["task_losses"] for line in lines if line["record"] == "EpochRecord"] for lines in (cached, plain)]
    for one, other in zip(*losses, strict=True):
        assert one == pytest.approx(other, rel=rel)


def test_listed_keys_only(shards, tmp_path):
    dataset = ShardDataset(shards)
    (tmp_path / "keys.txt").write_text("".join(f"{dataset.key(sample)}\n" for sample in range(5, NUM_TRAIN, 2)))
    options = {"data__keys": tmp_path / "keys.txt"}
    cached = train(shards, tmp_path / "cached", features__dir=tmp_path / "features", **options)
    assert_same_learning(cached, train(shards, tmp_path / "plain", **options), rel=1e-4)


@pytest.fixture
def damaged(shards, tmp_path) -> tuple[Path, list[int]]:
    """A copy in which an image of each split is damaged: one that the first epoch trains on, and the last of val and of test."""
    copy = shutil.copytree(shards, tmp_path / "copy")
    dataset = ShardDataset(copy)
    order = Order(ids=dataset.split_range("train"), batch_size=8, seed=0, shuffle="global", drop_last=True)
    bad = [int(order.batch(0, 2)[3]), dataset.split_range("val")[-1], dataset.split_range("test")[0]]
    for sample in bad:
        damage(copy, sample)
    return copy, bad


def test_damaged_images_are_skipped_as_they_are_without_features(damaged, tmp_path):
    copy, bad = damaged
    # One in each split: more than one in all.
    options = {"pipeline__on_bad_sample": "skip", "pipeline__max_bad_samples": 1}
    plain = train(copy, tmp_path / "plain", **options)
    for name in ("computed", "found"):
        cached = train(copy, tmp_path / name, features__dir=tmp_path / "features", **options)
        assert_same_learning(cached, plain, rel=1e-4)
    assert sorted(line["key"] for line in cached if line["record"] == "SkipRecord") == sorted(map(ShardDataset(copy).key, bad))


def test_a_damaged_image_ends_the_run_unless_it_is_skipped_also_where_another_run_skipped_it(damaged, tmp_path, passes):
    copy, bad = damaged
    message = f"image '{ShardDataset(copy).key(bad[0])}' is damaged .*; restore the shard, pack again, or set pipeline.on_bad_sample skip"
    features = {"features__dir": tmp_path / "features"}
    with pytest.raises(DataError, match=message):
        train(copy, tmp_path / "run", **features)
    assert not (tmp_path / "run").exists()
    train(copy, tmp_path / "skipping", pipeline__on_bad_sample="skip", **features)
    assert passes == [[0], [0]]
    with pytest.raises(DataError, match=message):
        train(copy, tmp_path / "run", **features)
    assert len(passes) == 2


def test_one_that_the_run_does_not_use_does_not_end_it(shards, tmp_path):
    copy = shutil.copytree(shards, tmp_path / "copy")
    damage(copy, NUM_TRAIN - 1)
    options = {"data__limit": NUM_TRAIN - 1}
    cached = train(copy, tmp_path / "cached", features__dir=tmp_path / "features", **options)
    assert_same_learning(cached, train(copy, tmp_path / "plain", **options), rel=1e-4)
    with pytest.raises(DataError, match="is damaged"):
        train(copy, tmp_path / "all", features__dir=tmp_path / "features")


def test_a_restored_shard_is_read_again(shards, damaged, tmp_path, passes):
    copy, bad = damaged
    features = {"features__dir": tmp_path / "features"}
    train(copy, tmp_path / "skipping", pipeline__on_bad_sample="skip", **features)
    for sample in bad:
        damage(copy, sample)
    # Sound now: it is as if there had never been any damage.
    restored = train(copy, tmp_path / "restored", **features)
    assert passes == [[0], [0]]
    assert results(restored) == results(train(shards, tmp_path / "sound", features__dir=tmp_path / "other"))
    assert [path.name for path in sorted(next((tmp_path / "features").iterdir()).iterdir())] == ["blocks.bin", "features.bin", "key.json"]
    train(copy, tmp_path / "again", **features)
    assert len(passes) == 3


def test_whoever_may_share_features_finds_them(shards, tmp_path, passes):
    common = {"features__dir": tmp_path / "features", "model__weights_seed": 3, "train__epochs": 1}
    train(shards, tmp_path / "first", **common)
    before = files(tmp_path / "features")
    assert passes == [[0]]
    for number, options in enumerate(
        [
            {"run__seed": 7},
            {"data__tasks": "Male Smiling"},
            {"train__batch_size": 4, "train__epochs": 2},
            {"data__limit": 20},
            {"scheduler__name": "mtl", "optimizer__lr": 0.1, "model__hidden": 5},
            {"pipeline__shuffle": "window", "pipeline__threads": 2, "pipeline__drop_last": False, "pipeline__on_bad_sample": "skip"},
        ]
    ):
        train(shards, tmp_path / str(number), **(common | options))
    assert len(passes) == 1
    assert files(tmp_path / "features") == before


def test_whoever_may_not_computes_others(shards, tmp_path, passes):
    features = tmp_path / "features"
    for number, options in enumerate(
        [
            {},
            {"model__tap": "pool2"},
            {"model__tap_grid": 2},
            {"pipeline__image_size": 40},
            {"run__seed": 1},
            {"model__weights_seed": 9},
            {"train__precision": "bf16"},
            {"features__dtype": "float16"},
        ],
        start=1,
    ):
        train(shards, tmp_path / str(number), features__dir=features, train__epochs=1, **options)
        assert (len(list(features.iterdir())), len(passes)) == (number, number)
    # What is there already is found: only the mirrored ones are new.
    train(shards, tmp_path / "mirrored", features__dir=features, train__epochs=1, features__mirrored=True, **MIRROR)
    assert (len(list(features.iterdir())), len(passes)) == (number + 1, number + 1)
    keys = [json.loads(path.read_text()) for path in features.glob("*/key.json")]
    assert sorted(key["mirrored"] for key in keys) == ["False"] * number + ["True"]


def test_a_run_stopped_and_resumed_on_features_is_the_same_run(shards, tmp_path, monkeypatch, passes):
    options = {"features__dir": tmp_path / "features", "features__mirrored": True, "train__epochs": 3, **MIRROR}
    train(shards, tmp_path / "whole", **options)
    stops = [(0, 2), (1, 6), (2, 3)]
    stop_after(monkeypatch, list(stops))
    for epoch, step in stops:
        with pytest.raises(Interrupted, match=f"stopped by a signal after {Position(epoch=epoch, step=step).in_words()};"):
            train(shards, tmp_path / "parts", run__if_exists="resume", **options)
    train(shards, tmp_path / "parts", run__if_exists="resume", **options)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    assert len(passes) == 1


def test_a_run_does_not_change_between_images_and_features_on_the_way(shards, tmp_path):
    train(shards, tmp_path / "run", train__epochs=1)
    with pytest.raises(CheckpointError, match=r"features was computed in every step, is computed once, torch.float32, 256 images"):
        train(shards, tmp_path / "run", features__dir=tmp_path / "features", run__if_exists="resume")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"augment__crop": "0.5 1.0"},
            "augment varies the images in every epoch, so features.dir would be wrong; leave out all but mirror",
        ),
        ({"augment__brightness": 0.1}, "augment varies the images in every epoch"),
        (MIRROR, "augment.mirror varies the images in every epoch, so features.dir would be wrong; add features.mirrored true"),
        ({"features__mirrored": True}, "features.mirrored has no effect without augment.mirror"),
        ({"model__train_from": "pool3"}, "model.train_from pool3 changes the trunk, so features.dir would be wrong; use heads"),
        ({"model__train_from": "all"}, "model.train_from all changes the trunk"),
        ({"pipeline__backend": "synthetic", "pipeline__threads": 0}, "pipeline.backend synthetic has no images, so features.dir would be"),
        ({"features__dir": "None", "features__dtype": "float16"}, "features.dtype has no effect without features.dir"),
        ({"features__dir": "None", "features__mirrored": True} | MIRROR, "features.mirrored has no effect without features.dir"),
    ],
)
def test_what_would_make_features_wrong_is_refused(tmp_path, options, message):
    with pytest.raises(ConfigurationError, match=message):
        parse(words(tmp_path, tmp_path / "run", **({"features__dir": tmp_path / "features"} | options)))
    assert not (tmp_path / "features").exists()


def test_records_hold_no_progress_of_features(shards, tmp_path, capfd):
    lines = train(shards, tmp_path / "run", features__dir=tmp_path / "features", report__console="plain")
    assert lines[0]["record"] == "RunRecord"
    assert "features of 80 images computed in " in capfd.readouterr().err
    train(shards, tmp_path / "again", features__dir=tmp_path / "features", report__console="plain")
    assert "features" not in capfd.readouterr().err
    assert len(records(tmp_path / "again")) == len(lines)
