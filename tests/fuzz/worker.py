"""One target under atheris, in this process."""

import hashlib
import sys
import time
import traceback
import warnings
from pathlib import Path
from random import Random

from tests.fuzz.guard import attempt, in_words, limit_memory
from tests.fuzz.target import Target

RSS_MEGABYTES = 2048
"""Bound that libFuzzer watches besides: of what lies in memory, imports and corpus among it."""
_NATIVE_SHARE = 0.4
"""Share of the mutations that are libFuzzer's own."""
_LEAST_SECONDS = 2


def fuzz(name: str, folder: Path, *, seconds: float, seed: int) -> None:
    """Fuzz until the time is over; does not return.

    Exceptions are written down and the search goes on; what ends the process is libFuzzer's finding.

    Args:
        name: The target.
        folder: `corpus/NAME` below it is read and grows, `findings/NAME` takes what is found.
        seconds: Time from the start of the process, imports included.
        seed: Of libFuzzer's choices.
    """
    import atheris

    started = time.monotonic()
    # Only what is imported from here on is watched, and only what is ours or reads for us in Python.
    with atheris.instrument_imports(include=["shards", "engine", "yaml", "zipfile", "safetensors", "tests.fuzz.canary"]):
        from tests.fuzz.targets import load

        target = load(name)
        seeds = target.seeds()
        for data in seeds:
            # What a reader imports when it is first used.
            attempt(target, data)
    warnings.simplefilter("ignore")
    corpus, findings = folder / "corpus" / name, folder / "findings" / name
    for path in (corpus, findings):
        path.mkdir(parents=True, exist_ok=True)
    for data in seeds:
        (corpus / f"seed-{_name_of(data)}").write_bytes(data)
    limit_memory()
    left = max(_LEAST_SECONDS, seconds - (time.monotonic() - started))
    flags = {
        "max_total_time": int(left),
        "timeout": target.seconds,
        "rss_limit_mb": RSS_MEGABYTES,
        "max_len": target.max_bytes,
        "seed": seed,
        "print_final_stats": 1,
        "reload": 0,
        "detect_leaks": 0,
        "artifact_prefix": f"{findings}/",
    }
    arguments = [sys.argv[0], *(f"-{flag}={value}" for flag, value in flags.items()), str(corpus)]
    atheris.Setup(arguments, _Watch(target, findings).read, custom_mutator=_mutator(target))
    atheris.Fuzz()


class _Watch:
    """Writes down each kind of finding once."""

    def __init__(self, target: Target, folder: Path) -> None:
        self._target = target
        self._folder = folder
        self._known: set[str] = set()

    def read(self, data: bytes) -> None:
        _, error = attempt(self._target, data)
        if error is None or (words := in_words(error)) in self._known:
            return
        self._known.add(words)
        path = self._folder / f"exception-{_name_of(data)}"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8", errors="backslashreplace")
        print(f"finding: {path}: {words}", file=sys.stderr, flush=True)


def _mutator(target: Target):
    import atheris

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = Random(seed)
        if rng.random() < _NATIVE_SHARE:
            # Looked up late: it is another function once the search has begun.
            return atheris.Mutate(data, max_size)
        return target.mutate(bytes(data), rng)[:max_size]

    return mutate


def _name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
