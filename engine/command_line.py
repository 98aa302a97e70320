"""Command line and YAML file to `Config`: the file becomes flags that stand before the user's, so both meet one parser.

A key that no dataclass has stops the run, and its nearest neighbour is named.
"""

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import tyro
import yaml

from engine.config import Config
from shards.command import at_home, parse_flags, unknown_option
from shards.errors import ConfigurationError, did_you_mean

CONFIG_FLAG = "--config"
MAX_FILE_BYTES = 2**20
USUAL = {
    "lr": "optimizer.lr",
    "learning_rate": "optimizer.lr",
    "wd": "optimizer.weight_decay",
    "optim": "optimizer.name",
    "resume": "run.if_exists resume",
    "resume_from_checkpoint": "run.if_exists resume",
    "overwrite": "run.if_exists replace",
    "overwrite_output_dir": "run.if_exists replace",
    "num_epochs": "train.epochs",
    "num_train_epochs": "train.epochs",
    "max_epochs": "train.epochs",
    "bs": "train.batch_size",
    "per_device_train_batch_size": "train.batch_size",
    "gradient_accumulation_steps": "train.micro_batch_size",
    "mixed_precision": "train.precision",
    "amp": "train.precision bf16",
    "bf16": "train.precision bf16",
    "fp16": "train.precision fp16",
    "save_steps": "train.checkpoint_every",
    "output_dir": "run.dir",
    "out_dir": "run.dir",
    "output": "run.dir",
    "out": "run.dir",
    "save_dir": "run.dir",
    "log_dir": "run.dir",
    "logging_steps": "report.every",
    "data": "data.shards",
    "data_dir": "data.shards",
    "dataset": "data.shards",
    "labels": "data.tasks",
    "attributes": "data.tasks",
    "num_workers": "pipeline.threads",
    "workers": "pipeline.threads",
    "img_size": "pipeline.image_size",
    "input_size": "pipeline.image_size",
    "model": "model.trunk",
    "arch": "model.trunk",
    "backbone": "model.trunk",
    "pretrained": "model.weights",
    "flip": "augment.mirror",
}
"""Last part of what other programs call an option -> what to write here."""
_SPELLINGS = {"null": "None", "~": "None", "": "None", "true": "True", "false": "False"}
"""YAML's spelling of a scalar -> the flag's."""

_SECTIONS: dict[str, Any] = {section.name: section.type for section in dataclasses.fields(Config)}
_KEYS = tuple(f"{name}.{key.name}" for name, section in _SECTIONS.items() for key in dataclasses.fields(section))
_SWITCHES = {f"{name}.{key.name}" for name, section in _SECTIONS.items() for key in dataclasses.fields(section) if key.type is bool}


def parse(arguments: Sequence[str]) -> Config:
    """Return the configuration.

    Args:
        arguments: `--config FILE` and any `--section.key value`; flags win over the file.

    Raises:
        ConfigurationError: The file or a flag is wrong.
        SystemExit: With 0 after `--help`.
    """
    files, flags = _split_off_config(list(arguments))
    for flag in flags:
        name = flag[2:].partition("=")[0].replace("-", "_")
        if flag.startswith("--") and name not in (*_KEYS, "help"):
            raise unknown_option(flag, [*_KEYS, "config"], USUAL)
    from_files = [flag for file in files for flag in read_file(file)]
    # Without flag conversion a switch takes a value: a file's `mirror: true` can then be undone on the command line.
    config = parse_flags(
        Config,
        [*from_files, *_spelled(flags)],
        use_underscores=True,
        prog=program("engine/train.py"),
        config=(tyro.conf.FlagConversionOff,),
    )
    _check_moved(config, files)
    return config


def _check_moved(config: Config, files: Sequence[Path]) -> None:
    """Refuse to resume by the settings of a run that lies elsewhere: its folder has been moved or copied, and names the old place."""
    for file in files:
        beside = file.parent
        if config.run.if_exists == "resume" and (beside / "records.jsonl").exists() and beside.resolve() != config.run.dir.resolve():
            raise ConfigurationError(
                f"--config {file} lies in the folder of a run, but run.dir is {config.run.dir}; to resume that run add "
                f"--run.dir {quote(str(beside))}, to begin another copy the file out of the folder"
            )


def configuration_file(name: str) -> Path:
    """Return the path of a configuration: of a file, or of one that comes with Dropstream by its name alone, such as `celeba_dst`.

    Raises:
        ConfigurationError: There is neither; the names that there are are told.
    """
    path = Path(at_home(name))
    if path.exists() or path.suffix or path.name != name:
        return path
    # In an installed package; in a checkout.
    package = Path(__file__).parent
    known = {file.stem: file for folder in (package / "configs", package.parent / "configs") for file in sorted(folder.glob("*.yaml"))}
    if name not in known:
        raise ConfigurationError(f"--config {name}: no such file, nor one of {', '.join(known)}{did_you_mean(name, known)}")
    return known[name]


def program(name: str) -> str:
    """Return what the running program is called in its help: by this name, or as `dropstream` was asked for it."""
    return sys.argv[0] if sys.argv[0].startswith("dropstream ") else name


def read_file(path: Path) -> list[str]:
    """Return a YAML file's settings as flags.

    Raises:
        ConfigurationError: The file is missing, is not plain YAML, or has a key that does not exist.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationError(f"{path}: is larger than {MAX_FILE_BYTES} bytes; this is no configuration")
        settings = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_StrictLoader)  # noqa: S506 (makes text only)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise ConfigurationError(f"{path}: is nested too deeply; this is no configuration") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not plain YAML ({error})") from error
    if not isinstance(settings, dict):
        raise ConfigurationError(f"{path}: holds no sections; expected e.g. `data:` with `shards: DIR` below it")
    return [flag for section, keys in settings.items() for flag in _section_flags(path, str(section), keys)]


def to_yaml(config: Config) -> str:
    """Return the resolved configuration as YAML that `--config` reads back to an equal one."""
    return yaml.safe_dump(_plain(dataclasses.asdict(config)), sort_keys=False, allow_unicode=True)


def _split_off_config(arguments: list[str]) -> tuple[list[Path], list[str]]:
    files: list[Path] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == CONFIG_FLAG:
            file = next(remaining, None)
            if file is None:
                raise ConfigurationError("--config needs a file, e.g. configs/demo.yaml")
            files.append(configuration_file(file))
        elif argument.startswith(f"{CONFIG_FLAG}="):
            files.append(configuration_file(argument.partition("=")[2]))
        else:
            rest.append(argument)
    return files, rest


def _spelled(flags: Sequence[str]) -> Iterator[str]:
    """Yield the words of flags, switches spelled as the parser wants them: `true` as in YAML is as good as `True`."""
    before = ""
    for word in flags:
        name, equals, value = word.partition("=")
        if equals and name[2:].replace("-", "_") in _SWITCHES:
            yield f"{name}={_SPELLINGS.get(value, value)}"
        else:
            yield _SPELLINGS.get(word, word) if before in _SWITCHES else word
        before = word[2:].replace("-", "_") if word.startswith("--") else ""


def _section_flags(path: Path, section: str, keys: object) -> Iterator[str]:
    if section not in _SECTIONS:
        raise ConfigurationError(f"{path}: unknown section {section!r}{did_you_mean(section, _SECTIONS)}")
    if not isinstance(keys, dict):
        raise ConfigurationError(f"{path}: section {section!r} holds no keys")
    for key, value in keys.items():
        name = f"{section}.{key}"
        if name not in _KEYS:
            raise ConfigurationError(f"{path}: unknown key {name!r}{did_you_mean(name, _KEYS)}")
        yield f"--{name}"
        yield from _words(value)


def _words(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(word) for pair in value.items() for word in pair)
    elif isinstance(value, list):
        yield from (str(word) for word in value)
    else:
        yield _SPELLINGS.get(str(value), str(value))


def _plain(value: Any) -> Any:  # noqa: ANN401 (a tree of any types)
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


class _StrictLoader(yaml.BaseLoader):
    """YAML without aliases (which can explode) and without keys that silently overwrite an earlier one.

    Every scalar stays the text it is: the parser of the flags knows the types, and `precision: no` must not become false.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(None, None, "aliases are not allowed", self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[Any]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is no text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)
