"""Readers for CelebA's own files: `list_attr_celeba.txt`, `list_eval_partition.txt` and Kaggle's CSV copies of both.

The official attribute file holds the number of rows, then the attribute names, then one row per image of a file name and -1/1
values, separated by any run of blanks. Kaggle's copy is a CSV with a header line and the same values.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from shards.annotations import SPLITS, Annotations
from shards.errors import DataError

_LABELS = {"-1": 0, "1": 1}
_GZIP_MAGIC = b"\x1f\x8b"


def read_attributes(path: Path) -> Annotations:
    """Read an attribute file, official text or Kaggle CSV.

    Raises:
        DataError: The file is missing or not text, or a row is not as the format wants it; the message names file and line.
    """
    lines = _read_lines(path)
    if "," in lines[0]:
        return _parse_attribute_rows(path, header=lines[0].split(",")[1:], rows=_csv_rows(lines), first_line=2)
    if not lines[0].strip().isdecimal():
        raise DataError(f"{path}, line 1: expected the number of images (official file) or a comma-separated header, got {lines[0][:60]!r}")
    if len(lines) < 2:
        raise DataError(f"{path}: ends before the line of attribute names")
    annotations = _parse_attribute_rows(path, header=lines[1].split(), rows=[line.split() for line in lines[2:]], first_line=3)
    if len(annotations.files) != int(lines[0]):
        raise DataError(f"{path}: line 1 announces {int(lines[0])} images, the file has {len(annotations.files)} rows; get a whole copy")
    return annotations


def read_partition(path: Path) -> dict[str, int]:
    """Read a partition file, official text or Kaggle CSV, into file name -> split code (0 train, 1 val, 2 test).

    Raises:
        DataError: The file is missing or not text, or a row is not a file name and 0, 1 or 2; the message names file and line.
    """
    lines = _read_lines(path)
    is_csv = "," in lines[0]
    rows = _csv_rows(lines) if is_csv else [line.split() for line in lines]
    partition: dict[str, int] = {}
    for number, row in enumerate(rows, start=2 if is_csv else 1):
        if len(row) != 2 or row[1] not in ("0", "1", "2"):
            raise DataError(
                f"{path}, line {number}: expected an image name and 0, 1 or 2 ({', '.join(SPLITS)}), got {' '.join(row)[:60]!r}"
            )
        if row[0] in partition:
            raise DataError(f"{path}, line {number}: {row[0]} stands in the file twice")
        partition[row[0]] = int(row[1])
    return partition


def _read_lines(path: Path) -> list[str]:
    """Return the non-blank-ended lines of a UTF-8 text file, without the byte order mark and carriage returns."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if raw.startswith(_GZIP_MAGIC):
        raise DataError(f"{path}: is gzip-compressed; unpack it first")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line}: is not UTF-8 text") from error
    if not text.strip():
        raise DataError(f"{path}: is empty")
    if text.lstrip().startswith("<"):
        raise DataError(f"{path}, line 1: is an HTML page (a failed download?), not an annotation file")
    return text.rstrip().splitlines()


def _csv_rows(lines: Sequence[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.split(",")] for line in lines[1:]]


def _parse_attribute_rows(path: Path, *, header: Sequence[str], rows: Sequence[Sequence[str]], first_line: int) -> Annotations:
    attributes = tuple(name.strip() for name in header)
    if not attributes or not all(attributes):
        raise DataError(f"{path}, line {first_line - 1}: the header names no attributes, or an empty one")
    if len(set(attributes)) != len(attributes):
        twice = next(name for name in attributes if attributes.count(name) > 1)
        raise DataError(f"{path}, line {first_line - 1}: attribute {twice} is named twice")
    if not rows:
        raise DataError(f"{path}: has no rows")
    files: dict[str, None] = {}
    labels = np.empty((len(rows), len(attributes)), np.int8)
    for position, values in enumerate(_checked_rows(path, rows, attributes, first_line)):
        if rows[position][0] in files:
            raise DataError(f"{path}, line {first_line + position}: {rows[position][0]} stands in the file twice")
        files[rows[position][0]] = None
        labels[position] = values
    return Annotations(attributes=attributes, files=tuple(files), labels=labels)


def _checked_rows(path: Path, rows: Sequence[Sequence[str]], attributes: Sequence[str], first_line: int) -> Iterator[list[int]]:
    for number, row in enumerate(rows, start=first_line):
        if len(row) != len(attributes) + 1:
            raise DataError(f"{path}, line {number}: expected a file name and {len(attributes)} values, got {max(len(row) - 1, 0)} values")
        try:
            yield [_LABELS[value] for value in row[1:]]
        except KeyError as error:
            column = next(name for name, value in zip(attributes, row[1:], strict=True) if value not in _LABELS)
            raise DataError(f"{path}, line {number}: {column} is {error.args[0]!r}, expected -1 or 1") from error
