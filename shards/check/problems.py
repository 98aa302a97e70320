"""What is wrong with a data set: collected, so that one look finds all; bounded, so that a hostile file cannot fill the memory."""

from dataclasses import dataclass, field

MAX_SHOWN = 20
"""Problems of one shard that are kept word by word; the rest is counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong."""

    file: str
    """Name of the shard, or of another file of the data set."""
    key: str
    """The sample's key; empty where it is no single sample's."""
    what: str
    """What is wrong."""

    def __str__(self) -> str:
        """Return `SHARD: KEY: what`."""
        return ": ".join(part for part in (self.file, self.key, self.what) if part)


@dataclass(kw_only=True, slots=True)
class Problems:
    """All that is wrong with one shard, or with the files beside the shards."""

    file: str
    """Name of the shard."""
    shown: list[Problem] = field(default_factory=list)
    """The first `MAX_SHOWN`."""
    count: int = 0
    """How many there are."""

    def add(self, what: str, *, key: str = "", file: str = "") -> None:
        """Take note of a problem, with the shard if no other file is named."""
        self.count += 1
        if len(self.shown) < MAX_SHOWN:
            self.shown.append(Problem(file=file or self.file, key=key, what=what))

    def lines(self) -> list[str]:
        """Return a line per problem, and one that counts those not shown."""
        lines = [str(problem) for problem in self.shown]
        if self.count > len(self.shown):
            lines.append(f"{self.file}: and {self.count - len(self.shown):,} more problems")
        return lines
