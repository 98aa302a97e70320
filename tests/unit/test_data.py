"""What a run is about: samples, tasks, and what tells them from others."""

from types import SimpleNamespace

import numpy as np
import pytest

from engine import data as data_module
from engine.config import DataConfig
from engine.data import choose_tasks, open_data


@pytest.mark.parametrize("chunk", [2, 5, 100])
@pytest.mark.parametrize("as_array", [False, True])
def test_labels_are_counted_over_all_the_samples_piece_by_piece(monkeypatch, chunk, as_array):
    monkeypatch.setattr(data_module, "_CHUNK", chunk)
    labels = np.array([[1, 1, 1], [1, 0, -1], [0, 1, -1], [1, 0, -1], [-1, 1, 0], [1, -1, 1], [1, 1, 1]], np.int8)
    dataset = SimpleNamespace(manifest=SimpleNamespace(attributes=("x", "y", "z")), labels=labels)
    # All but the first and the last.
    ids = np.arange(1, 6) if as_array else range(1, 6)
    tasks = choose_tasks(("z", "x"), dataset, ids)
    assert (tasks.names, tasks.columns.tolist()) == (("z", "x"), [2, 0])
    assert tasks.num_labelled.tolist() == [2, 4]
    assert tasks.num_positive.tolist() == [1, 3]
    assert tasks.positive_rates() == (0.5, 0.75)
    assert choose_tasks(("z",), dataset, ids[1:3]).positive_rates() == (None,)


def test_only_labels_of_samples_that_are_trained_on_are_counted(shards):
    few, all_of_them = (open_data(DataConfig(shards=str(shards), tasks=("Young",), limit=limit)) for limit in (7, None))
    column = few.dataset.labels[:, few.tasks.columns[0]]
    assert few.tasks.num_labelled.tolist() == [7]
    assert few.tasks.num_positive.tolist() == [(column[:7] == 1).sum()]
    assert all_of_them.tasks.num_labelled.tolist() == [52]


def test_other_training_samples_are_other_data(shards, tmp_path):
    keys = [open_data(DataConfig(shards=str(shards), tasks=("Young",))).dataset.key(number) for number in range(9)]

    def said(name: str, listed: list[str] | None = None, **options) -> str:
        path = tmp_path / name
        if listed is not None:
            path.write_text("\n".join(listed))
            options["keys"] = path
        return open_data(DataConfig(shards=str(shards), tasks=("Young",), **options)).in_words()

    one, same = said("one", keys[:4]), said("same", keys[3::-1])
    assert one == same
    assert len({one, said("as-many", keys[1:5]), said("more", keys[:5]), said("all"), said("few", limit=4)}) == 5
