"""F-25 to F-27: labels, splits and tasks that do not fit the images or the model."""

import math
from pathlib import Path

import numpy as np
import pytest

from engine.command_line import parse
from engine.data import choose_tasks
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError
from shards.packing.options import PackOptions
from shards.packing.pack import make_shards
from tests.conftest import ATTRIBUTES, pack, write_celeba
from tests.damage import digests
from tests.integration.conftest import flags, train

NUM_IMAGES = 24
TABLES = ("list_attr_celeba.txt", "list_eval_partition.txt")


@pytest.fixture
def source(tmp_path) -> Path:
    """A folder of its own, to be changed."""
    return write_celeba(tmp_path / "celeba", num_images=NUM_IMAGES)


def data_set(folder: Path) -> dict[str, str]:
    """Hashes of all files but the one that tells the time."""
    return {name: digest for name, digest in digests(folder).items() if name != "summary.json"}


@pytest.mark.parametrize("partition", [True, False], ids=["given-split", "random-split"])
def test_f25_rows_in_another_order_pack_to_identical_shards(source, tmp_path, partition):
    options = {} if partition else {"partition": None}
    wanted = data_set(pack(source, tmp_path / "out", **options))
    for name in TABLES:
        lines = (source / name).read_text().splitlines(keepends=True)
        head = lines[: 2 if "attr" in name else 0]
        rows = lines[len(head) :]
        order = np.random.default_rng(len(name)).permutation(len(rows))
        (source / name).write_text("".join([*head, *(rows[row] for row in order)]))
    assert data_set(pack(source, tmp_path / "turned", **options)) == wanted


LACKS = "lacks 1 of the 24 images that the attribute file names, first '000007.jpg'"
HOLDS = "holds 1 images that the attribute file does not name, first 'x.jpg'"


@pytest.mark.parametrize(
    ("change", "message", "num_samples", "left_out"),
    [
        (lambda images: (images / "000007.jpg").unlink(), LACKS, 23, ["000007"]),
        (lambda images: (images / "000007.jpg").rename(images / "x.jpg"), LACKS, 23, ["000007", "x"]),
        (lambda images: (images / "x.jpg").write_bytes(b""), HOLDS, 24, ["x"]),
    ],
    ids=["row-without-image", "renamed-image", "image-without-row"],
)
def test_f25_rows_and_images_must_match_or_are_listed(source, tmp_path, change, message, num_samples, left_out):
    change(source / "img_align_celeba")
    with pytest.raises(DataError, match=f"img_align_celeba: {message}; --on-bad-image quarantine packs what matches"):
        pack(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    out = pack(source, tmp_path / "out", on_bad_image="quarantine")
    assert len(ShardDataset(out)) == num_samples
    assert [line.split(",")[0] for line in (out / "quarantine.csv").read_text().splitlines()[1:]] == left_out


@pytest.mark.parametrize("suffix", ["txt", "csv"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:5] + rows[7:], "the partition file gives no split for 2 images, first '000006.jpg'; use the file of the same"),
        (lambda rows: [*rows[:-1], "000024.jpg 3"], r"list_eval_partition.\w+, line 2[45]: .* is '3', expected 0, 1 or 2"),
        (lambda rows: [*rows, "000001.jpg 1"], r"list_eval_partition.\w+, line 2[56]: 000001.jpg stands in the file twice, first in line"),
    ],
    ids=["missing-rows", "value-3", "image-twice"],
)
def test_f26_a_partition_that_does_not_fit_is_refused_and_nothing_is_written(source, tmp_path, suffix, change, message):
    rows = change((source / "list_eval_partition.txt").read_text().splitlines())
    path = source / f"list_eval_partition.{suffix}"
    path.write_text("\n".join(rows if suffix == "txt" else ["image_id,partition", *(row.replace(" ", ",") for row in rows)]) + "\n")
    with pytest.raises(DataError, match=message):
        pack(source, tmp_path / "out", partition=(str(path),))
    assert not (tmp_path / "out").exists()


def with_labels(source: Path, columns: dict[str, list[str]]) -> Path:
    """Write the attribute table as CSV with other cells in some columns."""
    cells = [line.split() for line in (source / "list_attr_celeba.txt").read_text().splitlines()[2:]]
    for name, values in columns.items():
        for row, value in zip(cells, values, strict=True):
            row[1 + ATTRIBUTES.index(name)] = value
    path = source / "labels.csv"
    path.write_text("\n".join(",".join(row) for row in [["image_id", *ATTRIBUTES], *cells]) + "\n")
    return path


def numbers(value: object) -> list[float]:
    """All numbers of a record, however deep."""
    if isinstance(value, dict):
        return [number for inner in value.values() for number in numbers(inner)]
    if isinstance(value, list):
        return [number for inner in value for number in numbers(inner)]
    return [value] if isinstance(value, float) else []


@pytest.fixture
def constant(source, tmp_path) -> Path:
    """In the training split, the first 16 images, Bald is 1 throughout, Young never labelled; elsewhere Bald is mixed."""
    bald = ["1"] * 16 + ["1", "-1"] * 4
    labels = with_labels(source, {"Bald": bald, "Young": [""] * NUM_IMAGES})
    images, tables = str(source / "img_align_celeba"), {"attributes": labels, "partition": source / "list_eval_partition.txt"}
    options = {name: (str(path),) for name, path in tables.items()}
    make_shards(PackOptions(images=images, out=str(tmp_path / "shards"), shards=1, workers=1, **options))
    return tmp_path / "shards"


def test_f27_a_task_that_is_constant_in_training_warns_and_makes_no_nan(constant, tmp_path, capsys):
    lines = train(constant, tmp_path / "run", train__epochs=2, data__tasks="Young Bald Bangs")
    printed = capsys.readouterr().out
    assert "warning: task Bald has one class only in the training split; it cannot be learnt" in printed
    assert "warning: task Young has no label in the training split; it cannot be learnt" in printed
    assert "Bangs has" not in printed
    assert numbers(lines)
    assert all(map(math.isfinite, numbers(lines)))
    evaluations = [line["metrics"] for line in lines if line["record"] == "EvalRecord"]
    for young, bald, bangs in evaluations:
        # Nothing can be measured without labels; what has both classes here can, though it was not learnt.
        assert (young["num_labelled"], young["auroc"], young["accuracy"], young["loss"]) == (0, None, None, None)
        assert bald["num_labelled"] == bangs["num_labelled"] > 0
        assert bald["accuracy"] is not None
    (start,) = [line for line in lines if line["record"] == "RunRecord"]
    assert start["positive_rates"][:2] == [None, 1.0]
    assert [[loss is None for loss in line["task_losses"]] for line in lines if line["record"] == "EpochRecord"] == [
        [True, False, False]
    ] * 2
    (row, *_) = [line.split() for line in printed.splitlines() if line.split()[:1] == ["Young"] and "%" in line]
    # P, the share of the steps with its sign, and no training loss.
    assert row[4] == "n/a"


def test_f27_label_counts_by_hand(constant):
    dataset = ShardDataset(constant)
    tasks = choose_tasks(("Bald", "Young"), dataset, dataset.split_range("train"))
    assert (tasks.names, tasks.columns.tolist()) == (("Bald", "Young"), [ATTRIBUTES.index("Bald"), ATTRIBUTES.index("Young")])
    assert (tasks.num_labelled.tolist(), tasks.num_positive.tolist()) == ([16, 0], [16, 0])
    assert tasks.positive_rates() == (1.0, None)
    assert choose_tasks(("all",), dataset, range(0)).names == tuple(ATTRIBUTES)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("Yuong", "data.tasks: the data set has no attribute 'Yuong'; did you mean 'Young'?"),
        ("Bangs young", "data.tasks: the data set has no attribute 'young'; did you mean 'Young'?"),
        ("Zzz", "data.tasks: the data set has no attribute 'Zzz' \\(it has .*; `all` alone means all of them\\)$"),
        ("all Young", "data.tasks: the data set has no attribute 'all'"),
        ("Young Bald Young", "data.tasks names Young twice"),
    ],
)
def test_f27_tasks_that_there_are_not_are_refused_and_leave_nothing(shards, tmp_path, tasks, message):
    with pytest.raises(ConfigurationError, match=message.replace("?", r"\?")):
        train(shards, tmp_path / "run", data__tasks=tasks)
    assert not (tmp_path / "run").exists()


def test_f27_no_task_at_all(shards, tmp_path):
    with pytest.raises(ConfigurationError, match="tasks"):
        parse(flags(shards, tmp_path / "run", data__tasks=""))
    path = tmp_path / "none.yaml"
    path.write_text("data: {tasks: []}\n")
    with pytest.raises(ConfigurationError, match=r"data\.tasks is empty, expected attribute names or the word all"):
        parse(["--config", str(path), "--data.shards", str(shards), "--run.dir", str(tmp_path / "run")])
