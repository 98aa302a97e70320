"""The folder that is packed into."""

from pathlib import Path

import numpy as np
import pytest

from shards.errors import ConfigurationError, DataError
from shards.packing.job import NOTES
from shards.packing.output import prepare
from shards.packing.plan import ShardPlan
from shards.storage.lock import LOCK
from tests.conftest import pack
from tests.damage import folder_of

PLANS = [ShardPlan(name=name, rows=np.array([0])) for name in ("train-000000", "val-000000")]


def names_in(path: Path) -> set[str]:
    return {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}


def test_a_new_folder_is_marked_before_anything_else_is_written(tmp_path):
    assert prepare(folder_of(tmp_path / "out"), PLANS, resume=True) == set()
    assert names_in(tmp_path / "out") == {f"{NOTES}/begun"}


def test_a_foreign_file_is_refused_and_nothing_is_touched(tmp_path):
    folder = folder_of(tmp_path, "train-000000.tar", "b.txt", "a/thesis.tex")
    with pytest.raises(ConfigurationError, match=rf"--out {tmp_path}: is not empty \(holds 'a/thesis.tex'\); name another folder"):
        prepare(folder, PLANS, resume=True)
    assert names_in(tmp_path) == {"train-000000.tar", "b.txt", "a/thesis.tex"}


def test_notes_of_wanted_shards_are_returned_and_all_else_of_ours_is_cleared_away(tmp_path):
    kept = {f"{NOTES}/begun", f"{NOTES}/train-000000.json", f"{NOTES}/train-000000.npy", "train-000000.tar", "train-000000.idx", LOCK}
    # A shard without a note: it may have been written by another plan, and is written anew.
    kept |= {"val-000000.tar", "thesis.tex"}
    stale = {"train-000001.tar", "train-000001.idx", f"{NOTES}/test-000000.json", f"{NOTES}/test-000000.npy"}
    stale |= {"index.npy", "labels.npy", "keys.npy", "wids.json", "summary.json", "quarantine.csv"}
    stale |= {".train-000000.tar.123-0123abcd.tmp", f"{NOTES}/.x.json.123-0123abcd.tmp", ".dropstream-x/index.npy"}
    assert prepare(folder_of(tmp_path, *kept, *stale), PLANS, resume=True) == {"train-000000"}
    assert names_in(tmp_path) == kept


def test_beginning_anew_clears_every_shard_and_nothing_that_is_not_ours(tmp_path):
    ours = (f"{NOTES}/begun", f"{NOTES}/train-000000.json", f"{NOTES}/train-000000.npy", "train-000000.tar", "train-000000.idx")
    assert prepare(folder_of(tmp_path, *ours, "thesis.tex", "train-7.tar"), PLANS, resume=False) == set()
    assert names_in(tmp_path) == {f"{NOTES}/begun", "thesis.tex", "train-7.tar"}


def test_the_width_of_the_keys_does_not_depend_on_what_was_left_out(damaged, tmp_path):
    long = "k" * 90
    for name in ("list_attr_celeba.txt", "list_eval_partition.txt"):
        (damaged / name).write_text((damaged / name).read_text().replace("000002.jpg", f"{long}.jpg"))
    (damaged / "img_align_celeba" / "000002.jpg").rename(damaged / "img_align_celeba" / f"{long}.jpg")
    assert np.load(pack(damaged, tmp_path / "long", shards=1) / "keys.npy").dtype == "S90"
    (damaged / "img_align_celeba" / f"{long}.jpg").write_bytes(b"")
    keys = np.load(pack(damaged, tmp_path / "out", shards=1, on_bad_image="quarantine") / "keys.npy")
    assert keys.dtype == "S6"
    assert sorted(keys.tolist()) == [b"000001", b"000003", b"000004", b"000005", b"000006"]


def test_a_folder_of_nothing_but_bad_images_is_an_error_and_no_data_set(damaged, tmp_path):
    for number in range(1, 7):
        (damaged / "img_align_celeba" / f"{number:06d}.jpg").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"none of the images can be packed; the first, 000001\.jpg: is neither .* but an HTML page"):
        pack(damaged, tmp_path / "out", on_bad_image="quarantine")
    assert not (tmp_path / "out" / "manifest.json").exists()
