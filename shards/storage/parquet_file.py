"""Parquet files, opened with pyarrow, and the column in which they hold images."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shards.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAGIC = b"PAR1"
SUFFIX = ".parquet"

_IMAGES = (b"\xff\xd8\xff", b"\x89PNG")
"""How the cells of a column of plain bytes begin that holds images."""
_MOST_INFLATED = 100
_LEAST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class ImageColumn:
    """Where a file holds images: a column of bytes, or one of bytes and paths, as Hugging Face's datasets write it."""

    name: str
    """Of the whole column."""
    content: str
    """What to read for the bytes."""
    path: str | None
    """What to read for the paths; None if there are none."""


@contextmanager
def opened(path: Path, name: str) -> "Iterator[pq.ParquetFile]":
    """Open a file for the length of the block.

    Args:
        path: A file of this machine.
        name: What messages call it.

    Raises:
        ConfigurationError: pyarrow is missing.
        DataError: The file is damaged; also what is read from it in the block.
    """
    try:
        # Imported here: whoever has no Parquet files need not install it.
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigurationError(f"{name}: reading Parquet needs pyarrow; pip install 'dropstream[parquet]'") from error
    try:
        # Reading ahead would hold more of the file. `buffer_size` would hold less, but pyarrow 17 then fails on some files ("Cannot shrink
        # read buffer").
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name}: cannot be read as Parquet ({' '.join(str(error).split())[:200]}); get a whole copy") from error


def find_image_column(file: "pq.ParquetFile", name: str) -> ImageColumn | None:
    """Return the column that holds images, None if there is none.

    Args:
        file: The opened file.
        name: What messages call it.

    Raises:
        DataError: There are several, or it would inflate absurdly.
    """
    found = [column for field in file.schema_arrow if (column := _as_images(file, field))]
    if len(found) > 1:
        listed = ", ".join(repr(column.name) for column in found)
        raise DataError(f"{name}: holds images in several columns ({listed}); write a file with one of them")
    if found:
        _check_no_bomb(file, name, found[0])
    return found[0] if found else None


def _as_images(file: "pq.ParquetFile", field: "pa.Field") -> ImageColumn | None:
    from pyarrow import types

    def holds_bytes(kind: "pa.DataType") -> bool:
        return types.is_binary(kind) or types.is_large_binary(kind)

    if types.is_struct(field.type):
        children = {field.type.field(place).name: field.type.field(place).type for place in range(field.type.num_fields)}
        if holds_bytes(children.get("bytes")):
            path = children.get("path")
            has_path = types.is_string(path) or types.is_large_string(path)
            return ImageColumn(field.name, f"{field.name}.bytes", f"{field.name}.path" if has_path else None)
    elif holds_bytes(field.type):
        first = next((batch for batch in file.iter_batches(1, columns=[field.name], use_threads=False) if batch.num_rows), None)
        if first is not None and (first.column(0)[0].as_py() or b"").startswith(_IMAGES):
            return ImageColumn(field.name, field.name, None)
    return None


def _check_no_bomb(file: "pq.ParquetFile", name: str, column: ImageColumn) -> None:
    """Refuse a file whose images would take far more memory than they take disk: images hardly pack. The file's end tells both."""
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group)
        for place in range(rows.num_columns):
            part = rows.column(place)
            inflated = part.total_uncompressed_size
            if part.path_in_schema == column.content and inflated > max(_LEAST_BYTES, _MOST_INFLATED * part.total_compressed_size):
                raise DataError(
                    f"{name}: the images of its row group {group} would inflate to {inflated:,} bytes, more than {_MOST_INFLATED} times "
                    "what they take; that is no set of images"
                )
