"""Configuration: ranges, and the YAML files that ship with the project."""

from dataclasses import fields
from pathlib import Path

import pytest

from engine.command_line import parse, to_yaml
from engine.config import (
    DEFAULT_TASKS,
    SCHEDULERS,
    AugmentConfig,
    Config,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    PipelineConfig,
    ReportConfig,
    RunConfig,
    SchedulerConfig,
    TrainConfig,
    scheduler_settings,
)
from shards.errors import ConfigurationError


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RunConfig(dir=Path("r"), seed=-1), "run.seed is -1"),
        (lambda: DataConfig(shards="s", tasks=()), "data.tasks is empty"),
        (lambda: DataConfig(shards="s", tasks=("Young", "Bald", "Young")), "data.tasks names Young twice"),
        (lambda: DataConfig(shards="s3://b/s"), "data.shards is the URL s3://b/s; name a folder for its copy with data.cache"),
        (lambda: DataConfig(shards="s", cache=Path("c")), "data.cache has no effect: data.shards s is no URL"),
        (lambda: PipelineConfig(image_size=16), "pipeline.image_size is 16"),
        (lambda: PipelineConfig(threads=-1), "pipeline.threads is -1"),
        (lambda: PipelineConfig(prefetch=0), "pipeline.prefetch is 0"),
        (lambda: PipelineConfig(image_size=(64, 16)), r"pipeline.image_size is \(64, 16\)"),
        (lambda: PipelineConfig(hw_decoder_load=1.5), "pipeline.hw_decoder_load is 1.5"),
        (lambda: PipelineConfig(window_shards=4), "pipeline.window_shards has no effect without shuffle window"),
        (lambda: PipelineConfig(shuffle="window", window_shards=0), "pipeline.window_shards is 0"),
        (lambda: PipelineConfig(max_bad_samples=4), "pipeline.max_bad_samples has no effect with pipeline.on_bad_sample raise"),
        (lambda: PipelineConfig(on_bad_sample="skip", max_bad_samples=0), "pipeline.max_bad_samples is 0"),
        (lambda: PipelineConfig(backend="torch", decoder="cpu"), "pipeline.decoder has no effect with pipeline.backend torch"),
        (lambda: PipelineConfig(backend="synthetic", check_crc=False), "pipeline.check_crc has no effect with pipeline.backend synthetic"),
        (lambda: PipelineConfig(decoder="cpu", hw_decoder_load=0.5), "pipeline.hw_decoder_load has no effect with pipeline.decoder cpu"),
        (lambda: DataConfig(shards="s", limit=0), "data.limit is 0"),
        (lambda: AugmentConfig(crop=(0.5, 0.2)), r"augment.crop is \(0.5, 0.2\)"),
        (lambda: AugmentConfig(crop=(0.5, 1.0), crop_ratio=(2.0, 1.0)), r"augment.crop_ratio is \(2.0, 1.0\)"),
        (lambda: AugmentConfig(crop_ratio=(1.0, 1.0)), "augment.crop_ratio has no effect without augment.crop"),
        (lambda: AugmentConfig(contrast=1.5), "augment.contrast is 1.5"),
        (lambda: AugmentConfig(hue=200), "augment.hue is 200"),
        (lambda: whole(pipeline=PipelineConfig(dtype="float16")), "pipeline.dtype float16 needs train.precision"),
        (lambda: whole(pipeline=PipelineConfig(image_size="none"), augment=AugmentConfig(crop=(0.5, 1.0))), "augment.crop needs a"),
        (lambda: whole(pipeline=PipelineConfig(backend="synthetic"), augment=AugmentConfig(mirror=True)), "augment has no effect"),
        (lambda: ModelConfig(tap_grid=0), "model.tap_grid is 0"),
        (lambda: ModelConfig(hidden=(64, 0)), "model.hidden is"),
        (lambda: SchedulerConfig(depth=0.3), "weights sum to 1.1, expected 1"),
        (lambda: SchedulerConfig(depth=-0.2, count=0.6), "expected none below 0"),
        (lambda: SchedulerConfig(name="mtl", granularity="epoch"), "scheduler.granularity has no effect with scheduler.name mtl"),
        (lambda: SchedulerConfig(rate=0.5), "scheduler.rate has no effect with scheduler.name dst; leave it out"),
        (lambda: SchedulerConfig(weights={"Young": 1}, weights_of=Path("r")), "scheduler.weights/weights_of has no effect with .* dst"),
        (lambda: SchedulerConfig(name="stl", rate=0.5, floor=0.1), "scheduler.rate/floor has no effect with scheduler.name stl"),
        (lambda: SchedulerConfig(name="random", floor=0.1), "scheduler.floor has no effect with scheduler.name random"),
        (lambda: SchedulerConfig(name="random", count_of="positive"), "scheduler.count_of has no effect with scheduler.name random"),
        (
            lambda: SchedulerConfig(name="drop_balanced", depth=0.4, count=0),
            "scheduler.depth/count has no effect with scheduler.name drop_balanced",
        ),
        (lambda: static(weights={"Young": 1}, granularity="epoch"), "scheduler.granularity has no effect with scheduler.name static"),
        (lambda: SchedulerConfig(depth=0.4, count=0, count_of="positive"), "scheduler.count_of has no effect with scheduler.count 0"),
        (lambda: SchedulerConfig(name="random", rate=1), "scheduler.rate is 1, expected 0 to below 1"),
        (lambda: SchedulerConfig(name="random", rate=-0.1), "scheduler.rate is -0.1"),
        (lambda: SchedulerConfig(name="random", rate=float("nan")), "scheduler.rate is nan"),
        (lambda: SchedulerConfig(name="drop_balanced", floor=0), "scheduler.floor is 0, expected above 0"),
        (lambda: SchedulerConfig(name="drop_balanced", floor=1.5), "scheduler.floor is 1.5"),
        (lambda: SchedulerConfig(name="drop_balanced", rate=0.5, floor=0.5), "scheduler.floor is 0.5, expected below 1 - .* = 0.5"),
        (lambda: static(weights={"Young": 1, "Bald": 0}), "scheduler.weights gives Bald 0, expected a number above 0"),
        (lambda: static(weights={"Young": float("inf")}), "scheduler.weights gives Young inf"),
        (
            lambda: SchedulerConfig(name="static"),
            "scheduler.name static takes its weights from scheduler.weights or from scheduler.weights_of; give one",
        ),
        (lambda: static(weights={"Young": 1}, weights_of=Path("r")), "scheduler.name static takes its weights from"),
        (lambda: whole(scheduler=static(weights={"Bald": 1})), "scheduler.weights names Bald, which data.tasks lacks"),
        (lambda: OptimizerConfig(lr=0), "optimizer.lr is 0"),
        (lambda: OptimizerConfig(trunk_lr=-1), "optimizer.trunk_lr is -1"),
        (lambda: OptimizerConfig(weight_decay=-1), "optimizer.weight_decay is -1"),
        (lambda: OptimizerConfig(warmup_steps=-1), "optimizer.warmup_steps is -1"),
        (lambda: TrainConfig(epochs=0), "train.epochs is 0"),
        (lambda: TrainConfig(batch_size=0), "train.batch_size is 0"),
        (lambda: TrainConfig(micro_batch_size=0), "train.micro_batch_size is 0"),
        (lambda: TrainConfig(checkpoint_every=-1), "train.checkpoint_every is -1"),
        (lambda: ReportConfig(every=0), "report.every is 0"),
        (lambda: whole(optimizer=OptimizerConfig(trunk_lr=1e-4)), "optimizer.trunk_lr has no effect with model.train_from heads"),
        (
            lambda: whole(model=ModelConfig(task_taps={"Young": "logits"})),
            "model.task_taps gives Young the stage logits, which is model.tap",
        ),
        (
            lambda: whole(model=ModelConfig(hidden=(8,), task_hidden=dict.fromkeys(DEFAULT_TASKS, "4"))),
            "model.hidden has no effect: every task has one of its own; leave it out",
        ),
        (
            lambda: whole(model=ModelConfig(tap="fc6", task_taps=dict.fromkeys(DEFAULT_TASKS, "fc7"))),
            "model.tap has no effect: every task has one of its own; leave it out",
        ),
        (lambda: whole(model=ModelConfig(task_taps={"Bald": "fc7"})), "model.task_taps names Bald, which data.tasks lacks"),
    ],
)
def test_wrong_values_are_refused_naming_the_key(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()


def whole(**sections) -> Config:
    return Config(run=RunConfig(dir=Path("r")), data=DataConfig(shards="s"), **sections)


def static(**settings) -> SchedulerConfig:
    return SchedulerConfig(name="static", **settings)


def test_each_setting_of_a_scheduler_is_of_use_to_one():
    used = {key for name in (*SCHEDULERS, "module:Class") for key in scheduler_settings(name)}
    assert used | {"name"} == {key.name for key in fields(SchedulerConfig)}


@pytest.mark.parametrize(
    ("lines", "flags", "expected"),
    [
        ("{name: random, rate: 0.5, granularity: epoch}", [], SchedulerConfig(name="random", rate=0.5, granularity="epoch")),
        ("{name: drop_balanced, floor: 0.1}", ["--scheduler.rate", "0"], SchedulerConfig(name="drop_balanced", rate=0, floor=0.1)),
        ("{name: static, weights: {Young: 0.7, Big_Nose: 1e-2}}", [], static(weights={"Young": 0.7, "Big_Nose": 0.01})),
        ("{name: static}", ["--scheduler.weights", "Young", "0.7"], static(weights={"Young": 0.7})),
        ("{name: static, weights_of: runs/dst, weights: {}}", [], static(weights_of=Path("runs/dst"))),
    ],
)
def test_schedulers_in_yaml_and_flags(tmp_path, lines, flags, expected):
    path = tmp_path / "my.yaml"
    path.write_text(f"run: {{dir: r}}\ndata: {{shards: s}}\nscheduler: {lines}\n")
    config = parse(["--config", str(path), *flags])
    assert config.scheduler == expected
    path.write_text(to_yaml(config))
    assert parse(["--config", str(path)]) == config


@pytest.mark.parametrize(
    ("cores", "processes", "threads"),
    [(16, 1, 16), (16, 4, 4), (16, 32, 1), (4, 4, 4), (5, 4, 1)],
    ids=["alone", "shared", "crowded", "bound", "five-of-sixteen-for-four"],
)
def test_threads_are_shared_among_the_processes_of_a_machine_of_sixteen_cores(monkeypatch, cores, processes, threads):
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr("engine.config.cpu_quota", lambda: None)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert PipelineConfig().threads_per_process() == threads
    assert PipelineConfig(threads=3).threads_per_process() == 3


@pytest.mark.parametrize(("cores", "quota", "processes", "threads"), [(96, 8, 1, 8), (96, 8, 4, 2), (96, 2, 4, 1), (4, 8, 1, 4)])
def test_a_containers_quota_is_shared_too(monkeypatch, cores, quota, processes, threads):
    monkeypatch.setattr("os.cpu_count", lambda: 96)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr("engine.config.cpu_quota", lambda: quota)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert PipelineConfig().threads_per_process() == threads
    assert PipelineConfig(threads=3).threads_per_process() == 3
