from pathlib import Path

import pytest

from engine.compare.arguments import Setting, take_apart, to_flags
from shards.errors import ConfigurationError


def test_own_options_and_settings_are_told_apart(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(
        "run: {dir: elsewhere, seed: 5}\nscheduler: {name: dst, depth: 0.2}\ntrain: {epochs: 3}\ndata: {tasks: [Young, Bald]}\n"
    )
    words = ["--seeds", "2", "--config", str(path), "--train.epochs", "4", "--schedulers", "mtl", "dst", "--data.shards=x", "--out", "o"]
    options, settings = take_apart(words)
    assert (options.seeds, options.schedulers, options.out) == (2, ("mtl", "dst"), Path("o"))
    assert settings == {
        "scheduler.depth": Setting(words=("0.2",), is_flag=False),
        "data.tasks": Setting(words=("Young", "Bald"), is_flag=False),
        "train.epochs": Setting(words=("4",), is_flag=True),
        "data.shards": Setting(words=("x",), is_flag=True),
    }


def test_settings_become_flags_again():
    settings = {"data.tasks": Setting(words=("Young", "Bald"), is_flag=True), "model.hidden": Setting(words=(), is_flag=False)}
    assert to_flags(settings) == ["--data.tasks", "Young", "Bald", "--model.hidden"]


def test_later_files_and_flags_win(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("train: {epochs: 3, batch_size: 8}\n")
    second.write_text("train: {epochs: 5}\n")
    _, settings = take_apart([f"--config={first}", "--train.batch_size", "4", "--train.batch-size", "16", "--config", str(second)])
    assert {name: setting.words for name, setting in settings.items()} == {"train.epochs": ("5",), "train.batch_size": ("16",)}


def test_the_defaults():
    options, settings = take_apart([])
    assert options.schedulers == ("stl", "mtl", "random", "dst")
    assert (options.seeds, options.first_seed, options.metric, options.bootstrap) == (3, 0, "balanced_accuracy", 2000)
    assert settings == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--scheduler mtl", r"^unknown option '--scheduler'; did you mean 'schedulers'\?$"),
        ("--first_sed 3", r"^unknown option '--first_sed'; did you mean 'first-seed'\?$"),
        ("--train.epoch 3", r"^unknown option '--train.epoch'; did you mean 'train.epochs'\?$"),
        ("--epochs 3", r"did you mean 'train.epochs'\?$"),
        ("--schedulers mlt", r"--schedulers: there is no scheduler 'mlt'; did you mean 'mtl'"),
        ("--metric auroc", r"invalid choice 'auroc' for argument '--metric'"),
        ("--seeds many", r"--seeds"),
        ("stray", r"stray"),
        ("--schedulers", r"^--schedulers names none"),
        ("--schedulers mtl dst mtl", r"^--schedulers names mtl twice"),
        ("--balancers a a", r"^--balancers names a twice"),
        ("--balancers none", r"^--balancers names none, which is mtl itself"),
        ("--seeds 0", r"^--seeds is 0, expected at least 1"),
        ("--first-seed -1", r"^--first-seed is -1, expected at least 0"),
        ("--bootstrap 10", r"^--bootstrap is 10, expected at least 100"),
        ("--sweep scheduler.rate", r"^--sweep scheduler.rate: no value"),
        ("--sweep scheduler.rate 0.1 0.1", r"^--sweep names 0.1 twice"),
        ("--sweep scheduler.rat 0.1", r"^--sweep: there is no setting 'scheduler.rat'; did you mean 'scheduler.rate'\?$"),
        ("--sweep run.seed 1 2", r"^--sweep run.seed: variants that differ in it cannot be compared"),
        ("--sweep data.tasks Young", r"^--sweep data.tasks: variants that differ in it cannot be compared"),
        ("--sweep report.threshold val", r"^--sweep report.threshold: variants that differ in it cannot be compared"),
        ("--run.dir x", r"^--run.dir: .*use --out$"),
        ("--run.seed 1", r"^--run.seed: .*use --seeds and --first-seed$"),
        ("--run.if_exists resume", r"^--run.if_exists: .*remove a run's folder"),
        ("--report.console plain", r"^--report.console: its runs are quiet"),
        ("--scheduler.name dst", r"^--scheduler.name: .*use --schedulers$"),
        ("--config", r"^--config needs a file"),
        ("--config --seeds 3", r"^--config needs a file"),
        ("--config nowhere.yaml", r"^nowhere.yaml: cannot be read"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(words, message):
    with pytest.raises(ConfigurationError, match=message):
        take_apart(words.split())


def test_help_lists_all_options(capsys):
    with pytest.raises(SystemExit) as ending:
        take_apart(["--help"])
    assert ending.value.code == 0
    told = capsys.readouterr().out
    for option in ("--schedulers", "--balancers", "--seeds", "--first-seed", "--sweep", "--out", "--metric", "--bootstrap", "--config"):
        assert option in told


@pytest.mark.parametrize("name", ["--sweep", "--schedulers", "--seeds"])
def test_an_option_twice_is_refused(name):
    with pytest.raises(ConfigurationError, match=rf"^{name} is given twice; name all its values behind one$"):
        take_apart([name, "optimizer.lr", "0.1", name, "train.epochs", "1"])
