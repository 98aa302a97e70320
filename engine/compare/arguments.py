"""The command line taken apart: the comparison's own options, and settings of the runs from files and flags."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from engine.command_line import CONFIG_FLAG, USUAL, configuration_file, program, read_file
from engine.compare.options import CompareOptions
from engine.config import Config
from shards.command import parse_flags, unknown_option
from shards.errors import ConfigurationError, did_you_mean

_OWN = {
    "run.dir": "the comparison names the folders of its runs; use --out",
    "run.seed": "the comparison has its own seeds; use --seeds and --first-seed",
    "run.if_exists": "runs that are there are finished or kept; remove a run's folder to train it anew",
    "report.console": "its runs are quiet, and the comparison shows a line of its own",
    "scheduler.name": "the comparison has its own schedulers; use --schedulers",
}
"""Settings that the comparison makes itself -> why they cannot be given."""
_USUAL = dict.fromkeys(("output_dir", "out_dir", "output", "out", "save_dir", "log_dir", "dir"), "out") | {
    "seed": "seeds",
    "num_seeds": "seeds",
}
_SECTIONS = {section.name: section.type for section in dataclasses.fields(Config)}
_KEYS = [f"{name}.{key.name}" for name, section in _SECTIONS.items() if isinstance(section, type) for key in dataclasses.fields(section)]
_OPTIONS = [field.name for field in dataclasses.fields(CompareOptions)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One setting of the runs."""

    words: tuple[str, ...]
    """Its value as the command line spells it."""
    is_flag: bool
    """Whether it was given on the command line, not in a file."""


Settings = dict[str, Setting]
"""`section.field` -> setting, for all runs alike."""


def take_apart(arguments: Sequence[str]) -> tuple[CompareOptions, Settings]:
    """Return the comparison's options, and the settings of its runs. Flags win over files.

    Raises:
        ConfigurationError: An option does not exist or does not fit; the nearest name is told.
        SystemExit: With 0 after `--help`.
    """
    own: list[str] = []
    files: list[str] = []
    flags: list[str] = []
    target, given_own = own, set[str]()
    for argument in arguments:
        if argument.startswith("--"):
            name = argument[2:].partition("=")[0].replace("-", "_")
            target = files if name == CONFIG_FLAG[2:] else own if name in (*_OPTIONS, "help") else flags
            _check_name(argument, name)
            if target is own and name in given_own:
                raise ConfigurationError(f"--{name.replace('_', '-')} is given twice; name all its values behind one")
            given_own.add(name)
        elif argument == "-h":
            target = own
        target.append(argument)
    options = parse_flags(CompareOptions, own, prog=program("tools/compare"))
    settings = {name: Setting(words=words, is_flag=False) for name, words in _from_files(files).items() if name not in _OWN}
    given = {name: Setting(words=words, is_flag=True) for name, words in _by_name(flags).items()}
    for name in given:
        if name in _OWN:
            raise ConfigurationError(f"--{name}: {_OWN[name]}")
    _check_sweep(options)
    return options, settings | given


def to_flags(settings: Settings) -> list[str]:
    """Return the settings as the command line would give them."""
    return [word for name, setting in settings.items() for word in (f"--{name}", *setting.words)]


def _check_name(argument: str, name: str) -> None:
    if name not in (*_OPTIONS, *_KEYS, CONFIG_FLAG[2:], "help"):
        last = name.rpartition(".")[2]
        if last in USUAL and last not in _USUAL and USUAL[last].split()[0] in _OWN:
            raise ConfigurationError(f"unknown option {argument!r}; {_OWN[USUAL[last].split()[0]]}")
        known = [*(option.replace("_", "-") for option in _OPTIONS), *(key for key in _KEYS if key not in _OWN), CONFIG_FLAG[2:]]
        raise unknown_option(argument, known, USUAL | _USUAL)


def _check_sweep(options: CompareOptions) -> None:
    if not options.sweep:
        return
    key = options.sweep[0]
    if key not in _KEYS:
        raise ConfigurationError(f"--sweep: there is no setting {key!r}{did_you_mean(key, _KEYS)}")
    if key in _OWN or key.startswith(("data.", "report.")):
        raise ConfigurationError(f"--sweep {key}: variants that differ in it cannot be compared; name a setting of training")
    if key == "loss.balancer":
        raise ConfigurationError("--sweep loss.balancer: name the balancers with --balancers")


def _from_files(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the settings of the files that `--config FILE` and `--config=FILE` name, later ones on top."""
    paths: list[str] = []
    for place, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag == CONFIG_FLAG and equals:
            paths.append(value)
        elif flag != CONFIG_FLAG:
            paths.append(word)
        elif place + 1 == len(words) or words[place + 1].startswith("--"):
            raise ConfigurationError(f"{CONFIG_FLAG} needs a file, e.g. configs/demo.yaml")
    return {name: value for path in paths for name, value in _by_name(read_file(configuration_file(path))).items()}


def _by_name(flags: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return name -> words of flags of the forms `--name word …` and `--name=word`, later ones on top."""
    named: dict[str, list[str]] = {}
    words: list[str] = []
    for flag in flags:
        if flag.startswith("--"):
            name, equals, value = flag[2:].partition("=")
            words = named[name.replace("-", "_")] = [value] if equals else []
        else:
            words.append(flag)
    return {name: tuple(values) for name, values in named.items()}
