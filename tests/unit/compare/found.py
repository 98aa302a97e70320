"""Findings by hand, for what is made of them."""

from dataclasses import replace

from engine.compare.findings import Difference, Findings, Spread, TaskFindings, VariantFindings
from engine.compare.measures import MEASURES
from engine.journal.records import RunRecord

TASKS = ("Young", "Bald")
RUN = RunRecord(
    name="seed-0",
    started="2026-01-02T03:04:05",
    resumed_epoch=0,
    resumed_step=0,
    tasks=TASKS,
    positive_rates=(0.5, 0.25),
    scheduler="mtl",
    drops_tasks=False,
    model="vgg11, heads on pool3",
    num_parameters=1000,
    num_trainable_parameters=100,
    device="a CPU",
    world_size=1,
    precision="no",
    global_batch_size=8,
    micro_batch_size=8,
    epochs=2,
    steps_per_epoch=6,
    split_sizes={"train": 52, "val": 13, "test": 15},
    data="index.npy 0123, train 0 to 51",
    versions={"torch": "2.15.0"},
)


def difference(points, p=0.5, *, error=0.01):
    """A difference in points, its adjusted p-value twice the other one; p None is that of one seed."""
    mean = points / 100
    if p is None:
        return Difference(mean=mean, standard_error=None, interval=(mean - 0.01, mean + 0.01), p_bootstrap=0.04)
    return Difference(
        mean=mean,
        standard_error=error,
        interval=(mean - 0.01, mean + 0.01),
        p_bootstrap=p / 2,
        p_seeds=p,
        p=p,
        p_adjusted=min(1.0, 2 * p),
    )


def spread(mean, deviation=0.01):
    """A number over three seeds."""
    return Spread(mean=mean, deviation=deviation, values=(mean,) * 3)


def entry(task, value=0.8, to_baseline=None, to_single=None, suffers=None, num_constant=0):
    """One task of a variant."""
    measures = {measure.field: spread(value) for measure in MEASURES}
    return TaskFindings(
        task=task, measures=measures, to_single=to_single, suffers=suffers, to_baseline=to_baseline, num_constant=num_constant
    )


def variant(scheduler="mtl", *, name=None, value=0.8, to_baseline=None, suffering=None, probability=1.0, tasks=TASKS, **fields):
    """A variant; `suffering` tells of each task whether it suffers negative transfer."""
    harmed = suffering or (None,) * len(tasks)
    to_single = difference(-1.0) if suffering else None
    made = VariantFindings(
        name=name or scheduler,
        folder=f"runs/{scheduler}",
        scheduler=scheduler,
        balancer=None,
        tasks=tuple(entry(task, value, to_baseline, to_single, harm) for task, harm in zip(tasks, harmed, strict=True)),
        overall=entry("mean", value, to_baseline, to_single),
        baseline="mtl" if to_baseline else None,
        single="stl" if suffering else None,
        relative_gain=spread(-1.5) if suffering else None,
        num_runs=3,
        num_constant_runs=0,
        num_suffering=sum(map(bool, harmed)) if suffering else None,
        seconds=spread(12.0),
        val_epochs=(0, 1),
        val=((0.5, 0.7), (0.6, 0.8), (0.55, 0.75)),
        probabilities=((1.0,) * len(tasks), (probability,) * len(tasks)),
        mean_probability=(1 + probability) / 2,
        drops_tasks=scheduler in ("dst", "random", "drop_balanced"),
    )
    return replace(made, **fields)


def findings(*variants, seeds=(0, 1, 2), tasks=TASKS, **fields):
    """What a comparison of these variants found."""
    made = Findings(
        metric="balanced_accuracy",
        split="test",
        num_samples=15,
        seeds=seeds,
        tasks=tasks,
        references={measure.field: (0.5,) * (len(tasks) + 1) for measure in MEASURES},
        variants=variants,
        num_resamples=2000,
        num_skipped=0,
        is_uniform=True,
        lost=(),
        run=RUN,
    )
    return replace(made, **fields)
