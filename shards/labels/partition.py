"""Files that say which split an image belongs to: CelebA's, DeepFashion's, CUB's, tables with a header, and plain lists."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shards.annotations import SPLITS, Partition
from shards.errors import DataError
from shards.image.header import IMAGE_SUFFIXES
from shards.labels.annotation_file import is_parquet, open_table
from shards.labels.cells import SPLIT_CELLS, SPLIT_WORDS, canonical, flag_cells
from shards.labels.collector import collect
from shards.labels.columns import Means, choose_columns
from shards.labels.hints import wrong_cell
from shards.labels.selection import Selection
from shards.labels.table import HEAD_ROWS, Attribute, Columns, Table
from shards.labels.text_file import TextFile

_SPLIT_HEADERS = ("split", "partition", "subset", "set", "evaluation_status")
_FOLDS = ("fold", "folds", "cv_fold", "kfold")
_CUB_IMAGES = "images.txt"
_CUB_SPLIT = flag_cells("is_train")


def read_partition(path: Path, *, name: str | None = None, means: Means | None = None) -> Partition:
    """Read which split each image belongs to.

    Args:
        path: A file of this machine.
        name: What messages call the file; by default its path.
        means: Tells which cells mean a file of the folder of images.

    Raises:
        ConfigurationError: Reading Parquet needs a package that is missing.
        DataError: The file is missing, damaged or not as its format wants it; the message names file and line.
    """
    name = name or str(path)
    table = open_table(path, name, is_header=lambda first: _is_header(first, means))
    columns = _columns(table, means)
    numbers = _numbers_of_cub(path, table, means)
    if numbers is not None:
        cells = _CUB_SPLIT or SPLIT_CELLS
        columns = Columns(key=0, attributes=(Attribute("is_training_image", 1, cells, is_plain=False),))
    found = collect(table, columns)
    codes, files = found.codes[:, 0], found.files
    notes = columns.notes
    if numbers is not None:
        files = _renamed(table, files, numbers)
        notes = (*notes, f"{name}: is CUB's, 1 is training and 0 is test; {_CUB_IMAGES} beside it names the images")
    elif columns.attributes[0].cells is SPLIT_CELLS:
        column = table.header[columns.attributes[0].position]
        # Where all three splits occur, only a column of folds is odd; then nothing is read twice.
        if column.lower() in _FOLDS or len(set(codes.tolist())) < len(SPLITS):
            notes = (*notes, *_odd_codes(name, column, _cells_of(table, columns)))
    return Partition(files=files, codes=codes, notes=notes)


def read_list(path: Path, *, name: str | None = None, means: Means | None = None) -> NDArray[np.bytes_]:
    """Read the images of one split: a name per line, or a table with a column that names them.

    Raises:
        DataError: The file is missing or damaged, or lists an image twice.
    """
    name = name or str(path)
    lines = [] if is_parquet(path, name) else [_unquoted(line.strip()) for line in TextFile(path, name).lines() if line.strip()]
    as_lines = _share(lines[:HEAD_ROWS], means)
    table, key, as_table = _best_column(path, name, lines, means)
    if table is not None and (as_table > as_lines or not lines):
        files = collect(table, Columns(key=key, attributes=())).files
    else:
        # A header names no image, and has no number in it.
        is_word = bool(lines) and not _is_file(lines[0]) and not any(map(str.isdigit, lines[0]))
        has_header = is_word and as_lines > 0 and not _share(lines[:1], means)
        names = lines[int(has_header) :]
        if len(set(names)) < len(names):
            twice = next(line for number, line in enumerate(names) if line in names[:number])
            raise DataError(f"{name}: {twice} stands in the file twice; remove one")
        files = np.array([line.removeprefix("./").encode() for line in names], np.bytes_)
    if not len(files):
        raise DataError(f"{name}: lists no image")
    return files


def _best_column(path: Path, name: str, lines: Sequence[str], means: Means | None) -> tuple[Table | None, int, float]:
    """Return the file as a table, the column most of whose cells mean files, and their share; no table where it is none."""
    if lines and not any(separator in line for line in lines[:2] for separator in ",;\t| "):
        return None, 0, 0.0
    try:
        table = open_table(path, name, is_header=lambda first: _share([first[0]], means) == 0 and not any(map(_is_file, first)))
    except DataError:
        if lines:
            return None, 0, 0.0
        raise
    rows = [row for row in table.head() if len(row) == len(table.header)]
    shares = [_share([row[place] for row in rows], means) for place in range(len(table.header))]
    if not shares:
        return None, 0, 0.0
    best = int(np.argmax(shares))
    return table, best, shares[best]


def _share(cells: Sequence[str], means: Means | None) -> float:
    return float(means(list(cells)).mean()) if means is not None and cells else 0.0


def _unquoted(line: str) -> str:
    return line[1:-1].replace('""', '"') if len(line) > 1 and line[0] == line[-1] == '"' else line


def split_codes(column: str, cells: NDArray[np.bytes_], where: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return the split codes that the cells of a column mean, and what to know about them.

    Args:
        column: Its header: `is_train` says yes or no.
        cells: [N] in UTF-8.
        where: What messages call the table.

    Raises:
        DataError: A cell names no split.
    """
    distinct, places = np.unique(cells, return_inverse=True)
    kind = flag_cells(column)
    texts = [cell.decode() for cell in distinct.tolist()]
    known = kind if kind is not None and not all(canonical(text) in SPLIT_WORDS for text in texts) else SPLIT_CELLS
    codes = np.zeros(len(distinct), np.uint8)
    for number, text in enumerate(texts):
        if not known.allow(text):
            raise wrong_cell(where, f"image {int(np.argmax(places == number)) + 1}", column, text, known)
        codes[number] = known[text]
    return codes[places], _odd_codes(where, column, set(texts)) if known is SPLIT_CELLS else ()


def _odd_codes(where: str, column: str, texts: set[str]) -> tuple[str, ...]:
    """Return what is odd about a column of split codes.

    Raises:
        DataError: They are numbers of folds.
    """
    codes = {canonical(text) for text in texts}
    if not codes <= {"0", "1", "2"}:
        return ()
    if column.lower() in _FOLDS:
        raise DataError(f"{where}: {column} holds numbers of folds, which are no splits; write train, val and test")
    if codes == {"0", "1"}:
        return (f"warning: {where}: only 0 (train) and 1 (val) occur, there is no test split; if 1 means training image, write words",)
    if "0" not in codes:
        return (f"warning: {where}: 0 (train) does not occur, so nothing is for training; if 1 means training image, write words",)
    return ()


def split_of_name(path: str) -> int | None:
    """Return the split that a file's name tells of, or else its folder's; None where it tells of none, or of several.

    >>> split_of_name("fairface_label_train.csv"), split_of_name("valid.csv"), split_of_name("labels.csv")
    (0, 1, None)
    """
    for part in (Path(path).stem, Path(path).parent.name):
        words = "".join(character if character.isalnum() else " " for character in part.lower()).split()
        codes = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
        if codes:
            return codes.pop() if len(codes) == 1 else None
    return None


def _is_header(first: Sequence[str], means: Means | None) -> bool:
    """Tell a header from a first row: that has a split in it. `image,train` is a header, `000001,train` is none."""
    if not any(cell.strip().lower() in SPLIT_CELLS for cell in first[1:]):
        return True
    cell = first[0].strip()
    is_image = _is_file(cell) or cell.isdigit() or (means is not None and bool(means([cell])[0]))
    return _is_flag(first[-1]) and not is_image


def _is_flag(cell: str) -> bool:
    return flag_cells(cell) is not None


def _is_file(cell: str) -> bool:
    return cell.strip().lower().endswith(IMAGE_SUFFIXES)


def _columns(table: Table, means: Means | None) -> Columns:
    """Find the column of images and that of splits."""
    names = table.header
    is_text_without_header = not any(names)
    if is_text_without_header or len(names) == 2:
        if len(names) != 2:
            raise DataError(f"{table.where_header}: expected a file name and a split, got {len(names)} cells")
        if names[1] in ("0", "1", "2"):
            raise DataError(f"{table.where_header}: holds values, expected a header with the names of the columns; add one")
        split = 0 if _holds_words(table, 0) and not _holds_words(table, 1) else 1
        return Columns(key=1 - split, attributes=(_split_attribute(table, split),), notes=table.notes)
    place = _split_place(table)
    chosen = choose_columns(table, Selection(columns=(names[place],)), means)
    note = f"{table.name}: the splits are those of column {names[place]!r}"
    return Columns(key=chosen.key, attributes=(_split_attribute(table, place),), notes=(*chosen.notes, note))


def _split_place(table: Table) -> int:
    """Return the one column whose cells, or whose header, tell of splits."""
    words = [place for place in range(len(table.header)) if _holds_words(table, place)]
    named = [
        place for place, name in enumerate(table.header) if name.lower() in _SPLIT_HEADERS or (_is_flag(name) and "is" in name.lower())
    ]
    found = words or named
    if len(found) != 1:
        raise DataError(
            f"{table.where_header}: expected two columns, the image and its split, got {len(table.header)}, and "
            f"{'several' if found else 'none'} of them may be the split; leave two, or name a column of the attribute table with "
            "--partition column=NAME"
        )
    return found[0]


def _holds_words(table: Table, place: int) -> bool:
    """Return whether a column's first cells are all words for splits."""
    rows = [row for row in table.head() if len(row) == len(table.header)]
    return bool(rows) and all(canonical(row[place]) in SPLIT_WORDS for row in rows)


def _split_attribute(table: Table, place: int) -> Attribute:
    name = table.header[place]
    kind = flag_cells(name)
    head = [row[place].strip().lower() for row in table.head() if len(row) == len(table.header)]
    cells = kind if kind is not None and not (head and all(cell in SPLIT_WORDS for cell in head)) else SPLIT_CELLS
    return Attribute(name or "the split", place, cells, is_plain=False)


def _cells_of(table: Table, columns: Columns) -> set[str]:
    """Return what the column of splits holds; more than a few are enough."""
    place, seen = columns.attributes[0].position, set[str]()
    for row in table.rows():
        seen.add(row[place].strip())
        if len(seen) > 2 * len(SPLIT_CELLS):
            break
    return seen


def _numbers_of_cub(path: Path, table: Table, means: Means | None) -> dict[bytes, bytes] | None:
    """Return CUB's image number -> file, where the file beside tells and the rows name no file themselves."""
    images = path.with_name(_CUB_IMAGES)
    first = next(iter(table.head()), [""])[0].strip()
    if not first.isdigit() or not images.exists() or (means is not None and means([first])[0]):
        return None
    pairs = [line.split(maxsplit=1) for line in TextFile(images, str(images)).lines() if line.strip()]
    if any(len(pair) != 2 for pair in pairs):
        return None
    return {number.encode(): file.strip().encode() for number, file in pairs}


def _renamed(table: Table, files: NDArray[np.bytes_], numbers: dict[bytes, bytes]) -> NDArray[np.bytes_]:
    unknown = next((number for number in files.tolist() if number not in numbers), None)
    if unknown is not None:
        raise DataError(f"{table.name}: {_CUB_IMAGES} beside it has no image {unknown.decode()}; get a whole copy")
    return np.array([numbers[number] for number in files.tolist()], np.bytes_)
