"""The flags of `tools/make_shards`."""

from dataclasses import dataclass
from typing import Literal

from shards.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True, slots=True)
class PackOptions:
    """Pack a folder of JPEGs and its attribute table into shards, once per data set. Stopped at any point, the same command goes on."""

    images: str
    """Folder of the JPEG files that the attribute table names, sub-folders included; a path, or a URL such as s3://bucket/faces."""
    attributes: str
    """CelebA's list_attr_celeba.txt, or a CSV or Parquet table with one column per attribute (0/1, -1/1, true/false, empty = not
    labelled)."""
    out: str
    """Folder to write, or a URL; made if it is missing. An unfinished one of ours is finished, anything else must be empty."""
    partition: str | None = None
    """CelebA's list_eval_partition.txt, or a CSV or Parquet table of image and split. Without it: a seeded split of 70 % train, 15 % val,
    15 % test."""
    key_column: str | None = None
    """Column of a CSV or Parquet table that names the image. Default: the first."""
    columns: tuple[str, ...] | None = None
    """Attributes to take, in this order. Default: all columns but the key column."""
    shards: int | None = None
    """Shards per split, at most one per sample. Default: about 64 MiB of images each, and at least 8."""
    workers: int | None = None
    """Shards packed at a time. Default: one per core of this machine, or of the Ray cluster. The output does not depend on it."""
    seed: int = 0
    """Seed of the split and of the order of samples inside the shards."""
    check: Literal["decode", "header"] = "decode"
    """How far each image is looked at first: decode all of it, or read its header and look for its end."""
    on_bad_image: Literal["fail", "quarantine"] = "fail"
    """Stop at the first bad image, or pack the rest and list the bad ones in quarantine.csv."""
    runner: Literal["local", "ray"] = "local"
    """Pack on this machine's cores, or as tasks of a Ray cluster whose nodes all see the paths or URLs given here."""
    address: str | None = None
    """Address of the Ray cluster. Default: RAY_ADDRESS, or else one started here."""
    resume: bool = True
    """Keep shards that an interrupted packing finished, after comparing their hashes. Without: begin anew."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("images", "attributes", "out", "partition"):
            if getattr(self, name) == "":
                raise ConfigurationError(f"--{name} is empty (an unset shell variable?), expected a path or a URL")
        if self.columns == ():
            raise ConfigurationError("--columns names no column; leave it out to take all")
        if self.shards is not None and self.shards < 1:
            raise ConfigurationError(f"--shards is {self.shards}, expected at least 1")
        if self.workers is not None and self.workers < 1:
            raise ConfigurationError(f"--workers is {self.workers}, expected at least 1")
        if self.seed < 0:
            raise ConfigurationError(f"--seed is {self.seed}, expected at least 0")
        if self.address is not None and self.runner != "ray":
            raise ConfigurationError("--address has no effect with --runner local; add --runner ray")
