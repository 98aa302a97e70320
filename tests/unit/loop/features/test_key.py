"""What features have in common, and what sets them apart."""

import dataclasses
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import vgg

from engine.config import AugmentConfig, OptimizerConfig, SchedulerConfig
from engine.loop.features.key import feature_dtype, feature_key, images_per_pass, key_digest
from engine.loop.features.store import BLOCK
from engine.model.multitask import build_trunk
from shards.dataset import ShardDataset
from tests.conftest import pack, write_celeba
from tests.unit.loop.features.conftest import TASKS

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def key(config, tap=None, *, dataset=None, device=CPU, mirrored=False, tasks=TASKS) -> dict[str, str]:
    trunk = build_trunk(config.model, tasks, config.run.seed)
    dataset = dataset or ShardDataset(Path(config.data.shards))
    return feature_key(config, dataset, trunk, tap or config.model.tap, device, mirrored=mirrored)


@pytest.mark.parametrize(
    ("sections", "names"),
    [
        ({"pipeline": {"image_size": 64}}, ["image size"]),
        ({"pipeline": {"image_size": (32, 40)}}, ["image size"]),
        ({"pipeline": {"image_size": "none"}}, ["image size", "images in a pass"]),
        ({"pipeline": {"backend": "torch"}}, ["backend"]),
        ({"pipeline": {"check_crc": False}}, ["checksums"]),
        ({"pipeline": {"dtype": "float16"}, "train": {"precision": "bf16"}}, ["pixels", "precision", "stored as"]),
        ({"model": {"trunk": "vgg11_bn"}}, ["trunk", "weights"]),
        ({"model": {"tap": "conv2_1"}}, ["tap"]),
        ({"model": {"tap_grid": 2}}, ["grid"]),
        ({"model": {"weights_seed": 1}}, ["weights"]),
        ({"run": {"seed": 1}}, ["weights"]),
        ({"model": {"channels_last": False}}, ["channels last"]),
        ({"train": {"precision": "bf16"}}, ["precision", "stored as"]),
        ({"features": {"dtype": "float16"}}, ["stored as"]),
        ({"features": {"dtype": "bfloat16"}}, ["stored as"]),
    ],
    ids=str,
)
def test_what_changes_the_features_changes_the_key(configure, sections, names):
    one, other = key(configure()), key(configure(**sections))
    assert sorted(name for name in one if one[name] != other[name]) == sorted(names)
    assert key_digest(one) != key_digest(other)


def test_each_tap_the_mirrored_images_and_the_device_have_their_own(configure):
    config = configure(model={"task_taps": {"Bald": "pool1"}})
    found = [
        key(config),
        key(config, "pool1"),
        key(config, mirrored=True),
        key(configure(train={"micro_batch_size": 2})),
        key(config, device=GPU),
        key(configure(pipeline={"decoder": "cpu"}), device=GPU),
        key(configure(pipeline={"hw_decoder_load": 0.5}), device=GPU),
    ]
    assert len({key_digest(entry) for entry in found}) == len(found)


def test_another_data_set_has_another_key_and_other_labels_have_not(configure, tmp_path, shards):
    source = write_celeba(tmp_path / "other", seed=1)
    other = ShardDataset(pack(source, tmp_path / "packed"))
    assert key(configure())["images"] != key(configure(), dataset=other)["images"]
    dataset = ShardDataset(shards)
    files = dataset.manifest.files
    relabelled = files | {"labels.npy": dataclasses.replace(files["labels.npy"], sha256="0" * 64)}
    dataset.manifest = dataclasses.replace(dataset.manifest, files=relabelled)
    assert key(configure(), dataset=dataset) == key(configure())


def tiny_vgg11(**_) -> vgg.VGG:
    """A VGG11 of which every layer is tiny."""
    with torch.device("meta"):
        built = vgg.VGG(nn.Identity(), init_weights=False)
    built.features = vgg.make_layers([3 if isinstance(width, int) else width for width in vgg.cfgs["A"]])
    kinds = (nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear)
    built.classifier = nn.Sequential(*(kind(1, 1) if kind is nn.Linear else kind() for kind in kinds))
    return built


def test_weights_from_a_file_count_and_not_its_name(configure, monkeypatch, tmp_path):
    monkeypatch.setattr(torchvision.models, "vgg11", tiny_vgg11)
    built = tiny_vgg11()
    for name, stage in (("one", None), ("same", None), ("behind", 6), ("other", 3)):
        if stage is not None:
            nn.init.constant_(built.features[stage].bias, 5.0)
        torch.save(built.state_dict(), tmp_path / f"{name}.pth")
    one, *others = (key(configure(model={"weights": str(tmp_path / f"{name}.pth")})) for name in ("one", "same", "behind", "other"))
    # Layer 3 is conv2_1, before the tap pool2; layer 6 is conv3_1, behind it.
    assert [entry == one for entry in others] == [True, True, False]


def test_what_lies_behind_a_tap_does_not_matter_to_it(configure):
    deep = configure(model={"task_taps": {"Bald": "pool3"}})
    assert key(deep, "pool2") == key(configure(), "pool2")


@pytest.mark.parametrize(
    "sections",
    [
        {"run": {"seed": 5}, "model": {"weights_seed": 0}},
        # No fewer than go through the trunk at once anyway.
        {"train": {"micro_batch_size": 300}},
        {"data": {"limit": 10}},
        {"data": {"tasks": ("Male",)}},
        {"model": {"hidden": (3, 4)}},
        {"train": {"batch_size": 4, "epochs": 7}},
        {"pipeline": {"threads": 2, "prefetch": 5, "shuffle": "window", "drop_last": False, "on_bad_sample": "skip"}},
        {"augment": AugmentConfig(mirror=True), "features": {"mirrored": True}},
        {"optimizer": OptimizerConfig(lr=0.5)},
        {"scheduler": SchedulerConfig(name="mtl")},
        {"features": {"dtype": "float32"}},
    ],
    ids=str,
)
def test_what_does_not_change_the_features_shares_them(configure, tmp_path, sections):
    features = {"dir": tmp_path / "features"} | sections.pop("features", {})
    model = {"weights_seed": 0} | sections.pop("model", {})
    changed = configure(features=features, model=model, **sections)
    tasks = changed.data.tasks
    assert key(changed, tasks=tasks) == key(configure(model={"weights_seed": 0}))


@pytest.mark.parametrize(
    ("stored", "precision", "dtype"),
    [
        ("auto", "no", torch.float32),
        ("auto", "bf16", torch.bfloat16),
        ("auto", "fp16", torch.float16),
        ("float16", "no", torch.float16),
        ("float32", "bf16", torch.float32),
        ("bfloat16", "no", torch.bfloat16),
    ],
)
def test_types(configure, tmp_path, stored, precision, dtype):
    config = configure(features={"dtype": stored, "dir": tmp_path}, train={"precision": precision})
    assert feature_dtype(config) == dtype


@pytest.mark.parametrize(
    ("size", "most", "images"),
    [
        ((224, 224), None, 64),
        ((224, 224), 1000, 64),
        ((224, 224), 63, 32),
        ((224, 224), 1, 1),
        ((32, 32), None, 256),
        ((112, 224), None, 128),
        ((225, 224), None, 32),
        ((4096, 4096), None, 1),
    ],
)
def test_as_many_images_at_once_as_the_image_size_says(size, most, images):
    assert images_per_pass(size, most) == images
    assert BLOCK % images == 0
