"""What all ranks together have to tell about damaged samples."""

from collections.abc import Iterator

from accelerate.utils import gather_object

from engine.journal.records import SkipRecord
from engine.pipeline.loader import Loader


class Skipped:
    """Remembers which damaged samples have been told of: each is told once, whichever ranks and epochs met it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._told: set[tuple[str, str]] = set()

    def news(self, loader: Loader, *, split: str, epoch: int) -> Iterator[SkipRecord]:
        """Yield the samples that the ranks have skipped and nobody has told of; a collective call, the same answer on every rank.

        Args:
            loader: This rank's loader of the split.
            split: Its name.
            epoch: Epoch of the records.
        """
        for shard, key, reason in gather_object(loader.bad_samples.named()):
            if (shard, key) not in self._told:
                self._told.add((shard, key))
                yield SkipRecord(epoch=epoch, split=split, shard=shard, key=key, reason=reason)
