"""Parquet files, opened with pyarrow, and the column in which they hold images."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shards.errors import ConfigurationError, DataError
from shards.kinds import HEAD_BYTES, kind_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAGIC = b"PAR1"
SUFFIX = ".parquet"

_IMAGES = (b"\xff\xd8\xff", b"\x89PNG")
"""How the cells of a column of plain bytes begin that holds images."""
_FIRST_CELLS = 16
_FIRST_ROWS = 1024
_MOST_INFLATED = 100
_LEAST_BYTES = 64 * 2**20
_LEAST_ROWS = 2**20


@dataclass(frozen=True, slots=True)
class ImageColumn:
    """Where a file holds images: a column of bytes, or one of bytes and paths, as Hugging Face's datasets write it."""

    name: str
    """Of the whole column."""
    content: str
    """What to read for the bytes."""
    path: str | None
    """What to read for the paths; None if there are none."""

    @property
    def is_struct(self) -> bool:
        """Tell a column of structs, which is known by its type, from one of plain bytes."""
        return self.content != self.name


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
            _check_facts(file, path.stat().st_size)
            yield file
    # Names in the file's end are decoded without a check.
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        advice = _other_kind(path) or f"cannot be read as Parquet ({' '.join(str(error).split())[:200]}); get a whole copy"
        raise DataError(f"{name}: {advice}") from error


class _Unread(io.RawIOBase):
    """A file of which nothing can be read, but it is known whether somebody tried."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size, self._at, self.was_asked = size, 0, False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, _size: int = -1) -> bytes:
        self.was_asked = True
        return b""


def _check_facts(file: "pq.ParquetFile", size: int) -> None:
    """Refuse damaged facts of columns that may hold images, without reading a byte of these.

    pyarrow ends the process where it is asked for such facts, but not where they stand in the way of reading cells. So it is asked to read
    cells, of a file that gives none.

    Raises:
        ArrowException: Facts are damaged.
        OSError: The same.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    contents = {column.content for field in file.schema_arrow if (column := _as_images(field))}
    places = [place for place in range(file.metadata.num_columns) if file.schema.column(place).path in contents]
    for group in range(file.metadata.num_row_groups if places else 0):
        for place in places:
            source = _Unread(size)
            with pq.ParquetFile(source, metadata=file.metadata, pre_buffer=False) as unread:
                try:
                    next(unread.reader.iter_batches(1, row_groups=[group], column_indices=[place], use_threads=False), None)
                except (pa.ArrowException, OSError):
                    if not source.was_asked:
                        raise


def _other_kind(path: Path) -> str:
    """Return what a file is that does not begin like Parquet, nothing if that is unknown."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return ""
    kind = kind_of(head)
    return f"is {kind.name}; {kind.advice or 'name a Parquet file'}" if kind and not head.startswith(MAGIC) else ""


def find_image_column(file: "pq.ParquetFile", name: str) -> ImageColumn | None:
    """Return the column that holds images, None if there is none.

    Args:
        file: The opened file.
        name: What messages call it.

    Raises:
        DataError: There are several, or one would inflate absurdly; this is told from the file's end, before a cell is read.
    """
    candidates = [column for field in file.schema_arrow if (column := _as_images(field))]
    for column in candidates:
        _check_no_bomb(file, name, column)
    found = [column for column in candidates if column.is_struct or _begins_like_images(file, column)]
    if len(found) > 1:
        listed = ", ".join(repr(column.name) for column in found)
        raise DataError(f"{name}: holds images in several columns ({listed}); write a file with one of them")
    return found[0] if found else None


def holds_lists_of_images(file: "pq.ParquetFile") -> str | None:
    """Return a column whose cells are lists of images, or structs around them, None if there is none."""
    return next((field.name for field in file.schema_arrow if not _as_images(field) and _has_bytes_inside(field.type)), None)


def _as_images(field: "pa.Field") -> ImageColumn | None:
    """Return a column that could hold images by its type."""
    from pyarrow import types

    if not types.is_struct(field.type):
        return ImageColumn(field.name, field.name, None) if _is_bytes(field.type) else None
    children = {child.name: child.type for child in field.type}
    if "bytes" not in children or not _is_bytes(children["bytes"]):
        return None
    path = children.get("path")
    has_path = path is not None and (types.is_string(path) or types.is_large_string(path) or types.is_string_view(path))
    return ImageColumn(field.name, f"{field.name}.bytes", f"{field.name}.path" if has_path else None)


def _is_bytes(kind: "pa.DataType") -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _has_bytes_inside(kind: "pa.DataType") -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return any(_has_bytes_inside(child.type) for child in kind)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _has_bytes_inside(kind.value_type)
    return _is_bytes(kind)


def _begins_like_images(file: "pq.ParquetFile", column: ImageColumn) -> bool:
    """Tell whether one of the first cells that are there begins like an image."""
    num_rows = 0
    for batch in file.iter_batches(_FIRST_CELLS, columns=[column.content], use_threads=False):
        num_rows += batch.num_rows
        cells = [cell for cell in cells_of(batch.column(column.name)) if cell is not None]
        if cells or num_rows >= _FIRST_ROWS:
            return any(bytes(cell[:4]).startswith(_IMAGES) for cell in cells)
    return False


def cells_of(column: "pa.Array") -> "Iterator[memoryview | None]":
    """Yield a column's bytes without copying them; None where there are none. A struct's are those of its first part."""
    from pyarrow import types

    if types.is_struct(column.type):
        # Not `field`: a part of a missing cell is missing.
        column = column.flatten()[0]
    if types.is_dictionary(column.type):
        values = list(cells_of(column.dictionary))
        yield from (None if place is None else values[place] for place in column.indices.to_pylist())
        return
    for cell in column:
        buffer = cell.as_buffer()
        yield None if buffer is None else memoryview(buffer)


def parts_of(file: "pq.ParquetFile", column: ImageColumn) -> "Iterator[tuple[pq.RowGroupMetaData, pq.ColumnChunkMetaData]]":
    """Yield each row group, and what the file's end tells of the images in it."""
    # Of no other column: pyarrow ends the process at damaged facts of one.
    places = [place for place in range(file.metadata.num_columns) if file.schema.column(place).path == column.content]
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        yield from ((group, group.column(place)) for place in places)


def _check_no_bomb(file: "pq.ParquetFile", name: str, column: ImageColumn) -> None:
    """Refuse a file whose images would take far more memory than they take disk: images hardly pack. The file's end tells both."""
    for number, (group, part) in enumerate(parts_of(file, column)):
        inflated, packed = part.total_uncompressed_size, part.total_compressed_size
        where = f"{name}: the images of its row group {number}, column {column.name!r},"
        if inflated > max(_LEAST_BYTES, _MOST_INFLATED * packed):
            raise DataError(
                f"{where} would inflate to {inflated:,} bytes, more than {_MOST_INFLATED} times what they take; "
                "that is no set of images; remove the column"
            )
        if group.num_rows > max(_LEAST_ROWS, packed):
            raise DataError(f"{where} would be {group.num_rows:,} in {packed:,} bytes; that is no set of images; remove the column")
