"""Tables as people have them, drawn at random, and the labels that are true."""

import random
from dataclasses import dataclass
from pathlib import Path

Labels = dict[str, tuple[int | None, ...]]
"""File -> its labels; None where there is none."""

SUFFIXES = (".jpg", ".JPG", ".jpeg", ".JPEG")
SPELLINGS = {
    "numbers": {1: "1", 0: "0", None: ""},
    "signs": {1: "1", 0: "-1", None: ""},
    "floats": {1: "1.0", 0: "0.0", None: ""},
    "truths": {1: "True", 0: "False", None: ""},
    "answers": {1: "yes", 0: "no", None: ""},
    "letters": {1: "Y", 0: "N", None: ""},
}
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "excel": "sep", "official": " "}


@dataclass(frozen=True)
class Case:
    """A folder, a table of it, and what is true."""

    truth: Labels
    attributes: tuple[str, ...]
    text: str
    encoding: str
    splits: dict[str, str]
    """File -> its split; empty where none is given."""
    partition: str
    """How it is given: a name of `PARTITIONS`, or nothing."""
    partition_text: str
    """The file that gives it."""
    is_ambiguous: bool
    """Whether two columns could name the images, or a row two of them."""
    words: str
    """What was drawn, for a reader of a failure."""

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write images (which nobody looks into here) and table."""
        for file in self.truth:
            (folder / "images" / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / "images" / file).write_bytes(b"x")
        (folder / "labels").write_bytes(self.text.encode(self.encoding))
        (folder / "splits").write_text(self.partition_text)
        return folder / "images", folder / "labels"

    def partition_words(self, folder: Path) -> tuple[str, ...] | None:
        """What `--partition` is to be."""
        file = str(folder / "splits")
        words = {"": None, "column": ("column=fold",), "list": (f"test={file}",)}
        return words.get(self.partition, (file,))


PARTITIONS = ("", "", "words", "codes", "header", "is_train", "column", "list")
WORDS = {"train": ("train", "Training"), "val": ("val", "valid", "Validation", "dev"), "test": ("test", "TEST", "testing")}


def draw(chance: random.Random) -> Case:
    """Draw a case."""
    files, style = _files(chance)
    num_attributes = chance.randint(1, 3)
    attributes = tuple(chance.sample(["Young", "Smiling, broadly", "No Beard", "train", "x=1", "Größe"], num_attributes))
    layout = chance.choice(list(SEPARATORS))
    if layout == "official":
        attributes = tuple(name.replace(" ", "_") for name in attributes)
    spelling = "signs" if layout == "official" else chance.choice(list(SPELLINGS))
    known = (0, 1) if layout == "official" else (0, 1, None)
    truth: Labels = {file: tuple(chance.choice(known) for _ in attributes) for file in files}
    order = chance.sample(files, len(files))
    named, row_names = _row_names(chance, order, blanks=layout != "official")
    cells = [[SPELLINGS[spelling][label] for label in truth[file]] for file in order]
    extra = (
        "none"
        if layout == "official"
        else chance.choice(["none", "none", "nameless", "unnamed", "index", "last", "empty", "shuffled", "running"])
    )
    partition = chance.choice([kind for kind in PARTITIONS if kind != "column" or layout != "official"])
    splits = _splits(chance, partition, files)
    fold = [[chance.choice(WORDS[splits[file]])] if partition == "column" else [] for file in order]
    columns = ["image", *attributes, *(["fold"] if partition == "column" else [])]
    table = [[name, *its, *split] for name, its, split in zip(row_names, cells, fold, strict=True)]
    header, rows = _with_extra(chance, extra, columns, table)
    ends = chance.choice(["\n", "\n", "\r\n", "\r"])
    encoding = chance.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])
    text = _text(layout, header, rows).replace("\n", ends)
    # A number that is a file's whole name may as well be a row's number.
    plain = all(name.isdigit() for name in row_names)
    is_ambiguous = (plain and extra not in ("none", "empty")) or named == "blanks lost"
    partition_names, partition_text = _partition_text(chance, partition, splits)
    words = f"{style}, {named}, {layout}, {spelling}, {extra}, {encoding}, {ends!r}, {partition}, {partition_names}"
    is_ambiguous |= partition_names == "blanks lost"
    return Case(truth, attributes, text, encoding, splits, partition, partition_text, is_ambiguous, words)


def _splits(chance: random.Random, partition: str, files: list[str]) -> dict[str, str]:
    known = {"": (), "is_train": ("train", "test"), "list": ("train", "test")}.get(partition, ("train", "val", "test"))
    # Each at least once.
    drawn = [*known, *(chance.choice(known) for _ in files)] if known else []
    return dict(zip(chance.sample(files, len(files)), drawn, strict=False))


def _partition_text(chance: random.Random, partition: str, splits: dict[str, str]) -> tuple[str, str]:
    if partition in ("", "column"):
        return "", ""
    files = chance.sample(
        [file for file in splits if partition != "list" or splits[file] == "test"], len(splits) if partition != "list" else 1
    )
    files = [file for file in splits if splits[file] == "test"] if partition == "list" else files
    named, names = _row_names(chance, files, blanks=partition in ("list", "header", "is_train"))
    if partition == "list":
        return named, "".join(f"{name}\n" for name in names)
    cells = {
        "words": lambda split: chance.choice(WORDS[split]),
        "header": lambda split: chance.choice(WORDS[split]),
        "codes": lambda split: str(("train", "val", "test").index(split)),
        "is_train": lambda split: str(int(split == "train")),
    }[partition]
    separator = " " if partition in ("words", "codes") else ","
    header = {"header": "file,subset\n", "is_train": "file,is_train\n"}.get(partition, "")
    return named, header + "".join(f"{name}{separator}{cells(splits[file])}\n" for name, file in zip(names, files, strict=True))


def _files(chance: random.Random) -> tuple[list[str], str]:
    style = chance.choice(["padded", "numbers", "words", "folders", "many-folders", "odd"])
    suffix, count = chance.choice(SUFFIXES), chance.randint(3, 8)
    stems = {
        "padded": [f"{number:06d}" for number in range(1, count + 1)],
        "numbers": [str(number) for number in range(count)],
        "words": [f"img_{'abcdefgh'[number]}" for number in range(count)],
        "folders": [f"{['train', 'val'][number % 2]}/{number:03d}" for number in range(count)],
        "many-folders": [f"part {number // 2}/x/{number:05d}" for number in range(count)],
        "odd": [f"{20 + number}_1.jpg.chip (é{number})" for number in range(count)],
    }
    return [stem + suffix for stem in stems[style]], style


def _row_names(chance: random.Random, files: list[str], *, blanks: bool) -> tuple[str, list[str]]:
    spellings = {
        "as they are": lambda file: file,
        "without suffix": lambda file: file.rpartition(".")[0],
        "another suffix": lambda file: f"{file.rpartition('.')[0]}.png",
        "backslashes": lambda file: file.replace("/", "\\"),
        "below": lambda file: f"./{file}",
        "bare": lambda file: file.rpartition("/")[2],
    }
    named = chance.choice(list(spellings))
    names = [spellings[named](file) for file in files]
    if not blanks and any(" " in name for name in names):
        # Blanks separate in the official layout: whoever writes such a table has lost the names.
        named, names = "blanks lost", [name.replace(" ", "_") for name in names]
    return named, names


def _with_extra(chance: random.Random, extra: str, header: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    count = len(rows)
    numbers = [str(number) for number in range(count)]
    if extra == "shuffled":
        numbers = chance.sample(numbers, count)
    name = {
        "nameless": "",
        "unnamed": "Unnamed: 0",
        "index": "index",
        "last": "__index_level_0__",
        "shuffled": "",
        "running": "number",
    }.get(extra)
    if extra == "empty":
        return [*header, ""], [[*row, ""] for row in rows]
    if name is None:
        return header, rows
    if extra == "last":
        return [*header, name], [[*row, number] for row, number in zip(rows, numbers, strict=True)]
    return [name, *header], [[number, *row] for row, number in zip(rows, numbers, strict=True)]


def _text(layout: str, header: list[str], rows: list[list[str]]) -> str:
    if layout == "official":
        lines = [str(len(rows)), " ".join(name.replace(",", "") for name in header[1:]) + " ", *("  ".join(row) for row in rows)]
        return "\n".join(lines) + "\n"
    separator = ";" if layout == "excel" else SEPARATORS[layout]
    lines = [separator.join(f'"{cell}"' if separator in cell else cell for cell in row) for row in [header, *rows]]
    return "\n".join([*(["sep=;"] if layout == "excel" else []), *lines]) + "\n"
