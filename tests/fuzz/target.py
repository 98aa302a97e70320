"""What is fuzzed: a reader of outside input, and what it starts from."""

import io
import struct
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shards.errors import DropstreamError
from tests.fuzz.mutate import Mutate, any_bytes

MEMORY_BYTES = 1 << 30
"""Room that a target has on top of what the process takes once everything is imported."""
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One reader."""

    run: Callable[[bytes], object]
    """Reads an input. Whatever it raises besides `allowed` is a finding."""
    seeds: Callable[[], Sequence[bytes]]
    """Makes valid inputs, with the project's own writers where there are some."""
    mutate: Mutate = any_bytes
    """Changes an input by its structure. Bytes are changed as well."""
    allowed: tuple[type[Exception], ...] = (DropstreamError,)
    """What the reader's documentation says it raises."""
    rehearsals: int = 250
    """Mutations in the ordinary test: fewer of a slow reader."""
    max_bytes: int = 1 << 14
    """Longest input."""
    seconds: int = 10
    """Longest time for one input."""

    def refuses(self, data: bytes) -> bool:
        """Read an input; return whether it was refused as documented."""
        try:
            self.run(data)
        except self.allowed as error:
            # Part of the contract: a command prints it as it is.
            str(error)
            return True
        return False


@cache
def work_folder() -> Path:
    """Return a folder of this process, in memory where there is such a place; it goes with the process."""
    shared = Path("/dev/shm")  # noqa: S108 (an own folder in it)
    holder = tempfile.TemporaryDirectory(prefix="dropstream-fuzz-", dir=shared if shared.is_dir() else None)
    _KEPT.append(holder)
    return Path(holder.name)


_KEPT: list[tempfile.TemporaryDirectory] = []


def written(name: str, data: bytes) -> Path:
    """Write an input as a file that readers open by its path."""
    path = work_folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # Anew: a mapped file must not change below the map.
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


def join(parts: Sequence[bytes]) -> bytes:
    """Return several files as one input."""
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def split(data: bytes, num: int) -> list[bytes]:
    """Return the files of an input; where it is damaged, they are short or empty."""
    file, parts = io.BytesIO(data), []
    for _ in range(num):
        head = file.read(_LENGTH.size)
        parts.append(file.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b"")
    return parts


def in_parts(*mutations: Mutate) -> Mutate:
    """Return what mutates an input of several files: one of them, by its own structure."""

    def mutate(data, rng):
        parts = split(data, len(mutations))
        place = rng.randrange(len(parts))
        parts[place] = mutations[place](parts[place], rng)
        return join(parts)

    return mutate
