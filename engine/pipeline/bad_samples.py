"""Damaged samples: the first one ends the run, or a few are skipped and counted."""

from shards.dataset import ShardDataset
from shards.errors import DataError


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
        """Sample id -> what is wrong with it, in the order in which they were met."""
        self._num_told = 0

    def __contains__(self, sample_id: int) -> bool:
        """Return whether a sample is known to be damaged."""
        return sample_id in self.reasons

    def add(self, sample_id: int, reason: str, cause: Exception | None = None) -> bytes:
        """Take note of a damaged sample.

        Args:
            sample_id: Its id.
            reason: What is wrong with it, to follow the key in a sentence.
            cause: Exception that showed it.

        Returns:
            No bytes, to be used in the sample's place.

        Raises:
            DataError: No more samples may be skipped; the message names shard and key.
        """
        self.reasons[sample_id] = reason
        if len(self.reasons) <= self._budget:
            return b""
        what = f"{self.where(sample_id)} {reason}"
        if not self._budget:
            raise DataError(f"{what}; restore the shard, pack again, or set pipeline.on_bad_sample skip") from cause
        raise DataError(f"{what}; it is one more than pipeline.max_bad_samples {self._budget} allows; restore the shard") from cause

    def news(self) -> list[tuple[str, str, str]]:
        """Return shard, key and reason of the samples met since the last call."""
        new = list(self.reasons.items())[self._num_told :]
        self._num_told += len(new)
        shards = self._dataset.manifest.shards
        return [(shards[int(self._dataset.index[i]["shard"])].name, self._dataset.key(i), reason) for i, reason in new]

    def where(self, sample_id: int) -> str:
        """Return shard and key of a sample, in words."""
        path = self._dataset.shard_path(int(self._dataset.index[sample_id]["shard"]))
        return f"{path}: image {self._dataset.key(sample_id)!r}"
