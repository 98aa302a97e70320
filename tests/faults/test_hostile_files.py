"""F-31: files that would run code if they were unpickled. Nothing runs, and each is refused by name."""

import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from engine.journal.predictions import read_predictions
from engine.report.command import ReportOptions, report
from shards.check.command import CheckOptions, check_shards
from shards.errors import CheckpointError, ConfigurationError, DataError
from tests.conftest import pack
from tests.damage import member, members, repair_manifest, write_tar
from tests.faults.canary import Evil, train
from tests.faults.test_checkpoint_damage import forge
from tests.integration.conftest import forget_end

pytestmark = pytest.mark.usefixtures("training", "canary")


def test_the_canary_is_seen(evil, canary):
    pickle.loads(pickle.dumps(evil))  # noqa: S301 (the trap itself)
    assert canary.exists()
    canary.unlink()


def zipped(path: Path, evil: Evil, name: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, pickle.dumps(evil))


def array(path: Path, evil: Evil) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([evil], object))


WEIGHTS = {
    "a pickle": lambda path, evil: path.write_bytes(pickle.dumps(evil)),
    "an old pickle": lambda path, evil: path.write_bytes(pickle.dumps(evil, protocol=0)),
    "among tensors": lambda path, evil: torch.save({"features.0.weight": torch.zeros(1), "x": evil}, path),
    "as a tensor's name": lambda path, evil: torch.save([("features.0.weight", torch.zeros(1)), evil], path),
    "in torch's old format": lambda path, evil: torch.save({"x": evil}, path, _use_new_zipfile_serialization=False),
    "in an archive": lambda path, evil: zipped(path, evil, "archive/data.pkl"),
    "as constants": lambda path, evil: zipped(path, evil, "archive/constants.pkl"),
    "as a NumPy array": array,
}


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("kind", WEIGHTS)
def test_f31_weights(shards, tmp_path, evil, name, kind):
    path = tmp_path / name
    WEIGHTS[kind](path, evil)
    with pytest.raises(CheckpointError, match=f"{name}: (is|holds) "):
        train(shards, tmp_path / "run", model__weights=path)


@pytest.mark.parametrize("name", ["checksums.json", "model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("kind", ["a pickle", "among tensors"])
def test_f31_a_checkpoint(shards, calm, tmp_path, evil, name, kind):
    run_dir = shutil.copytree(calm[0], tmp_path / "run")
    forget_end(run_dir)
    newest = run_dir / "checkpoints" / "epoch-000002-step-00000000"
    WEIGHTS[kind](newest / name, evil)
    if name != "checksums.json":
        forge(newest)
    with pytest.raises(CheckpointError, match=rf"{newest}/{name}: is not (JSON|safetensors)"):
        train(shards, run_dir, run__if_exists="resume")


@pytest.mark.parametrize("protocol", [0, 4])
@pytest.mark.parametrize("name", ["list_attr_celeba.txt", "list_eval_partition.txt", "labels.csv", "labels.parquet", "labels.pkl"])
def test_f31_label_files(celeba, tmp_path, evil, name, protocol):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(evil, protocol=protocol))
    option = "partition" if "partition" in name else "attributes"
    with pytest.raises((DataError, ConfigurationError), match=name):
        pack(celeba, tmp_path / "out", **{option: (str(path),)})
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_f31_parquet_with_pickles_in_its_metadata(celeba, tmp_path, evil):
    """As pandas and Hugging Face leave notes in a file's schema; and a column of bytes is no label."""
    table = pa.table({"image": ["000001.jpg"], "Young": [1], "blob": [pickle.dumps(evil)]})
    notes = {b"pandas": pickle.dumps(evil), b"huggingface": pickle.dumps(evil), b"ARROW:extension:metadata": pickle.dumps(evil)}
    path = tmp_path / "labels.parquet"
    pa.parquet.write_table(table.replace_schema_metadata(notes), path)
    with pytest.raises(DataError, match=r"labels\.parquet"):
        pack(celeba, tmp_path / "out", attributes=(str(path),))


def test_f31_images(celeba, tmp_path, evil):
    source = shutil.copytree(celeba, tmp_path / "source")
    (source / "img_align_celeba" / "000002.jpg").write_bytes(pickle.dumps(evil))
    with pytest.raises(DataError, match=r"000002\.jpg"):
        pack(source, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in sorted((source / "img_align_celeba").iterdir()):
            archive.write(path, path.name)
    with pytest.raises(DataError, match=r"000002\.jpg"):
        pack(celeba, tmp_path / "out2", images=str(tmp_path / "images.zip"))


@pytest.mark.parametrize("suffix", [".json", ".pkl", ".pickle", ".pth", ".pyd", ".jpg"])
def test_f31_members_of_a_tar(copy, tmp_path, evil, suffix):
    """As webdataset would decode them by their names."""
    tar = copy / "train-000001.tar"
    parts = members(tar)
    key = parts[0][:100].split(b"\0")[0].decode().rpartition(".")[0]
    parts[0 if suffix == ".jpg" else 1] = member(f"{key}{suffix}", pickle.dumps(evil))
    write_tar(tar, parts)
    repair_manifest(copy)
    with pytest.raises(DataError, match=r"damaged|problem"):
        check_shards(CheckOptions(folder=str(copy), workers=1))
    if suffix == ".jpg":
        with pytest.raises(DataError, match=r"train-000001"):
            train(copy, tmp_path / "run")
    else:
        # Labels are read from the array; what lies beside an image is checked and never decoded.
        train(copy, tmp_path / "run", train__epochs=1)


@pytest.mark.parametrize("name", ["index.npy", "labels.npy", "keys.npy", "manifest.json", "train-000001.idx"])
@pytest.mark.parametrize("kind", ["a pickle", "as a NumPy array"])
def test_f31_files_of_a_data_set(copy, tmp_path, evil, name, kind):
    manifest = (copy / "manifest.json").read_bytes()
    WEIGHTS[kind](copy / name, evil)
    if name != "manifest.json":
        assert (copy / "manifest.json").read_bytes() == manifest
        repair_manifest(copy)
    with pytest.raises(DataError, match=r"damaged|problem|manifest"):
        check_shards(CheckOptions(folder=str(copy), workers=1))
    if not name.endswith(".idx"):
        with pytest.raises(DataError, match=name):
            train(copy, tmp_path / "run")


@pytest.mark.parametrize("name", ["records.jsonl", "predictions.npz", "config.yaml"])
@pytest.mark.parametrize("kind", ["a pickle", "as a NumPy array"])
def test_f31_files_of_a_run(calm, tmp_path, evil, name, kind):
    run_dir = shutil.copytree(calm[0], tmp_path / "run")
    WEIGHTS[kind](run_dir / name, evil)
    if name == "predictions.npz":
        np.savez(run_dir / name, logits=np.array([evil], object), labels=np.array([evil], object), ids=np.arange(1))
    if name == "records.jsonl":
        with pytest.raises(DataError, match=name):
            report(ReportOptions(folder=run_dir))
    else:
        # What it does not need it does without.
        report(ReportOptions(folder=run_dir))
    if name == "predictions.npz":
        with pytest.raises(DataError, match=name):
            read_predictions(run_dir)
