"""F-34: no command talks to a network, writes outside of the folders it is given, or starts a program that is not named here."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import write_celeba
from tests.integration.conftest import flags
from tests.launch import ROOT, TWO

AUDITED = Path(__file__).with_name("audited")
PROGRAMS = {
    "/sbin/ldconfig": "cuda.pathfinder, which torch imports, asks for the name of a library",
    "fc-list": "matplotlib asks for the fonts there are, once",
    "nvidia-smi": "accelerate launch asks for the GPUs there are",
}
"""Programs of others that libraries start, and what for."""
LEFT = re.compile(r"(torchinductor|matplotlib|torchelastic)[-_].*")
"""What libraries leave among the temporary files: an empty folder for compiled kernels, the list of fonts, a launcher's empty logs."""
OURS = ("/dev/null", "/dev/shm/")  # noqa: S108 (shared memory)


@dataclass(frozen=True, kw_only=True)
class Cage:
    """Folders for commands: a home and a working folder that must stay empty, one for temporary files, and one for what they make."""

    path: Path

    def __post_init__(self) -> None:
        for name in ("home", "work", "temporary", "out"):
            (self.path / name).mkdir()

    @property
    def out(self) -> Path:
        return self.path / "out"

    def run(self, *words: object) -> list[str]:
        """Run a command; return what it did that it should not, in words."""
        log = self.path / "log.jsonl"
        log.unlink(missing_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL", "TORCH", "HF_", "ACCELERATE_"))}
        kept |= {"HOME": str(self.path / "home"), "TMPDIR": str(self.path / "temporary"), "AUDIT_LOG": str(log)}
        kept |= {"PYTHONPATH": str(AUDITED), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
        kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        done = subprocess.run(
            [str(word) for word in words], cwd=self.path / "work", env=kept, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        events = [json.loads(line)[:2] for line in log.read_text().splitlines()]
        assert events, "nothing was seen"
        left = [str(path) for name in ("home", "work") for path in (self.path / name).rglob("*")]
        left += [path.name for path in (self.path / "temporary").iterdir() if not LEFT.fullmatch(path.name)]
        return [
            *sorted({f"{kind}: {what}" for kind, what in events if not self._is_allowed(kind, what)}),
            *(f"left: {what}" for what in left),
        ]

    def _is_allowed(self, kind: str, what: str) -> bool:
        if kind == "write":
            return what.startswith((*OURS, f"{self.out}/", f"{self.path}/temporary")) or what == str(self.out)
        if kind == "network":
            # Between the processes of one command.
            return f"{self.path}/temporary/" in what or bool(re.match(r"socket\.\w+ \((\('(localhost|127\.0\.0\.1|::1)',|None,)", what))
        program = re.match(r"subprocess\.Popen \('([^']+)'", what)
        return what.startswith("os.fork") or (
            program is not None and (program[1] in PROGRAMS or os.path.realpath(program[1]) == os.path.realpath(sys.executable))
        )


@pytest.fixture(scope="module")
def cage(tmp_path_factory) -> Cage:
    return Cage(path=tmp_path_factory.mktemp("cage"))


def python(*words: object) -> list[object]:
    return [sys.executable, *words]


VIOLATIONS = """
import contextlib, pathlib, socket, subprocess, sys
for where in (("192.0.2.1", 80), ("192.0.2.1", 81)):
    with contextlib.closing(socket.socket()) as found, contextlib.suppress(OSError):
        found.settimeout(0.01)
        found.connect(where)
with contextlib.suppress(OSError):
    socket.getaddrinfo("host.invalid", 80)
(pathlib.Path.home() / "trace").write_text("")
pathlib.Path("here").mkdir()
subprocess.run(["true"])
"""


def test_f34_whatever_should_not_be_done_is_seen(tmp_path):
    found = Cage(path=tmp_path).run(*python("-c", VIOLATIONS))
    for part in (
        "192.0.2.1', 80",
        "192.0.2.1', 81",
        "getaddrinfo ('host.invalid'",
        f"write: {tmp_path}/home/trace",
        f"write: {tmp_path}/work/here",
    ):
        assert any(part in line for line in found), (part, found)
    assert any(line.startswith("process: subprocess.Popen ('true'") for line in found)
    assert {f"left: {tmp_path}/home/trace", f"left: {tmp_path}/work/here"} <= set(found)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write_celeba(tmp_path_factory.mktemp("given") / "celeba")


def test_f34_nothing_is_done_that_was_not_asked_for(cage, source):
    """Pack and check with two workers, train in every way, compare and report, in a home that is empty and stays so."""
    shards, train = cage.out / "shards", ROOT / "engine" / "train.py"
    pack = python(ROOT / "tools" / "make_shards", "--images", source / "img_align_celeba", "--attributes", source / "list_attr_celeba.txt")
    pack += ["--partition", source / "list_eval_partition.txt", "--out", shards, "--shards", 3, "--workers", 2]
    short = {"train__epochs": 1}
    frozen = short | {"model__train_from": "heads", "features__dir": cage.out / "features", "report__console": "rich"}
    by_torch = frozen | {"pipeline__backend": "torch", "pipeline__threads": 2}
    settings = flags(shards, cage.out / "unused", **short)
    compared = [word for at, word in enumerate(settings) if not {"--run.dir", "--report.console"} & set(settings[max(0, at - 1) : at + 1])]
    compared += ["--schedulers", "mtl", "dst", "--seeds", "1", "--bootstrap", "100"]
    commands = {
        "pack": pack,
        "check": python(ROOT / "tools" / "check_shards", shards, "--workers", 2),
        "train": python(train, *flags(shards, cage.out / "run", **short)),
        "train by torch from features": python(train, *flags(shards, cage.out / "torch", **by_torch)),
        "train on two": [*TWO, train, *flags(shards, cage.out / "two", **short)],
        "compare": python(ROOT / "tools" / "compare", *compared, "--out", cage.out / "compared"),
        "report": python(ROOT / "tools" / "report", cage.out / "run", "--svg", cage.out / "console.svg"),
        "dropstream report": ["env", "-C", ROOT, *python("-m", "engine.dropstream", "report", cage.out / "run")],
    }
    assert {name: found for name, words in commands.items() if (found := cage.run(*words))} == {}
