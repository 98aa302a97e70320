"""What a run leaves in its folder, and what it is told: records, predictions, features, configurations, lists of keys."""

import io
import json
import shutil
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from engine.command_line import parse
from engine.journal.history import mean_probabilities, read_history
from engine.journal.masks import pack
from engine.journal.predictions import Predictions, _arrays, read_predictions
from engine.journal.records import MaskRecord, SkipRecord, to_json
from engine.loop.features import store as feature_store
from engine.loop.features.store import BadSample, FeatureStore
from engine.pipeline.selection import _read_keys
from engine.report.summary import summarise
from shards.errors import DropstreamError
from tests.fuzz.mutate import any_bytes, json_lines, json_text, near_signatures, one_of, text_lines
from tests.fuzz.target import Target, in_parts, join, split, work_folder, written
from tests.unit.conftest import RUN, records


def _read_records(data: bytes) -> None:
    folder = written("run/records.jsonl", data).parent
    history = read_history(folder)
    for read in (history.trained_tasks, history.drawn_tasks, lambda: mean_probabilities(folder)):
        try:
            read()
        except ValueError:
            # Documented: records are missing, or the run is not finished.
            continue
    summarise(history)


@cache
def _journals() -> list[bytes]:
    lines = [to_json(record) for record in records(epochs=1)]
    drawn = np.ones((40, len(RUN.tasks)), np.bool_)
    masks = MaskRecord(epoch=0, first_step=0, num_steps=40, drawn=pack(drawn), trained=pack(drawn))
    skip = SkipRecord(epoch=0, split="train", shard="train-000000.tar", key="a", reason="is damaged")
    more = [to_json(masks), to_json(skip), to_json(replace(RUN, resumed_epoch=0, resumed_step=20))]
    return ["\n".join(text).encode() for text in ([*lines, ""], [lines[0], *more[:2], *lines[1:]], [lines[0], *more, *lines[1:]])]


def _read_predictions(data: bytes) -> None:
    read_predictions(written("run/predictions.npz", data).parent)


@cache
def _predictions() -> list[bytes]:
    labels = np.array([[1, 0], [-1, 1], [0, 0]], np.int8)
    predictions = Predictions(
        logits=labels.astype(np.float32), labels=labels, thresholds=np.full(2, 0.5, np.float32), tasks=("Bald", "é"), ids=np.arange(3)
    )
    made = []
    for write in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        write(file, **_arrays(predictions))
        made.append(file.getvalue())
    return made


def _open_features(data: bytes) -> None:
    """Open a store of one block; its checksums are made anew."""
    folder = work_folder() / "features"
    shutil.rmtree(folder, ignore_errors=True)
    key, bad, values, blocks = split(data, 4)
    for name, content in (("key.json", key), ("bad-00000000.json", bad), ("features.bin", values), ("blocks.bin", blocks)):
        if content:
            written(f"features/{name}", content)
    if blocks and blocks[0] != 0xFF:
        written("features/blocks.bin", feature_store._entry(zlib.crc32(values), zlib.crc32(bad) if bad else 0).tobytes())
    store = FeatureStore(folder, {"model": "x"}, num_samples=3, width=2, dtype=torch.float32)
    wanted = store.blocks_of([range(3)])
    store.missing(wanted)
    store.check(wanted)
    store.bad(wanted)
    store.values()


def _features() -> list[bytes]:
    bad = json.dumps({1: BadSample("is damaged", "state")}).encode()
    return [join([b'{"model": "x"}', text, bytes(24), bytes(12)]) for text in (bad, b"")]


def _read_configuration(data: bytes) -> None:
    parse(["--config", str(written("config.yaml", data)), "--data.shards", "none"])


def _configurations() -> list[bytes]:
    folder = Path(__file__).parents[2] / "configs"
    hostile = (
        b"data: {shards: !!python/object/apply:os.system ['x']}\n",
        b"a: &a [x, x]\nb: &b [*a, *a]\ndata: [*b, *b]\n",
        b"train: {epochs: 1, epochs: 2}\n",
        b"train: {epochs: 1e999, batch_size: 99999999999999999999}\n",
        b"? [a, b]\n: c\n? {a: b}\n: c\n",
        b"data:\n  ? [a]\n  : b\n",
        b"run: {dir: !!binary 'x', seed: 0x10}\n--- \nrun: {}\n",
        b"scheduler: {weights: {Bald: 1, Male: .inf}, name: static}\n",
    )
    return [*(path.read_bytes() for path in sorted(folder.glob("*.yaml"))), *hostile]


def _list_keys(data: bytes) -> None:
    _read_keys(written("keys.txt", data))


TARGETS = {
    "records": Target(run=_read_records, seeds=_journals, mutate=json_lines),
    "predictions": Target(run=_read_predictions, seeds=_predictions, mutate=one_of(any_bytes, near_signatures), rehearsals=150),
    "features": Target(
        run=_open_features, seeds=_features, mutate=in_parts(json_text, json_text, any_bytes, any_bytes), allowed=(DropstreamError,)
    ),
    "configuration": Target(
        run=_read_configuration, seeds=_configurations, mutate=one_of(text_lines, any_bytes), rehearsals=10, max_bytes=1 << 12
    ),
    "keys": Target(run=_list_keys, seeds=lambda: [b"000001\nb\nc\n"], mutate=text_lines, rehearsals=100),
}
