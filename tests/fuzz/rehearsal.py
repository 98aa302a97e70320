"""The targets without a fuzzer: every seed, and some hundred mutations that are the same in every run."""

import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.fuzz.guard import ROOT, attempt, in_words, limit_memory, limited_time
from tests.fuzz.target import Target
from tests.fuzz.targets import load

_MOST_STEPS = 4
_FOUND = 1


def rehearse(name: str, current: Path) -> str:
    """Run a target; return what was found, nothing if all is well.

    Args:
        name: The target.
        current: Where every input is written before it is read: what ends the process is known then.
    """
    target, rng = load(name), Random(name)
    seeds = target.seeds()
    accepted = 0
    for number in range(len(seeds) + target.rehearsals):
        data = seeds[number] if number < len(seeds) else _mutated(target, seeds, rng)
        current.write_bytes(data)
        with limited_time(target.seconds):
            refused, error = attempt(target, data)
        if error is not None:
            return f"{name}: {in_words(error)}\n{''.join(traceback.format_exception(error))}"
        accepted += number < len(seeds) and not refused
    return "" if accepted else f"{name}: all seeds are refused"


def rehearse_all(names: Sequence[str], folder: Path) -> int:
    """Run targets in this process and print what is found; return the exit code."""
    warnings.simplefilter("ignore")
    for name in names:
        load(name).seeds()
    limit_memory()
    code = 0
    for name in names:
        current = folder / f"{name}.input"
        print(f"{name}: begins", flush=True)
        if found := rehearse(name, current):
            print(f"{found}\nreproduce: {reproduction(name, current)}", flush=True)
            code = _FOUND
    return code


def in_child(names: Sequence[str], folder: Path, *, seconds: float) -> tuple[bool, str]:
    """Run targets in a process of their own; return whether all is well, and what it printed.

    Args:
        names: The targets.
        folder: Where inputs are written.
        seconds: What is hung in C, where no signal reaches it, is ended after as many.
    """
    command = [sys.executable, "-m", "tests.fuzz", "rehearse", "--folder", str(folder), *names]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        return False, f"{_text(error.stdout)}hangs"
    output = done.stdout + done.stderr
    if done.returncode < 0:
        begun = [line.removesuffix(": begins") for line in done.stdout.splitlines() if line.endswith(": begins")]
        name = begun[-1] if begun else names[0]
        output += f"{name}: {signal.Signals(-done.returncode).name}\nreproduce: {reproduction(name, folder / f'{name}.input')}"
    return not done.returncode, output


def reproduce(name: str, path: Path) -> int:
    """Read one input under the same bounds; return the exit code."""
    target = load(name)
    target.seeds()
    limit_memory()
    with limited_time(target.seconds):
        _, error = attempt(target, path.read_bytes())
    if error is None:
        print(f"{name}: {path} is read or refused as it should be")
        return 0
    traceback.print_exception(error)
    print(f"{name}: {in_words(error)}")
    return _FOUND


def reproduction(name: str, path: Path) -> str:
    """Return the command that reads an input again."""
    return f"python -m tests.fuzz reproduce {name} {path}"


def _mutated(target: Target, seeds: Sequence[bytes], rng: Random) -> bytes:
    data = rng.choice(seeds)
    for _ in range(rng.randint(1, _MOST_STEPS)):
        data = target.mutate(data, rng)
    return data[: target.max_bytes]


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
