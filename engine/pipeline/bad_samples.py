"""Damaged samples: the first one ends the run, or a few are skipped and counted."""

from shards.dataset import ShardDataset
from shards.errors import DataError

_MOST_NAMES = 10


class BadSamples:
    """The damaged samples that one loader has met, and how many it may meet.

    They are a property of the files: a resumed run, or one with other ranks, meets the same ones again and skips the same ones.
    """

    def __init__(self, dataset: ShardDataset, *, budget: int) -> None:
        """Begin with none.

        Args:
            dataset: Gives shard and key their names.
            budget: Samples that may be skipped; 0 makes the first one raise.
        """
        self._dataset = dataset
        self._budget = budget
        self.reasons: dict[int, str] = {}
        """Sample id -> what is wrong with it, of those that are skipped, in the order in which they were met."""

    def __contains__(self, sample_id: int) -> bool:
        """Return whether a sample is skipped."""
        return sample_id in self.reasons

    def add(self, sample_id: int, reason: str, cause: Exception | None = None) -> None:
        """Skip a damaged sample from now on.

        Args:
            sample_id: Its id.
            reason: What is wrong with it, to follow the key in a sentence.
            cause: Exception that showed it.

        Raises:
            DataError: No more samples may be skipped; the message names shard and key.
        """
        if sample_id in self.reasons:
            return
        if len(self.reasons) < self._budget:
            self.reasons[sample_id] = reason
            return
        what = f"{self._dataset.shard_path(self._shard(sample_id))}: image {self._dataset.key(sample_id)!r} {reason}"
        if not self._budget:
            raise DataError(f"{what}; restore the shard, pack again, or set pipeline.on_bad_sample skip") from cause
        keys = ", ".join(self._dataset.key(known) for known in list(self.reasons)[:_MOST_NAMES])
        raise DataError(
            f"{what}; it is one more than pipeline.max_bad_samples {self._budget} allows, after {keys}; restore the shard"
        ) from cause

    def named(self) -> list[tuple[str, str, str]]:
        """Return shard, key and reason of each sample that is skipped."""
        shards = self._dataset.manifest.shards
        return [(shards[self._shard(known)].name, self._dataset.key(known), reason) for known, reason in list(self.reasons.items())]

    def _shard(self, sample_id: int) -> int:
        return int(self._dataset.index[sample_id]["shard"])
