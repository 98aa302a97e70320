"""Damaged features: named, with what to do, before anything is learnt from them."""

import os
import re
import shutil
from pathlib import Path

import pytest
import torch

from engine.model import multitask
from shards.dataset import ShardDataset
from shards.errors import DataError
from tests.damage import flip
from tests.faults.feature_runs import OPTIONS, bytes_of, finished
from tests.integration.conftest import train


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 5)


@pytest.mark.usefixtures("training")
@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("features.bin", lambda path: flip(path, 70, 6), r"features.bin: is damaged \(block 0 and its checksum"),
        ("features.bin", lambda path: flip(path, path.stat().st_size - 1, 0), r"features.bin: is damaged \(block 3 and its checksum"),
        ("features.bin", cut, "features.bin: is damaged .it has 230395 bytes instead of 230400"),
        ("features.bin", lambda path: path.unlink(), "features.bin: is damaged .block 0 and its checksum"),
        ("blocks.bin", lambda path: flip(path, 25, 1), "block 2 and its checksum"),
        ("blocks.bin", cut, "blocks.bin: is damaged .it has 43 bytes instead of 48"),
        ("key.json", lambda path: flip(path, 9, 0), "key.json: is damaged"),
        ("key.json", lambda path: path.write_text('{"tap": "pool9"}'), "key.json: is damaged .it tells of other features than its folder"),
    ],
)
def test_damage_is_found_before_anything_is_learnt_from_it(small_images, computed, tmp_path, name, damage, message):
    features = shutil.copytree(computed, tmp_path / "features")
    (path,) = features.glob(f"*/{name}")
    damage(path)
    with pytest.raises(DataError, match=rf"{path.parent}/.*{message}.*; delete {path.parent}, and the features are computed again"):
        train(small_images, tmp_path / "run", features__dir=features, **OPTIONS)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("training")
def test_damage_where_the_run_does_not_look_is_none_of_its_business(small_images, computed, tmp_path):
    features = shutil.copytree(computed, tmp_path / "features")
    (path,) = features.glob("*/features.bin")
    # 600 training samples, then val and test: block 0 is training's alone.
    flip(path, 70, 6)
    (tmp_path / "keys.txt").write_text("".join(f"{ShardDataset(small_images).key(sample)}\n" for sample in range(300, 600)))
    options = OPTIONS | {"train__epochs": 1, "data__keys": tmp_path / "keys.txt"}
    train(small_images, tmp_path / "run", features__dir=features, **options)


def test_damage_ends_with_3_and_a_line_and_is_mended_as_it_says(runs, computed):
    shutil.copytree(computed, runs.features)
    (path,) = runs.features.glob("*/features.bin")
    flip(path, 70, 6)
    ((code, err),), _, _ = runs.finish()
    assert (code, err.count("\n")) == (3, 1)
    ends, _, _ = runs.finish(ranks=2)
    assert ends[0][0] == 3
    assert "another process of this run has ended" in ends[1][1]
    shutil.rmtree(re.search("delete ([^,]+),", err)[1])
    assert runs.finish()[0] == [(0, "")]
    assert bytes_of(runs.features) == bytes_of(computed)


@pytest.mark.usefixtures("training")
def test_features_that_overflow_are_refused_with_the_images_key(small_images, tmp_path, monkeypatch):
    draw = multitask.draw_weights

    def large(trunk, generator):
        draw(trunk, generator)
        with torch.no_grad():
            trunk.stages["conv1_1"][0].weight.mul_(1e5)

    monkeypatch.setattr(multitask, "draw_weights", large)
    options = OPTIONS | {"features__dir": tmp_path / "features", "train__epochs": 1}
    with pytest.raises(DataError, match=r"image '\d{6}' has features at pool1 that are not finite; use features.dtype float32 or bfloat16"):
        train(small_images, tmp_path / "run", features__dtype="float16", **options)
    assert finished(tmp_path / "features") == []
