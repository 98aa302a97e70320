"""F-07, F-08: two ranks under the real launcher; one raises, is killed, sleeps for good, or somebody presses Ctrl-C."""

import os
import signal
import subprocess
import time

import pytest
import torch
from safetensors.torch import load_file

from engine.loop.checkpoint import latest_checkpoint, read_checkpoint
from engine.pipeline.order import Order
from shards.dataset import ShardDataset
from tests.faults.conftest import damage, end_all, eventually, mark, marked, shared_memory
from tests.integration.conftest import flags, records, results
from tests.launch import ROOT, TWO, finish, start, wait_for

OPTIONS = {"train__epochs": 8, "report__every": 1}
# One port for all, as users have it: who starts again at once finds it free, or an orphan on it.
PORT = "29583"


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """A folder for PYTHONPATH that lets ranks train on a light VGG11, as a nursery does."""
    folder = tmp_path_factory.mktemp("light")
    (folder / "sitecustomize.py").write_text("import os\nif 'RANK' in os.environ:\n    from tests import launch\n    launch.lighten()\n")
    return folder


def launched(light, name, arguments) -> subprocess.Popen[str]:
    return start(TWO, arguments, PYTHONPATH=f"{light}{os.pathsep}{ROOT}", MASTER_PORT=PORT, **mark(name))


def rank(number: int, name: str) -> int:
    (pid,) = [pid for pid, environment in marked(name).items() if environment.get("RANK") == str(number)]
    return pid


def ended(launcher: subprocess.Popen[str], name: str, shared: set[str]) -> tuple[int, str]:
    """Wait for the end; nothing may be left."""
    since = time.monotonic()
    try:
        code, _, err = finish(launcher, timeout=60)
        assert eventually(lambda: not marked(name), 60 - (time.monotonic() - since)), marked(name).keys()
        assert eventually(lambda: shared_memory() <= shared, 60), shared_memory() - shared
    finally:
        end_all(name)
    return code, err


@pytest.fixture
def asleep(shards, light, tmp_path):
    """A run of which one rank sleeps for good, and that was then told to end. The launcher gives its ranks half a minute."""
    name = f"asleep {tmp_path}"
    shared = shared_memory()
    launcher = launched(light, name, flags(shards, tmp_path / "asleep", **(OPTIONS | {"train__epochs": 1000})))
    wait_for(launcher, tmp_path / "asleep" / "records.jsonl", '"StepRecord", "epoch": 1')
    os.kill(rank(1, name), signal.SIGSTOP)
    launcher.send_signal(signal.SIGTERM)
    yield lambda: ended(launcher, name, shared)
    end_all(name)


def only_the_second_rank_reads(folder) -> int:
    """A sample that the first epoch leaves out and that the second rank reads in the second."""
    order = Order(ids=ShardDataset(folder).split_range("train"), batch_size=8, seed=0, shuffle="global", drop_last=True)
    seen = {int(sample_id) for step in range(6) for sample_id in order.batch(0, step)}
    return next(int(i) for step in range(6) for i in order.rank_slice(1, step, rank=1, world_size=2).ids if int(i) not in seen)


@pytest.fixture
def launch(copy, light, tmp_path):
    """Train under the launcher, wait until a step is done, do something to it, and return exit code and standard error."""
    name, run_dir, shared = str(tmp_path), tmp_path / "run", shared_memory()

    def train(step: str = "", do=lambda _: None) -> tuple[int, str]:
        launcher = launched(light, name, flags(copy, run_dir, run__if_exists="resume", **OPTIONS))
        if step:
            wait_for(launcher, run_dir / "records.jsonl", step)
        do(launcher)
        return ended(launcher, name, shared)

    yield train
    end_all(name)


def press_twice(launcher: subprocess.Popen[str]) -> None:
    for _ in range(2):
        os.killpg(launcher.pid, signal.SIGINT)


# Each start is at once the restart after the fault before it.
@pytest.mark.timeout(400)
def test_f07_f08_whatever_happens_to_a_rank_all_end_and_the_run_goes_on(asleep, launch, copy, nursery, tmp_path):
    run_dir = tmp_path / "run"
    bad = only_the_second_rank_reads(copy)
    shard, key = damage(copy, bad)
    code, err = launch()
    assert code != 0
    lines = sorted(line for line in err.splitlines() if line.startswith("error: "))
    # The launcher may end the other rank before it notices; if it does notice, it says so in a line.
    assert f"{shard}: image '{key}' is damaged" in lines[0]
    assert all("another process of this run has ended" in line for line in lines[1:])
    assert latest_checkpoint(run_dir / "checkpoints").name == "epoch-000001-step-00000000"
    damage(copy, bad)

    code, _ = launch('"StepRecord", "epoch": 3, "step": 2', lambda _: os.kill(rank(1, str(tmp_path)), signal.SIGKILL))
    assert code != 0

    code, err = launch('"StepRecord", "epoch": 5, "step": 1', press_twice)
    assert code != 0
    assert "error: stopped by a signal after " in err
    assert '"EndRecord", "reason": "stopped"' in (run_dir / "records.jsonl").read_text()

    for folder in (run_dir, tmp_path / "whole"):
        ranks = nursery.start_two(flags(copy, folder, run__if_exists="resume", **OPTIONS))
        assert [child.finish()[::2] for child in ranks] == [(0, "")] * 2
    assert results(records(run_dir)) == results(records(tmp_path / "whole"))
    weights, expected = (load_file(folder / "model.safetensors") for folder in (run_dir, tmp_path / "whole"))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)

    assert asleep()[0] != 0
    assert read_checkpoint(latest_checkpoint(tmp_path / "asleep" / "checkpoints")).state["epoch"] == 1
