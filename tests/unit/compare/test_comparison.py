from pathlib import Path

import pytest

from engine.compare.comparison import takes
from engine.compare.variant import Variant
from shards.errors import ConfigurationError
from tests.unit.compare.runs import plan_of

OUT = Path("out")


def runs_of(*arguments, tasks=("Young", "Bald")):
    return plan_of(OUT, *arguments, tasks=tasks)[1].runs


def test_seed_by_seed_and_single_tasks_one_by_one():
    runs = runs_of("--schedulers", "stl", "dst", "mtl", "--seeds", "2", "--first-seed", "5")
    assert [str(run.config.run.dir.relative_to(OUT)) for run in runs] == [
        "runs/stl/seed-5/Young",
        "runs/stl/seed-5/Bald",
        "runs/dst/seed-5",
        "runs/mtl/seed-5",
        "runs/stl/seed-6/Young",
        "runs/stl/seed-6/Bald",
        "runs/dst/seed-6",
        "runs/mtl/seed-6",
    ]
    assert [run.config.run.seed for run in runs] == [5] * 4 + [6] * 4
    assert [run.config.scheduler.name for run in runs[:4]] == ["stl", "stl", "dst", "mtl"]
    assert [run.name for run in runs[:3]] == ["stl seed 5 Young", "stl seed 5 Bald", "dst seed 5"]
    assert {(run.config.report.console, run.config.report.page) for run in runs} == {("quiet", False)}
    assert runs_of("--schedulers", "mtl", "--report.page", "True")[0].config.report.page


def test_a_single_task_keeps_what_is_its_own():
    runs = runs_of("--schedulers", "stl", "--seeds", "1", "--model.task_taps", "Young", "conv3_1", "--model.task_hidden", "Bald", "8x4",
                   "--model.tap_grid", "2", "--model.hidden", "16")  # fmt: skip
    young, bald = (run.config for run in runs)
    assert (young.data.tasks, bald.data.tasks) == (("Young",), ("Bald",))
    assert (young.model.task_taps, young.model.task_hidden, young.model.tap_grid) == ({"Young": "conv3_1"}, {}, 2)
    # It reads logits, which have no grid.
    assert (bald.model.task_taps, bald.model.task_hidden, bald.model.tap_grid) == ({}, {"Bald": "8x4"}, 1)
    # And has all its layers to itself.
    assert (young.model.hidden, bald.model.hidden) == ((16,), (64,))


def test_a_task_is_no_path():
    run, _ = runs_of("--schedulers", "stl", "--seeds", "1", tasks=("../../x", "y"))
    assert run.config.run.dir.parent == OUT / "runs/stl/seed-0"
    assert run.config.data.tasks == ("../../x",)


def test_each_scheduler_gets_what_it_has_a_use_for(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("scheduler: {name: dst, depth: 0.4, count: 0, rate: 0.1, floor: 0.2, granularity: epoch}\nrun: {dir: elsewhere}\n")
    runs = runs_of("--config", str(path), "--schedulers", "mtl", "random", "drop_balanced", "dst", "--seeds", "1")
    mtl, random, balanced, dst = (run.config.scheduler for run in runs)
    assert (mtl.rate, mtl.depth, mtl.granularity) == (0.3, 0.2, "step")
    assert (random.rate, random.depth, random.granularity) == (0.1, 0.2, "epoch")
    assert (balanced.rate, balanced.floor) == (0.1, 0.2)
    assert (dst.depth, dst.count, dst.rate, dst.granularity) == (0.4, 0.0, 0.3, "epoch")


def test_static_follows_the_dst_of_its_seed():
    runs = runs_of("--schedulers", "static", "mtl", "dst", "--seeds", "2")
    assert [run.variant.scheduler for run in runs] == ["mtl", "dst", "static"] * 2
    assert [run.config.scheduler.weights_of for run in runs if run.variant.scheduler == "static"] == [
        OUT / "runs/dst/seed-0",
        OUT / "runs/dst/seed-1",
    ]


def test_static_with_weights_of_its_own_needs_no_dst():
    runs = runs_of("--schedulers", "static", "mtl", "--seeds", "1", "--scheduler.weights", "Young", "0.5", "Bald", "0.9")
    assert runs[1].config.scheduler.weights == {"Young": 0.5, "Bald": 0.9}
    assert runs[1].config.scheduler.weights_of is None


def test_what_is_swept_makes_variants_of_those_it_affects():
    _, plan = plan_of(OUT, "--schedulers", "stl", "mtl", "random", "dst", "--sweep", "scheduler.rate", "0.1", "0.5", "--seeds", "1")
    assert [variant.name for variant in plan.variants] == ["stl", "mtl", "random[scheduler.rate=0.1]", "random[scheduler.rate=0.5]", "dst"]
    assert [run.config.scheduler.rate for run in plan.runs if run.variant.scheduler == "random"] == [0.1, 0.5]
    swept = Variant(scheduler="random", sweep=("scheduler.rate", "0.5"))
    assert plan.baseline(swept, "mtl") == Variant(scheduler="mtl")
    assert plan.baseline(swept, "drop_balanced") is None


def test_a_setting_of_training_varies_all_and_pairs_equals():
    _, plan = plan_of(OUT, "--schedulers", "mtl", "dst", "static", "--sweep", "optimizer.lr", "0.1", "0.01", "--seeds", "1")
    assert len(plan.variants) == 6
    assert plan.baseline(Variant(scheduler="dst", sweep=("optimizer.lr", "0.1")), "mtl").sweep == ("optimizer.lr", "0.1")
    sources = {run.config.optimizer.lr: run.config.scheduler.weights_of for run in plan.runs if run.variant.scheduler == "static"}
    assert sources == {0.1: OUT / "runs/dst-optimizer.lr=0.1/seed-0", 0.01: OUT / "runs/dst-optimizer.lr=0.01/seed-0"}


def test_static_weights_vary_with_the_dst_they_are_measured_on():
    _, plan = plan_of(OUT, "--schedulers", "mtl", "dst", "static", "--sweep", "scheduler.granularity", "step", "epoch", "--seeds", "1")
    assert [variant.name for variant in plan.variants if variant.scheduler == "static"] == [
        "static[scheduler.granularity=step]",
        "static[scheduler.granularity=epoch]",
    ]
    sources = {run.variant.name: run.config.scheduler.weights_of for run in plan.runs if run.variant.scheduler == "static"}
    assert sources["static[scheduler.granularity=epoch]"] == OUT / "runs/dst-scheduler.granularity=epoch/seed-0"


def test_weights_of_a_given_run_are_those_of_that_run():
    _, plan = plan_of(OUT, "--schedulers", "static", "--seeds", "2", "--scheduler.weights_of", str(OUT))
    assert [run.config.scheduler.weights_of for run in plan.runs] == [OUT, OUT]


def test_a_balancer_makes_one_more_mtl():
    _, plan = plan_of(OUT, "--schedulers", "stl", "mtl", "dst", "--balancers", "torchjd.pcgrad", "torchjd.dwa", "--seeds", "1")
    assert [variant.name for variant in plan.variants] == ["stl", "mtl", "dst", "mtl+torchjd.pcgrad", "mtl+torchjd.dwa"]
    balanced = {run.variant.name: (run.config.scheduler.name, run.config.loss.balancer) for run in plan.runs}
    assert balanced["mtl+torchjd.dwa"] == ("mtl", "torchjd.dwa")
    assert [balancer for _, balancer in balanced.values()] == ["none", "none", "none", "torchjd.pcgrad", "torchjd.dwa"]
    assert plan.baseline(plan.variants[3], "mtl") == Variant(scheduler="mtl")


def test_a_balancer_of_all_runs_is_none_of_a_single_tasks():
    runs = runs_of("--schedulers", "stl", "mtl", "--seeds", "1", "--loss.balancer", "torchjd.pcgrad")
    assert [run.config.loss.balancer for run in runs] == ["none", "none", "torchjd.pcgrad"]


def test_who_has_a_use_for_what():
    assert takes("dst", "scheduler.depth")
    assert not takes("random", "scheduler.depth")
    assert takes("stl", "train.epochs")
    assert not takes("stl", "loss.balancer")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--schedulers mtl static", r"^static takes its weights from dst, which --schedulers lacks; add dst, or give scheduler.weights$"),
        ("--schedulers mtl --scheduler.rate 0.1", r"^--scheduler.rate has no effect: none of mtl has a use for it; leave it out$"),
        (
            "--schedulers random --scheduler.rate 0.1 --sweep scheduler.rate 0.2 0.3",
            r"^--scheduler.rate has no effect: --sweep gives it other values",
        ),
        ("--schedulers mtl dst --sweep scheduler.rate 0.2", r"^--sweep scheduler.rate has no effect with --schedulers mtl dst$"),
        ("--schedulers random --sweep scheduler.rate 2", r"^random\[scheduler.rate=2\]: scheduler.rate is 2.0, expected 0 to below 1"),
        (
            "--schedulers mtl --balancers torchjd.pcgrad --loss.balancer torchjd.dwa",
            r"^loss.balancer is set, and --balancers compares balancers",
        ),
        ("--schedulers mtl --balancers torchjd.pcgard", r"^mtl\+torchjd.pcgard: invalid choice 'torchjd.pcgard'"),
        ("--schedulers mtl --sweep loss.balancer torchjd.dwa", r"^--sweep loss.balancer: name the balancers with --balancers$"),
        ("--schedulers mtl --train.epochs 0", r"^mtl: train.epochs is 0"),
        (
            "--schedulers random --sweep scheduler.rate 0.1 0.10",
            r"^random\[scheduler.rate=0.1\] and random\[scheduler.rate=0.10\] are the same; leave one of them out$",
        ),
        ("--schedulers mtl --data.tasks", r"data.tasks is empty"),
    ],
)
def test_what_cannot_be_compared_is_refused(words, message):
    with pytest.raises(ConfigurationError, match=message):
        plan_of(OUT, *words.split())


def test_all_tasks_are_those_of_the_data_set(shards):
    _, plan = plan_of(OUT, "--schedulers", "stl", "mtl", "--seeds", "1", "--data.shards", str(shards), tasks=("all",))
    assert len(plan.tasks) == 40
    assert len(plan.runs) == 41
    assert plan.runs[0].config.data.tasks == (plan.tasks[0],)
    assert plan.runs[-1].config.data.tasks == ("all",)


@pytest.mark.parametrize(
    ("settings", "seeds"),
    [
        ("--model.weights none", [4, 4]),
        ("--model.weights none --model.train_from heads", [4, 4]),
        ("--model.weights none --model.weights_seed 7", [7, 7]),
        # Said otherwise: each run draws its own, by its own seed.
        ("--model.weights none --model.weights_seed None", [None, None]),
        ("--model.weights none --model.train_from all", [None, None]),
        ("--model.weights IMAGENET1K_V1", [None, None]),
    ],
)
def test_seeds_share_a_random_trunk_that_is_not_trained(settings, seeds):
    runs = runs_of("--schedulers", "mtl", "--seeds", "2", "--first-seed", "4", *settings.split())
    assert [run.config.model.weights_seed for run in runs] == seeds
