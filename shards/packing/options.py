"""The flags of `tools/make_shards`."""

from dataclasses import dataclass
from typing import Literal

from shards.errors import ConfigurationError
from shards.image.header import MAX_SIDE
from shards.labels.cells import parse_rules
from shards.manifest import Resized
from shards.packing.splits import parse_partition

_QUALITY = 95


@dataclass(frozen=True, kw_only=True, slots=True)
class PackOptions:
    """Pack a folder of images and its attribute table into shards, once per data set. Stopped at any point, the same command goes on."""

    images: str
    """Folder of the JPEG and PNG files that the attribute table names, sub-folders included: a path, or a URL such as s3://bucket/faces. Or
    a ZIP archive of them, or Parquet files that hold them."""
    attributes: tuple[str, ...] = ()
    """CelebA's list_attr_celeba.txt, or a CSV or Parquet table with one column per attribute (0/1, -1/1, true/false, yes/no, empty = not
    labelled). Several tables of the same attributes are read one after the other. May be left out where --images is Parquet."""
    out: str
    """Folder to write, or a URL; made if it is missing. An unfinished one of ours is finished, anything else must be empty."""
    partition: tuple[str, ...] | None = None
    """CelebA's list_eval_partition.txt, or another file of images and splits; `column=NAME` of the attribute table; `folders` (train, val,
    test below --images); `tables` (each of --attributes, or each Parquet file of images, is a split, by its name); or lists,
    `test=FILE val=FILE`. Without it: a seeded split of 70 % train, 15 % val, 15 % test."""
    group_column: str | None = None
    """Column of what must not be in two splits of the seeded split, a person for example."""
    key_column: str | None = None
    """Column that names the image. Default: the first, or the one whose cells name images if the first's do not."""
    columns: tuple[str, ...] | None = None
    """Attributes to take, in this order: a column; "race=Black", 1 where the cell is that; "race=*", one attribute for each; "age>=50", a
    bound (also <=, >, <); "Finding~Mass", a word of a cell like Mass|Nodule. Default: all columns but the key column."""
    drop_columns: tuple[str, ...] | None = None
    """Columns that are no attributes."""
    values: tuple[str, ...] | None = None
    """What cells mean: CELL=1, CELL=0 or CELL=unlabelled, for example -1=unlabelled."""
    resize: int | None = None
    """Pack smaller JPEGs instead of the files as they are: every image is shrunk until its shorter side has so many pixels, and stored
    upright and without EXIF. None is enlarged."""
    quality: int | None = None
    """With --resize: quality of the JPEGs, 1 to 100. Default: 95."""
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
    dry_run: bool = False
    """Read tables and folder, print what was understood, and pack nothing: what to do first with data from elsewhere."""
    json: bool = False
    """With --dry-run: print it as JSON."""
    resume: bool = True
    """Keep shards that an interrupted packing finished, after comparing their hashes. Without: begin anew."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("images", "attributes", "out", "partition"):
            given = getattr(self, name)
            if given == "" or (isinstance(given, tuple) and ("" in given or (not given and name != "attributes"))):
                raise ConfigurationError(f"--{name} is empty (an unset shell variable?), expected a path or a URL")
        self._check_tables()
        self._check_resize()
        if self.shards is not None and self.shards < 1:
            raise ConfigurationError(f"--shards is {self.shards}, expected at least 1")
        if self.workers is not None and self.workers < 1:
            raise ConfigurationError(f"--workers is {self.workers}, expected at least 1")
        if self.seed < 0:
            raise ConfigurationError(f"--seed is {self.seed}, expected at least 0")
        if self.json and not self.dry_run:
            raise ConfigurationError("--json has no effect without --dry-run; leave it out")
        if self.address is not None and self.runner != "ray":
            raise ConfigurationError("--address has no effect with --runner local; add --runner ray")

    def resized(self) -> Resized | None:
        """Return what is to be made of the images, None if they are packed as they are."""
        if self.resize is None:
            return None
        # Imported here: Pillow takes a while, and few need it.
        from shards.image.resize import encoder

        return Resized(side=self.resize, quality=self.quality or _QUALITY, encoder=encoder())

    def _check_resize(self) -> None:
        if self.resize is not None and not 1 <= self.resize <= MAX_SIDE:
            raise ConfigurationError(f"--resize is {self.resize}, expected 1 to {MAX_SIDE} pixels")
        if self.quality is not None and self.resize is None:
            raise ConfigurationError("--quality has no effect without --resize: images are packed as they are")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ConfigurationError(f"--quality is {self.quality}, expected 1 to 100")

    def _check_tables(self) -> None:
        for name in ("columns", "drop_columns", "values"):
            given = getattr(self, name)
            if given is not None and (not given or "" in given):
                raise ConfigurationError(f"--{name.replace('_', '-')} names nothing; leave it out")
        if self.partition is not None:
            kind, _ = parse_partition(self.partition)
            if self.group_column is not None:
                raise ConfigurationError("--group-column has no effect with --partition: the splits are given; leave one of them out")
            if kind == "tables" and len(self.attributes) == 1:
                raise ConfigurationError("--partition tables needs several tables behind --attributes, one for each split")
        parse_rules(self.values or ())
