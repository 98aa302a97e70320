"""The cache of features: killed, stopped, fought over, damaged, out of space. Real processes, kills, signals, files and disks."""

import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import torch
from safetensors.torch import load_file

from engine.loop.features import fill, images
from engine.model import multitask
from shards.errors import DataError
from shards.storage.lock import lock_folder
from tests.conftest import ATTRIBUTES, pack
from tests.damage import flip
from tests.faults.conftest import eventually
from tests.integration.conftest import flags, records, results, train
from tests.launch import TRAIN

NUM_IMAGES = 900
"""Four blocks of 256, the last one short."""
BLOCKS = [0, 1, 2, 3]

# Training that keeps a list of the blocks that it writes, with what a test adds to it. `at(n, do)` does something at the n-th of the two
# writes of each block, its rows and its entry.
PROGRAM = f"""
import os, signal, sys, time
from pathlib import Path
from engine.loop.features import store, together
note, name, begun = Path(os.environ["NOTES"]), os.environ.get("RANK", "0"), []
write, write_at, lock = store.FeatureStore.write, store._write_at, together.lock_folder

def tell(what):
    with (note / what).open("a") as file:
        file.write("\\n")

def stand_still(until):
    tell("standing still")
    while not (note / until).exists():
        time.sleep(0.02)

def noted(self, block, *args):
    with (note / ("blocks" + name)).open("a") as file:
        file.write(f"{{block}}\\n")
    write(self, block, *args)

def locked(*args, **options):
    tell("asks for the lock")
    return lock(*args, **options)

def at(number, do):
    def doing(path, offset, data):
        begun.append(path)
        if len(begun) == number:
            do(path, offset, bytes(data))
        write_at(path, offset, data)
    store._write_at = doing

def die_after_half_of_it(path, offset, data):
    write_at(path, offset, data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)

store.FeatureStore.write, together.lock_folder = noted, locked
# what the test adds
{TRAIN}
"""


def program(addition: str = "") -> str:
    return PROGRAM.replace("# what the test adds", addition)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """A packed data set of small images."""
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (NUM_IMAGES, len(ATTRIBUTES)))
    (folder / "img_align_celeba").mkdir()
    names = [f"{number:06d}.jpg" for number in range(1, NUM_IMAGES + 1)]
    for name in names:
        pixels = np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        (folder / "img_align_celeba" / name).write_bytes(simplejpeg.encode_jpeg(pixels))
    rows = [name + "".join(f" {2 * value - 1:2d}" for value in row) for name, row in zip(names, labels, strict=True)]
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(NUM_IMAGES), " ".join(ATTRIBUTES), *rows]) + "\n")
    codes = np.repeat([0, 1, 2], [600, 140, 160])
    (folder / "list_eval_partition.txt").write_text("".join(f"{name} {code}\n" for name, code in zip(names, codes, strict=True)))
    return pack(folder, folder / "packed")


OPTIONS = {
    "model__train_from": "heads",
    "model__tap": "pool1",
    "train__epochs": 2,
    "train__batch_size": 64,
    "report__every": 1,
    "report__console": "quiet",
}


class Runs:
    """Starts runs on one features folder."""

    def __init__(self, shards: Path, folder: Path, nursery) -> None:
        self.features = folder / "features"
        self._shards, self._folder, self._nursery = shards, folder, nursery
        self._number = 0

    def start(self, addition: str = "", *, ranks: int = 1, **options):
        """Start a run; return its processes, its folder, and where it keeps notes."""
        self._number += 1
        run_dir, notes = self._folder / f"run{self._number}", self._folder / f"notes{self._number}"
        notes.mkdir()
        words = flags(self._shards, run_dir, **({"features__dir": self.features} | OPTIONS | options))
        start = self._nursery.start_two if ranks == 2 else lambda *args, **variables: [self._nursery.start(*args, **variables)]
        return start(words, program(addition), NOTES=str(notes)), run_dir, notes

    def finish(self, addition: str = "", **options) -> tuple[list[tuple[int, str]], Path, list[list[int]]]:
        """Run to the end; return each rank's exit code and standard error, the folder, and the blocks that each rank wrote."""
        children, run_dir, notes = self.start(addition, **options)
        ends = [child.finish()[::2] for child in children]
        return ends, run_dir, [written(notes, rank) for rank in range(len(children))]


def written(notes: Path, rank: int = 0) -> list[int]:
    path = notes / f"blocks{rank}"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def bytes_of(features: Path) -> dict[str, bytes]:
    """What computing is to give, whoever does it."""
    return {str(path.relative_to(features)): path.read_bytes() for path in features.rglob("*") if path.name != ".lock" and path.is_file()}


def finished(features: Path) -> list[int]:
    """The blocks with an entry."""
    (path,) = features.glob("*/blocks.bin")
    return np.flatnonzero(np.fromfile(path, "<u4").reshape(-1, 3)[:, 2]).tolist()


@pytest.fixture
def runs(many, tmp_path, nursery) -> Runs:
    return Runs(many, tmp_path, nursery)


@pytest.fixture(scope="module")
def whole(many, nursery, tmp_path_factory) -> tuple[dict[str, bytes], Path]:
    """What an undisturbed run leaves: features, and its folder."""
    undisturbed = Runs(many, tmp_path_factory.mktemp("whole"), nursery)
    ends, run_dir, blocks = undisturbed.finish()
    assert (ends, blocks) == ([(0, "")], [BLOCKS])
    return bytes_of(undisturbed.features), run_dir


def assert_same(run_dir: Path, expected: Path) -> None:
    assert results(records(run_dir)) == results(records(expected))
    weights, others = (load_file(folder / "model.safetensors") for folder in (run_dir, expected))
    assert all(torch.equal(weights[name], others[name]) for name in others)


def test_a_run_that_is_killed_again_and_again_computes_no_block_twice(runs, whole):
    """In the rows of the first block, in its entry, in the rows of the next, right after an entry, in the last entry."""
    done = []
    for place, found in ((1, []), (2, []), (3, [0]), (5, [0, 1, 2]), (2, [0, 1, 2])):
        kill = "die_after_half_of_it" if place != 5 else "lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
        before = bytes_of(runs.features) if done else {}
        ends, _, (blocks,) = runs.finish(f"at({place}, {kill})")
        assert [code for code, _ in ends] == [-signal.SIGKILL]
        assert finished(runs.features) == found
        assert not set(blocks) & set(done)
        rows = [content for name, content in bytes_of(runs.features).items() if name.endswith("features.bin")]
        size = len(rows[0]) // NUM_IMAGES * 256
        for block in done:
            old = next(content for name, content in before.items() if name.endswith("features.bin"))
            assert rows[0][block * size : (block + 1) * size] == old[block * size : (block + 1) * size]
        done = found
    ends, run_dir, blocks = runs.finish()
    assert (ends, blocks) == ([(0, "")], [[3]])
    assert bytes_of(runs.features) == whole[0]
    assert_same(run_dir, whole[1])
    # And nobody after it computes anything.
    assert runs.finish()[2] == [[]]


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_signal_in_the_pass_stops_with_75_and_the_same_command_goes_on(runs, whole, number):
    (end,), run_dir, (blocks,) = runs.finish(f"at(3, lambda *_: os.kill(os.getpid(), signal.{number}))")
    message = (
        rf"error: stopped by a signal while features were computed; what is finished stays in {runs.features}, and the same command goes"
    )
    assert end[0] == 75
    assert re.fullmatch(rf"{message} on\n", end[1])
    assert not run_dir.exists()
    assert blocks == finished(runs.features) == [0, 1]
    ends, run_dir, blocks = runs.finish()
    assert (ends, blocks) == ([(0, "")], [[2, 3]])
    assert bytes_of(runs.features) == whole[0]
    assert_same(run_dir, whole[1])


STALL = "at(3, lambda *_: stand_still('go'))"


@pytest.fixture
def two_at_once(runs) -> tuple:
    """A run that stands still in its second block, and one that waits for it."""
    first = runs.start(STALL)
    assert eventually((first[2] / "standing still").exists), first[0][0].communicate()
    second = runs.start()
    assert eventually((second[2] / "asks for the lock").exists), second[0][0].communicate()
    return first, second


def test_of_two_runs_at_once_one_computes_and_both_train(two_at_once, runs, whole):
    ((first,), *one), ((second,), *other) = two_at_once
    assert (first.poll(), second.poll()) == (None, None)
    (one[1] / "go").touch()
    assert [child.finish()[::2] for child in (first, second)] == [(0, "")] * 2
    assert (written(one[1]), written(other[1])) == (BLOCKS, [])
    assert bytes_of(runs.features) == whole[0]
    for run_dir in (one[0], other[0]):
        assert_same(run_dir, whole[1])


def test_a_killed_owners_work_is_taken_over(two_at_once, runs, whole):
    ((first,), *one), ((second,), *other) = two_at_once
    first.send_signal(signal.SIGKILL)
    assert second.finish()[::2] == (0, "")
    assert (written(one[1]), written(other[1])) == ([0, 1], [1, 2, 3])
    assert bytes_of(runs.features) == whole[0]
    assert_same(other[0], whole[1])


@pytest.mark.parametrize("ranks", [1, 2])
def test_who_waits_for_another_run_can_be_stopped(runs, whole, ranks):
    (name,) = {Path(path).parts[0] for path in whole[0]}
    with lock_folder(runs.features / name):
        children, run_dir, notes = runs.start(ranks=ranks)
        assert eventually((notes / "asks for the lock").exists), children[0].communicate()
        assert [child.poll() for child in children] == [None] * ranks
        for child in children:
            child.send_signal(signal.SIGTERM)
        ends = [child.finish()[::2] for child in children]
    assert ends[0][0] == 75
    assert ends[0][1].startswith("error: stopped by a signal while features were computed")
    assert all(code in (1, 75) and err.count("\n") <= 1 for code, err in ends)
    assert not run_dir.exists()


SLOW_TO_LOOK = """
from engine.loop.features import fill
missing = fill._missing
fill._missing = lambda *args: (name == "1" and time.sleep(0.3), missing(*args))[1]
"""


@pytest.mark.parametrize("addition", ["", SLOW_TO_LOOK], ids=["", "one-looks-late"])
def test_two_ranks_share_the_work_and_learn_the_same(runs, whole, addition):
    ends, run_dir, blocks = runs.finish(addition, ranks=2)
    assert (ends, blocks) == ([(0, "")] * 2, [[0, 2], [1, 3]])
    assert bytes_of(runs.features) == whole[0]
    for one, other in zip(results(records(run_dir)), results(records(whole[1])), strict=True):
        if one["record"] == "EpochRecord":
            assert one["task_losses"] == pytest.approx(other["task_losses"], rel=1e-5)
            assert one["active_shares"] == other["active_shares"]
        else:
            assert [metrics["loss"] for metrics in one["metrics"]] == pytest.approx(
                [metrics["loss"] for metrics in other["metrics"]], rel=1e-5
            )


def test_ranks_that_see_different_things_at_first_agree(runs, whole):
    """One sees everything there: the other run that computed it has just finished."""
    view = "from engine.loop.features import opening; opening.is_wanting = lambda *_: name == '1'"
    ends, _, blocks = runs.finish(view, ranks=2)
    assert (ends, blocks) == ([(0, "")] * 2, [[0, 2], [1, 3]])
    ends, _, blocks = runs.finish(view, ranks=2)
    assert (ends, blocks) == ([(0, "")] * 2, [[], []])
    assert bytes_of(runs.features) == whole[0]


def test_a_rank_that_is_killed_in_the_pass_ends_the_other_and_the_run_goes_on_with_one(runs, whole):
    ends, run_dir, _ = runs.finish("name == '1' and at(3, die_after_half_of_it)", ranks=2)
    assert ends[1][0] == -signal.SIGKILL
    assert ends[0][0] == 1
    assert ends[0][1].startswith("error: process 0: another process of this run has ended")
    assert ends[0][1].count("\n") == 1
    assert finished(runs.features) == [0, 1, 2]
    ends, run_dir, blocks = runs.finish()
    assert (ends, blocks) == ([(0, "")], [[3]])
    assert bytes_of(runs.features) == whole[0]
    assert_same(run_dir, whole[1])


def test_both_ranks_stop_at_a_signal(runs):
    ends, run_dir, blocks = runs.finish("at(1, lambda *_: os.kill(os.getpid(), signal.SIGTERM))", ranks=2)
    assert [code for code, _ in ends] == [75, 75]
    assert sum(err.count("\n") for _, err in ends) == 1
    assert blocks == [[0], [1]]
    assert not run_dir.exists()


def test_ranks_that_do_not_share_a_disk_are_told_so(runs):
    """Each on a machine of its own, with the same path."""
    apart = "sys.argv = [word + name if word.endswith('/features') else word for word in sys.argv]"
    ends, run_dir, blocks = runs.finish(apart, ranks=2)
    assert blocks == [[0, 2], [1, 3]]
    assert [code for code, _ in ends] == [3, 3]
    assert all("is not here although all processes are done; name a folder that all of them have in common" in err for _, err in ends)
    assert not run_dir.exists()


# Two ranks meet, one of them long after the time limit of the collective calls; then one leaves for good.
PATIENT = """
import os, sys, time
from datetime import timedelta
from torch.distributed import distributed_c10d
distributed_c10d.default_pg_timeout = timedelta(seconds=1)
from accelerate import Accelerator
from engine.loop.features.together import Together
accelerator, looks = Accelerator(cpu=True), []
together = Together(accelerator, lambda: looks.append(1))
if accelerator.process_index:
    time.sleep(2.5)
together.meet()
print("met", len(looks) > 3, flush=True)
if accelerator.process_index:
    os._exit(7)
try:
    together.meet()
except RuntimeError as error:
    print("alone")
"""


def test_ranks_wait_longer_than_their_collective_calls_would_but_not_for_the_dead(nursery):
    ends = [child.finish() for child in nursery.start_two([], PATIENT)]
    assert [end[:2] for end in ends] == [(0, "met True\nalone\n"), (7, "met False\n")]


@pytest.fixture(scope="module")
def computed(many, nursery, tmp_path_factory) -> Path:
    """Features to be damaged in a copy."""
    made = Runs(many, tmp_path_factory.mktemp("computed"), nursery)
    assert made.finish(train__epochs=1)[0] == [(0, "")]
    return made.features


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
def test_damage_is_found_before_anything_is_learnt_from_it(many, computed, tmp_path, name, damage, message):
    features = shutil.copytree(computed, tmp_path / "features")
    (path,) = features.glob(f"*/{name}")
    damage(path)
    with pytest.raises(DataError, match=rf"{path.parent}/.*{message}.*; delete {path.parent}, and the features are computed again"):
        train(many, tmp_path / "run", features__dir=features, **OPTIONS)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("training")
def test_damage_where_the_run_does_not_look_is_none_of_its_business(many, computed, tmp_path):
    features = shutil.copytree(computed, tmp_path / "features")
    (path,) = features.glob("*/features.bin")
    # 600 training samples, then val and test: block 0 is training's alone.
    flip(path, 70, 6)
    (tmp_path / "keys.txt").write_text("".join(f"{images.ShardDataset(many).key(sample)}\n" for sample in range(300, 600)))
    options = OPTIONS | {"train__epochs": 1, "data__keys": tmp_path / "keys.txt"}
    train(many, tmp_path / "run", features__dir=features, **options)


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
def test_features_that_overflow_are_refused_with_the_images_key(many, tmp_path, monkeypatch):
    draw = multitask.draw_weights

    def large(trunk, generator):
        draw(trunk, generator)
        with torch.no_grad():
            trunk.stages["conv1_1"][0].weight.mul_(1e5)

    monkeypatch.setattr(multitask, "draw_weights", large)
    options = OPTIONS | {"features__dir": tmp_path / "features", "train__epochs": 1}
    with pytest.raises(DataError, match=r"image '\d{6}' has features at pool1 that are not finite; use features.dtype float32 or bfloat16"):
        train(many, tmp_path / "run", features__dtype="float16", **options)
    assert finished(tmp_path / "features") == []


def test_a_file_where_the_folder_belongs_is_refused_before_the_first_step(runs):
    runs.features.write_text("thesis")
    ((code, err),), run_dir, _ = runs.finish()
    assert code == 2
    assert re.fullmatch(rf"error: features.dir: {runs.features}/\w+ cannot be made \(Not a directory\); name another folder\n", err)
    assert runs.features.read_text() == "thesis"
    assert not run_dir.exists()


# Training in a process with mounts of its own: each word of `STEPS` is a mount option of the disk, then it trains and tells how that ended.
ON_A_DISK = """
import ctypes, json, os, sys
from pathlib import Path
libc, disk = ctypes.CDLL(None, use_errno=True), os.environ["DISK"].encode()
NEWNS, NEWUSER, PRIVATE, READ_ONLY, REMOUNT = 0x20000, 0x10000000, 0x44000, 1, 32
uid, gid = os.getuid(), os.getgid()

def call(function, *args):
    if function(*args):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

try:
    call(libc.unshare, NEWNS)
except PermissionError:
    call(libc.unshare, NEWNS | NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
call(libc.mount, b"none", b"/", None, PRIVATE, None)
call(libc.mount, b"none", disk, b"tmpfs", 0, b"size=16m")
for step, words in enumerate(json.loads(os.environ["STEPS"])):
    for option in words:
        read_only = READ_ONLY if option == "ro" else 0
        call(libc.mount, b"none", disk, None, REMOUNT | read_only, None if read_only else option.encode())
    pid = os.fork()
    if not pid:
        sys.argv = [word.replace("RUN", f"run{step}") for word in sys.argv]
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{os.environ['NOTES']}/{name}{step}", os.O_WRONLY | os.O_CREAT), descriptor)
        code = 1
        try:
            exec(os.environ["TRAINING"], {"__name__": "__main__"})
        except SystemExit as end:
            code = end.code
        os._exit(code)
    found = sorted(str(path.relative_to(disk.decode())) for path in Path(disk.decode()).rglob("*"))
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), found]), flush=True)
import shutil
shutil.copytree(disk.decode(), os.environ["NOTES"] + "/saved")
"""


@pytest.fixture
def on_a_disk(many, nursery, tmp_path):
    """Return a function that trains several times on a disk of its own, and tells exit codes and complaints."""
    import json

    def go(*steps: list[str], addition: str = "") -> list[tuple[int, str]]:
        disk, notes = tmp_path / "disk", tmp_path / "notes"
        disk.mkdir()
        notes.mkdir()
        words = flags(many, tmp_path / "RUN", **(OPTIONS | {"train__epochs": 1, "features__dir": disk / "features"}))
        variables = {"DISK": str(disk), "NOTES": str(notes), "STEPS": json.dumps(steps), "TRAINING": program(addition)}
        code, out, err = nursery.start(words, ON_A_DISK, **variables).finish()
        if code and "Operation not permitted" in err:
            pytest.skip("this kernel allows no mounts")
        assert code == 0, err
        codes = [json.loads(line)[0] for line in out.splitlines()]
        return [(code, (notes / f"err{step}").read_text()) for step, code in enumerate(codes)]

    return go


def test_f10_a_disk_that_fills_up_in_the_pass_is_named_and_the_same_command_goes_on(on_a_disk, computed, tmp_path):
    """A few pages are left when the work begins, as somebody else fills the disk: two of the four blocks fit."""
    fill_up = """
import shutil
def greedy(path, offset, data):
    place = Path(os.environ["DISK"])
    (place / "other").write_bytes(bytes(shutil.disk_usage(place).free - 70000))
if not (Path(os.environ["DISK"]) / "other").exists():
    at(3, greedy)
"""
    (full, still, fine) = on_a_disk([], [], ["size=32m"], addition=fill_up)
    features = tmp_path / "disk" / "features"
    assert full[0] == 3
    message = r"features cannot be written \(No space left on device\); what is finished stays, and the same command goes on"
    assert re.fullmatch(rf"error: {features}/\w+: {message}\n", full[1])
    assert still[0] == 3
    assert re.fullmatch(rf"error: features.dir {features}: features need \S+ GB, and the disk has \S+ GB; free some, .*\n", still[1])
    assert fine == (0, "")
    assert bytes_of(tmp_path / "notes" / "saved" / "features") == bytes_of(computed)
    # The second start found no room, the third what the first had finished.
    assert written(tmp_path / "notes")[:3] == [0, 1, 2]
    assert 0 not in written(tmp_path / "notes")[3:]


def test_f11_features_on_a_disk_that_cannot_be_written_serve_who_only_reads(on_a_disk, tmp_path):
    empty, filled, readable = on_a_disk(["ro"], ["size=16m"], ["ro"])
    features = tmp_path / "disk" / "features"
    assert empty[0] == 2
    assert re.fullmatch(rf"error: features.dir: {features}/\w+ cannot be made \(Read-only file system\); name another folder\n", empty[1])
    assert (filled, readable) == ((0, ""), (0, ""))
    assert results(records(tmp_path / "run2")) == results(records(tmp_path / "run1"))


def test_f11_an_unfinished_folder_that_cannot_be_written_is_refused(on_a_disk, tmp_path):
    stopped, refused = on_a_disk([], ["ro"], addition="at(3, lambda *_: os.kill(os.getpid(), signal.SIGTERM))")
    assert stopped[0] == 75
    assert refused[0] == 2
    folder = rf"{tmp_path / 'disk' / 'features'}/\w+"
    assert re.fullmatch(rf"error: {folder}: cannot be used as a folder to write into \(Read-only file system\)\n", refused[1])


def test_a_disk_that_is_too_small_is_refused_before_the_pass(many, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(fill.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DataError, match=r"features need 0.00023 GB, and the disk has 1e-06 GB"):
        train(many, tmp_path / "run", features__dir=tmp_path / "features", **OPTIONS)
