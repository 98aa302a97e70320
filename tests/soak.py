"""Random kills and signals over packing, features, training and comparing: `make soak`, or `python -m tests.soak --seed N`.

Each command is run once in peace, then again and again by the same words while processes of it are killed and sent signals, until it is
done; what it leaves has to be the same to the last bit. Another forty kills hit the inside of checkpoints, at a write, an fsync, a rename
or a removal. One seed decides which command is hit when, where and how; the moment is a time, so that no two storms are the same.
"""

import argparse
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import write_celeba
from tests.damage import digests
from tests.identical import differences
from tests.integration.conftest import SMALL
from tests.launch import ROOT, TRAIN, Child, Nursery, environment
from tools.benchmarks.trial import family

COMPARE = "import engine.compare.command; engine.compare.command.main()"
NUM_IMAGES = 1500
KILLS_IN_CHECKPOINTS = 20
"""On one process, and again on two."""
PATIENCE = 60.0
"""Seconds in which everything has to have ended after a hit."""
STOPPED = {0, 75, 130, -signal.SIGTERM, -signal.SIGINT}
"""How a process may end that was sent a signal: finished, stopped with all saved, or before there was anything to save."""
LEFT_ALONE = {0, 1, 3, 75}
"""How a process may end after another one of its run was killed."""
_LAUNCHER_SECONDS = 10.0
"""Seconds that the other ranks have, when one has ended, before they are told to end."""
_TIMING = ("seconds", "images_per_second", "started", "resumed_epoch", "resumed_step")
"""What tells when a run was done, and not what was found."""


class SoakError(Exception):
    """Something did not end as it has to."""


class Command:
    """A program of its own, with the methods of a nursery's child."""

    def __init__(self, words: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.pid = self._process.pid

    def poll(self, timeout: float = 0) -> int | None:
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def communicate(self) -> tuple[str, str]:
        return self._process.communicate()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A command that can be stopped and goes on by the same words."""

    name: str
    start: Callable[[Path], list[Command | Child]]
    """Starts its processes, which work in a folder."""
    compare: Callable[[Path, Path], list[str]]
    """What differs between two finished folders, in words."""
    done: Callable[[Sequence[int]], bool] = lambda codes: not any(codes)
    """Whether all is done, by the exit codes."""
    hits: int
    ranks: bool = False
    """Whether its processes are ranks of one run: a launcher ends the others when one has failed."""


def flags_of(settings: Mapping[str, Any]) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--{name}", *(value.split() if name == "data.tasks" else [str(value)]))]


def training(nursery: Nursery, shards: Path, ranks: int, **options: Any) -> Callable[..., list[Command | Child]]:
    def start(folder: Path, program: str = TRAIN) -> list[Command | Child]:
        settings = SMALL | {"data.shards": shards, "run.dir": folder / "run", "run.if_exists": "resume", "train.batch_size": 32}
        settings |= {name.replace("__", "."): value for name, value in options.items()}
        if "features.dir" in settings:
            settings["features.dir"] = folder / "features"
        words = flags_of(settings)
        return [*nursery.start_two(words, program)] if ranks == 2 else [nursery.start(words, program)]

    return start


def comparing(nursery: Nursery, shards: Path, processes: int) -> Callable[[Path], list[Command | Child]]:
    def start(folder: Path) -> list[Command | Child]:
        settings = SMALL | {"data.shards": shards, "train.epochs": 2, "train.batch_size": 32, "train.checkpoint_every": 20}
        del settings["report.console"]
        words = [
            *flags_of(settings),
            "--out",
            str(folder / "out"),
            "--schedulers",
            "mtl",
            "dst",
            "random",
            "--seeds",
            "1",
            "--bootstrap",
            "100",
        ]
        return [nursery.start(words, COMPARE) for _ in range(processes)]

    return start


def same_run(folder: Path, calm: Path) -> list[str]:
    found = differences(folder / "run", calm / "run")
    features = [{name: value for name, value in digests(each / "features").items() if ".lock" not in name} for each in (folder, calm)]
    return found + ["features"] * (features[0] != features[1])


def same_comparison(folder: Path, calm: Path) -> list[str]:
    names = sorted(path.parent.relative_to(calm / "out") for path in (calm / "out" / "runs").rglob("records.jsonl"))
    found = [f"{name}/{what}" for name in names for what in differences(folder / "out" / name, calm / "out" / name)]
    results = [without_timing(json.loads((each / "out" / "results.json").read_text())) for each in (folder, calm)]
    return found + ["results.json"] * (results[0] != results[1])


def without_timing(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_timing(entry) for name, entry in value.items() if name not in _TIMING}
    return [without_timing(entry) for entry in value] if isinstance(value, list) else value


def same_shards(folder: Path, calm: Path) -> list[str]:
    # summary.json tells the time.
    ours, theirs = (digests(each / "out") for each in (folder, calm))
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name) and name != "summary.json")


def stages(nursery: Nursery, source: Path, shards: Path) -> list[Stage]:
    pack = [ROOT / "tools" / "make_shards", "--images", source / "img_align_celeba", "--attributes", source / "list_attr_celeba.txt"]
    pack += ["--partition", source / "list_eval_partition.txt", "--shards", "4", "--workers", "2", "--out"]
    frozen = {"model__train_from": "heads", "model__tap": "pool1", "features__dir": "here", "train__epochs": 1}
    trained = {"train__epochs": 2, "train__checkpoint_every": 7, "report__every": 1}
    found = [Stage(name="pack", start=lambda folder: [Command([*map(str, pack), str(folder / "out")])], compare=same_shards, hits=10)]
    for processes in (1, 2):
        on = "on one process" if processes == 1 else "on two"
        found += [
            Stage(name=f"features {on}", start=training(nursery, shards, processes, **frozen), compare=same_run, hits=4, ranks=True),
            Stage(name=f"train {on}", start=training(nursery, shards, processes, **trained), compare=same_run, hits=7, ranks=True),
            Stage(
                name=f"compare {on}",
                start=comparing(nursery, shards, processes),
                compare=same_comparison,
                # Two share the work: whoever is left finishes it.
                done=lambda codes: 0 in codes,
                hits=4,
            ),
        ]
    return found


def ends(processes: Sequence[Command | Child], allowed: set[int], what: str, *, ranks: bool = False) -> list[int]:
    """Wait for the end of all processes; each has to come to one of some exit codes, and to say no more than a line about it."""
    deadline, launcher = time.monotonic() + PATIENCE, None
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        time.sleep(0.02)
        if ranks and launcher is None and any(process.poll() for process in processes):
            launcher = time.monotonic() + _LAUNCHER_SECONDS
        if launcher is not None and time.monotonic() > launcher:
            launcher = float("inf")
            for process in processes:
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGTERM)
    codes = []
    for process in processes:
        code = process.poll()
        if code is None:
            # Where each thread stands: see PYTHONFAULTHANDLER below.
            os.kill(process.pid, signal.SIGABRT)
            process.poll(5)
            for pid in family(process.pid):
                os.kill(pid, signal.SIGKILL)
            raise SoakError(f"{what}: still runs after {PATIENCE:.0f} s: {process.communicate()[1]}")
        err = process.communicate()[1]
        if code not in allowed or "Traceback" in err:
            raise SoakError(f"{what}: ended with {code}: {err}")
        codes.append(code)
    return codes


def hit(processes: Sequence[Command | Child], rng: random.Random) -> tuple[str, set[int]] | None:
    """Kill or stop one process or all; return what was done and which exit codes may follow; None if they have ended before."""
    first, victims = rng.choice(processes), []
    if first.poll() is None:
        victims = [pid for pid in family(first.pid) if not is_tracker(pid)]
    kind = rng.choice(["SIGKILL", "SIGKILL to one of its processes", "SIGTERM", "SIGINT to all", "SIGTERM twice"])
    if not victims:
        return None
    number = signal.Signals[kind.split()[0]]
    targets = {"SIGKILL to one of its processes": [rng.choice(victims)], "SIGINT to all": [p.pid for p in processes]}.get(kind, [first.pid])
    for _ in range(2 if "twice" in kind else 1):
        for pid in targets:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return None
    return kind, STOPPED | LEFT_ALONE | ({-signal.SIGKILL} if number == signal.SIGKILL else set())


def is_tracker(pid: int) -> bool:
    """Whether a process is Python's own that tidies up behind the others: without it nothing does."""
    try:
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def storm(stage: Stage, folder: Path, rng: random.Random, tell: Callable[[str], None]) -> Counter[str]:
    """Run a stage in peace, then hit it until it has been hit often enough; every time it is done, compare.

    Raises:
        SoakError: Something differs, hangs, or ends in another way than it should.
    """
    calm, done = folder / "calm", Counter[str]()
    calm.mkdir(parents=True)
    started = time.monotonic()
    ends(stage.start(calm), {0}, f"{stage.name} in peace")
    seconds = time.monotonic() - started
    rounds = 0
    while done.total() < stage.hits:
        target = folder / f"round-{rounds}"
        target.mkdir()
        while True:
            since, processes = time.monotonic(), stage.start(target)
            allowed, what = {0}, "undisturbed"
            if done.total() < stage.hits:
                time.sleep(seconds * rng.uniform(0.1, 1.0))
                happened = hit(processes, rng)
                if happened is not None:
                    what, allowed = happened
                    done[what] += 1
            codes = ends(processes, allowed, f"{stage.name}, {what}", ranks=stage.ranks)
            tell(f"{stage.name}: {what}: {codes}")
            if stage.done(codes):
                # It is faster than thought if it was done before it could be hit.
                seconds = min(seconds, time.monotonic() - since) if what == "undisturbed" else seconds
                break
        found = stage.compare(target, calm)
        if found:
            raise SoakError(f"{stage.name}: differs from the calm run in {', '.join(found)}; look at {target} and {calm}")
        rounds += 1
        shutil.rmtree(target)
    return done


def kills_in_checkpoints(nursery: Nursery, shards: Path, ranks: int, folder: Path, rng: random.Random) -> int:
    """Train and be killed in a random checkpoint at a random event, again and again; compare each time the run is done."""
    start = training(nursery, shards, ranks, train__epochs=3, train__checkpoint_every=10, report__every=1)
    calm, rounds, killed = folder / "calm", 0, 0
    ends(start(calm), {0}, "checkpoints in peace")
    while killed < KILLS_IN_CHECKPOINTS:
        target, codes = folder / f"round-{rounds}", [1]
        while any(codes):
            program = TRAIN
            if killed < KILLS_IN_CHECKPOINTS:
                which, number = rng.randint(1, 3), rng.randint(1, 24)
                program = f"from tests.faults.interruptions import kill_at\nkill_at({which}, 'any', {number})\n{TRAIN}"
            codes = ends(start(target, program), {0, *LEFT_ALONE, -signal.SIGKILL}, "killed in a checkpoint", ranks=True)
            killed += -signal.SIGKILL in codes
        found = same_run(target, calm)
        if found:
            raise SoakError(f"killed in checkpoints: differs from the calm run in {', '.join(found)}; look at {target} and {calm}")
        rounds += 1
        shutil.rmtree(target)
    return killed


def soak(seed: int, only: str, folder: Path, nursery: Nursery) -> int:
    """Go through all stages whose name begins with `only`, and the packing that the others need; return the number of kills and signals."""
    source, shards, total = write_celeba(folder / "celeba", num_images=NUM_IMAGES), folder / "pack" / "calm" / "out", 0
    for stage in stages(nursery, source, shards):
        if stage.name.startswith(only) or stage.name == "pack":
            since, rng = time.monotonic(), random.Random(f"{seed} {stage.name}")
            done = storm(stage, folder / stage.name, rng, print if only else lambda _: None)
            told = ", ".join(f"{count} × {kind}" for kind, count in sorted(done.items()))
            print(f"{stage.name:24} identical after {told} ({time.monotonic() - since:.0f} s)", flush=True)
            total += done.total()
    for ranks, on in ((1, "on one process"), (2, "on two")):
        name = f"checkpoints {on}"
        if name.startswith(only):
            since, rng = time.monotonic(), random.Random(f"{seed} {name}")
            killed = kills_in_checkpoints(nursery, shards, ranks, folder / name, rng)
            print(f"{name:24} identical after {killed} × SIGKILL inside of one ({time.monotonic() - since:.0f} s)", flush=True)
            total += killed
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], prog="python -m tests.soak")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of all choices; another one in each soak by default")
    parser.add_argument("--only", default="", help="stages whose name begins with this, told hit by hit")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    os.environ["PYTHONFAULTHANDLER"] = "1"
    nursery = Nursery(folder)
    try:
        total = soak(options.seed, options.only, folder, nursery)
    except SoakError as error:
        print(f"FAILED with --seed {options.seed}: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        nursery.close()
    print(f"{total} kills and signals, all ends identical; seed {options.seed}, {time.monotonic() - started:.0f} s")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
