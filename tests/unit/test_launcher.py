"""What launchers leave in the environment."""

from pathlib import Path

import pytest
import torch

from engine.command_line import parse
from engine.launcher import check_environment, limit_threads
from shards.errors import ConfigurationError

RANKS = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


def config(precision: str = "no"):
    return parse(["--run.dir", "r", "--data.shards", "s", "--train.precision", precision])


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"ACCELERATE_MIXED_PRECISION": "bf16"},
            "ACCELERATE_MIXED_PRECISION is bf16 .*train.precision is no; set --train.precision bf16, or launch",
        ),
        ({"ACCELERATE_MIXED_PRECISION": "fp8"}, "ACCELERATE_MIXED_PRECISION is fp8 .*this program does not train in fp8"),
        ({"ACCELERATE_DYNAMO_BACKEND": "INDUCTOR"}, "ACCELERATE_DYNAMO_BACKEND is INDUCTOR .*set --model.compile true"),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "ACCELERATE_USE_DEEPSPEED is true: this program does not train with DeepSpeed; unset it"),
        ({"ACCELERATE_USE_FSDP": "1"}, "ACCELERATE_USE_FSDP is 1: this program does not train with FSDP"),
        ({"ACCELERATE_USE_MEGATRON_LM": "yes"}, "does not train with Megatron-LM"),
        ({"WORLD_SIZE": "4"}, "WORLD_SIZE is 4, but RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT is not set; start with accelerate launch"),
        ({"LOCAL_RANK": "1"}, "LOCAL_RANK is 1, but RANK, WORLD_SIZE, .* is not set; .*or unset LOCAL_RANK"),
        (RANKS | {"RANK": "one"}, "RANK is 'one', expected a number"),
    ],
)
def test_what_is_not_obeyed_is_refused_by_name(variables, message):
    with pytest.raises(ConfigurationError, match=message):
        check_environment(config(), variables)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        # What `accelerate launch` always exports, and a batch script of Slurm without srun.
        {"ACCELERATE_MIXED_PRECISION": "no", "ACCELERATE_DYNAMO_BACKEND": "NO", "ACCELERATE_USE_FSDP": "false"},
        {"SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_JOB_ID": "1"},
        {"WORLD_SIZE": "1", "MASTER_ADDR": "localhost"},
        RANKS,
    ],
)
def test_what_is_obeyed_or_says_nothing(variables):
    check_environment(config(), variables)


def test_the_launchers_precision_may_be_the_runs():
    check_environment(config("bf16"), {"ACCELERATE_MIXED_PRECISION": "BF16"})


@pytest.mark.parametrize("words", [["--run.dir=~/runs/a"], ["--run.dir", "~/runs/a"]])
def test_a_tilde_means_home(words, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "settings.yaml").write_text("features:\n  dir: ~/features\ndata:\n  shards: ~/shards\n")
    read = parse(["--config", "~/settings.yaml", *words])
    assert (read.run.dir, read.features.dir, read.data.shards) == (tmp_path / "runs/a", tmp_path / "features", str(tmp_path / "shards"))
    assert parse(["--config=~/settings.yaml", "--run.dir=~"]).run.dir == Path(tmp_path)


@pytest.mark.parametrize(
    ("quota", "variables", "threads"),
    [(None, {}, 7), (3, {}, 3), (9, {}, 7), (4, {"LOCAL_WORLD_SIZE": "2"}, 2), (3, {"OMP_NUM_THREADS": "7"}, 7)],
)
def test_torch_computes_with_as_many_threads_as_the_quota_pays_for(monkeypatch, quota, variables, threads):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("engine.launcher.cpu_quota", lambda: quota)
    torch.set_num_threads(7)
    try:
        limit_threads()
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
