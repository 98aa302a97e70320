"""F-32: YAML that asks for objects, explodes, hides or smuggles in settings is refused in one line, quickly and in little memory."""

import os
import resource
import subprocess
from pathlib import Path

import pytest

from engine.command_line import MAX_FILE_BYTES, parse, read_file, to_yaml
from shards.command import one_line
from shards.errors import ConfigurationError

CANARY = "canary"
DEEP = MAX_FILE_BYTES // 4

HOSTILE = {
    "an object": (f'data: !!python/object/apply:os.system ["touch {CANARY}"]', "the tag tag:yaml.org,2002:python/object/apply:os.system"),
    "a function": ("data: {shards: !!python/name:os.system }", "the tag tag:yaml.org,2002:python/name:os.system is not allowed"),
    "a module": ("data: {shards: !!python/module:antigravity }", "the tag .*antigravity is not allowed"),
    "an object of its own tag": ("data: {shards: !mine x}", "the tag !mine is not allowed"),
    "bytes": ("data: {shards: !!binary aGVsbG8=}", "the tag tag:yaml.org,2002:binary is not allowed"),
    "a set": ("data: {tasks: !!set {a, b}}", "the tag tag:yaml.org,2002:set is not allowed"),
    "aliases": ("a: &a [x, x]\nb: [*a, *a]", "aliases are not allowed"),
    "an alias of itself": ("data: {tasks: &a [x, *a]}", "aliases are not allowed"),
    "a merged mapping": ("data: &d {shards: x}\nrun: {<<: *d}", "aliases are not allowed"),
    "a section twice": ("data: {shards: a}\ndata: {shards: b}", "key 'data' stands there twice"),
    "a key twice": ("data: {shards: a, shards: b}", "key 'shards' stands there twice"),
    "an unknown key": ("data: {shard: a}", "unknown key 'data.shard'; did you mean 'data.shards'"),
    "an unknown section": ("dat: {shards: a}", "unknown section 'dat'; did you mean 'data'"),
    "two documents": ("data: {shards: a}\n---\nrun: {dir: x}", "expected a single document"),
    "lists in lists": ("data: {tasks: " + "[" * DEEP, "is nested too deeply"),
    "mappings in mappings": ("data: {tasks: " + "{a: " * (DEEP // 2), "is nested too deeply"),
    "rows in rows": ("- " * DEEP, "is nested too deeply"),
    "keys of keys": ("? " * DEEP, "is nested too deeply"),
    "a list as a key": ("? [a, b]\n: x", "a list or mapping is no key"),
    "a mapping as a key": ("data: {? {a: b} : c}", "a list or mapping is no key"),
    "a list in a list": ("data: {tasks: [[Young], [Bald]]}", "data.tasks holds a list or mapping; expected values"),
    "an option in a list": ("data: {tasks: [Young, --run.seed, '7']}", "data.tasks holds '--run.seed', which looks like an option"),
    "an option in a mapping": ("scheduler: {options: {a: --run.seed}}", "scheduler.options holds '--run.seed', which looks like an option"),
    "no character of a path": ('data: {shards: "a\\0b"}', r"data.shards holds 'a\\x00b', which no path or name can hold"),
    "half a character": ('run: {dir: "\\ud800"}', r"run.dir holds '\\ud800', which no path or name can hold"),
    "an escape": ("data: {shards: \x1b[31m}", "special characters are not allowed"),
    "a megabyte": ("#" * 2**20, f"is larger than {MAX_FILE_BYTES} bytes; this is no configuration"),
    "nothing": ("", "holds no sections"),
    "a word": ("hello", "holds no sections"),
    "a list": ("[1, 2]", "holds no sections"),
    "an empty section": ("data:", "section 'data' holds no keys"),
    "another YAML": ("%YAML 9.9\n---\ndata: {shards: x}", "found incompatible YAML document"),
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / CANARY).exists()


def refused(path: Path, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        parse(["--config", str(path), "--run.dir", "r"])
    told = one_line(str(caught.value))
    assert told.startswith(str(path))
    assert len(told) < 1000


@pytest.mark.parametrize("case", HOSTILE)
def test_f32_hostile_yaml_is_refused_in_one_line(tmp_path, case):
    text, message = HOSTILE[case]
    path = tmp_path / "my.yaml"
    path.write_bytes(text.encode())
    refused(path, message)


@pytest.mark.parametrize("path", ["/dev/zero", "100 MB", "a pipe"])
def test_f32_no_more_is_read_than_a_configuration_has(tmp_path, request, path):
    """With 64 MB more than it has, this process must get by."""
    if path == "100 MB":
        path = tmp_path / "large.yaml"
        path.touch()
        os.truncate(path, 100 * 2**20)
    elif path == "a pipe":
        endless = subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE)
        request.addfinalizer(lambda: (endless.kill(), endless.communicate()))
        path = f"/dev/fd/{endless.stdout.fileno()}"
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 64 * 2**20, limits[1]))
    try:
        refused(Path(path), f"is larger than {MAX_FILE_BYTES} bytes; this is no configuration")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_what_a_file_calls_a_value_is_one_whatever_it_begins_with(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("data: {shards: --run.dir=elsewhere}\nrun: {dir: -r}\noptimizer: {lr: !!float 0.5}\n")
    config = parse(["--config", str(path)])
    assert (config.data.shards, config.run.dir, config.optimizer.lr) == ("--run.dir=elsewhere", Path("-r"), 0.5)
    path.write_text(to_yaml(config))
    assert parse(["--config", str(path)]) == config


def test_a_configuration_through_a_pipe():
    read, write = os.pipe()
    os.write(write, b"train: {epochs: 7}")
    os.close(write)
    assert read_file(Path(f"/dev/fd/{read}")) == ["--train.epochs", "7"]
    os.close(read)
