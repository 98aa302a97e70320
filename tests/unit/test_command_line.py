"""Command line and YAML: one parser, no key lost."""

from pathlib import Path

import pytest
import yaml

from engine.command_line import USUAL, parse, read_file, to_yaml
from shards.errors import ConfigurationError

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
NEEDED = ["--data.shards", "s", "--run.dir", "r"]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_configuration_parses_and_says_how_to_run_it(path):
    parse(["--config", str(path), *NEEDED])
    comment = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any("train.py" in line or "make demo" in line for line in comment)


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path):
    path = write(
        tmp_path, "train: {epochs: 3, precision: no, micro_batch_size: 4}\ndata: {tasks: [Young, Bald]}\nmodel: {channels_last: false}\n"
    )
    config = parse(["--config", str(path), *NEEDED, "--train.epochs", "5", "--train.micro_batch_size", "None"])
    assert (config.train.epochs, config.train.precision, config.train.micro_batch_size, config.train.batch_size) == (5, "no", None, 128)
    assert config.data.tasks == ("Young", "Bald")
    assert config.model.channels_last is False
    assert parse(["--config", str(path), *NEEDED, "--data.tasks", "Bangs"]).data.tasks == ("Bangs",)
    later = tmp_path / "later.yaml"
    later.write_text("train: {epochs: 4}")
    config = parse(["--config", str(path), "--config", str(later), *NEEDED])
    assert (config.train.epochs, config.train.micro_batch_size) == (4, 4)


def test_the_resolved_configuration_reads_back_equal(tmp_path):
    flags = [
        "--data.tasks",
        "Young",
        "Bald",
        "--model.task_taps",
        "Young",
        "fc7",
        "--train.precision",
        "bf16",
        "--model.hidden",
        "32",
        "16",
        "--pipeline.image_size",
        "218",
        "178",
        "--augment.crop",
        "0.2",
        "1.0",
    ]
    config = parse([*NEEDED, *flags])
    assert config.model.task_taps == {"Young": "fc7"}
    assert config.pipeline.size() == (218, 178)
    assert parse(["--config", str(write(tmp_path, to_yaml(config)))]) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {shard: x}", "my.yaml: unknown key 'data.shard'; did you mean 'data.shards'?"),
        ("optimiser: {lr: 1}", "my.yaml: unknown section 'optimiser'; did you mean 'optimizer'?"),
        ("train: 3", "section 'train' holds no keys"),
        ("[1, 2]", "holds no sections"),
        ("train: {epochs: 1, epochs: 2}", "is not plain YAML .*key 'epochs' stands there twice"),
        ("train: &a {epochs: 1}\nmodel: *a", "is not plain YAML .*aliases are not allowed"),
        ("run: !!python/object/apply:os.system ['touch canary']", "is not plain YAML|holds no keys"),
        ("a: [", "is not plain YAML"),
        ("data: {[a, b]: c}", "is not plain YAML .*a list or mapping is no key"),
        ("? {a: b}\n: c", "is not plain YAML .*a list or mapping is no key"),
        (f"data: {'[' * 3000}{']' * 3000}", "is nested too deeply; expected sections"),
    ],
)
def test_wrong_files_are_refused(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=message):
        read_file(write(tmp_path, text))
    assert not (tmp_path / "canary").exists()


def test_missing_and_huge_files_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere.yaml: cannot be read"):
        read_file(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigurationError, match=r"this is no configuration"):
        read_file(write(tmp_path, "#" * 2**21))


def test_mistyped_flags_name_their_neighbour():
    with pytest.raises(ConfigurationError, match=r"unknown option '--train.epoch'; did you mean 'train.epochs'\?"):
        parse([*NEEDED, "--train.epoch", "3"])
    with pytest.raises(ConfigurationError, match=r"--config needs a file"):
        parse(["--config"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--train.epochs", "many"], r"^Error parsing --train.epochs: invalid literal .*'many'; see --help$"),
        (["--train.precision", "fp8"], "invalid choice 'fp8' for argument '--train.precision'"),
        (["--train.epochs"], "--train.epochs"),
        (["3"], "3"),
    ],
)
def test_values_that_do_not_fit_are_one_line(flags, message, capsys):
    with pytest.raises(ConfigurationError, match=message):
        parse([*NEEDED, *flags])
    assert capsys.readouterr() == ("", "")


def test_a_value_out_of_range_is_named():
    with pytest.raises(ConfigurationError, match=r"train.epochs is 0"):
        parse([*NEEDED, "--train.epochs", "0"])


@pytest.mark.parametrize("words", [["--augment.mirror", "true"], ["--augment.mirror=true"], ["--augment.mirror", "True"]])
def test_a_switch_is_spelled_as_in_yaml_or_as_in_python(words):
    required = ["--run.dir", "true", "--data.shards", "false"]
    config = parse([*required, *words])
    assert config.augment.mirror
    # What is no switch keeps its spelling.
    assert (str(config.run.dir), config.data.shards) == ("true", "false")
    assert not parse([*required, *words, "--augment.mirror", "false"]).augment.mirror


@pytest.mark.parametrize("option", USUAL.values())
def test_what_other_programs_options_lead_to_exists(option):
    name, _, value = option.partition(" ")
    parse(["--run.dir", "r", "--data.shards", "s", *([f"--{name}", value] if value and value != "fp16" else [])])
    with pytest.raises(ConfigurationError, match=r"^unknown option"):
        parse([f"--{name}x"])
    assert name in {
        f"{section}.{key}"
        for section, keys in yaml.safe_load(to_yaml(parse(["--run.dir", "r", "--data.shards", "s"]))).items()
        for key in keys
    }


@pytest.mark.parametrize(
    ("shards", "message"),
    [
        (
            "data/faces/train-000000.tar",
            r"data.shards data/faces/train-000000.tar: names shards, expected the folder .*: data.shards data/faces$",
        ),
        ("data/faces/train-{000000..000009}.tar", r": data.shards data/faces$"),
        ("https://store/faces/train-000000.tar", r": data.shards https://store/faces$"),
        ("pipe:cat x.tar", r": data.shards FOLDER$"),
        ("x.tar", r": data.shards FOLDER$"),
    ],
)
def test_a_single_shard_is_no_data_set(shards, message):
    with pytest.raises(ConfigurationError, match=message):
        parse(["--run.dir", "r", "--data.shards", shards])


def test_a_folder_may_have_any_name(tmp_path):
    (tmp_path / "faces.tar").mkdir()
    assert parse(["--run.dir", "r", "--data.shards", str(tmp_path / "faces.tar")]).data.shards.endswith("faces.tar")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model.hidden", "64,32"], r"values are separated by spaces: 64 32; see --help$"),
        (["--pipeline.image_size", "[224,", "192]"], "see --help$"),
    ],
)
def test_values_that_commas_separate(flags, message):
    with pytest.raises(ConfigurationError, match=message):
        parse(["--run.dir", "r", "--data.shards", "s", *flags])


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "my.yaml").write_text("run: {dir: r}\ndata: {shards: s}\ntrain: {epochs: 7}\n", encoding="utf-8-sig")
    assert parse(["--config", str(tmp_path / "my.yaml")]).train.epochs == 7
