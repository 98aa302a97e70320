"""Attribute tables and partition files."""

import io
from collections.abc import Sequence
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shards.labels.annotation_file import read_annotations
from shards.labels.partition import read_list, read_partition
from shards.labels.selection import Selection
from tests.fuzz.mutate import any_bytes, near_signatures, one_of, text_lines
from tests.fuzz.target import Target, written

_SELECTIONS = (
    Selection(),
    Selection(values=("-1=unlabelled",)),
    Selection(columns=("Male", "age>=30", "race=*")),
    Selection(columns=("Finding~*",)),
    Selection(key_column="image", drop_columns=("age", "race", "Finding", "split"), split_column="split", group_column="person"),
)
"""The last bits of an input's first byte choose one."""
_CELEBA = b"2\nBald Male Young \n000001.jpg -1  1  1\n000002.jpg  1 -1 -1\n"
_CSV = (
    b"image,Male,age,race,Finding,split,person\n"
    b"a.jpg,1,30,Black,Mass|Nodule,train,p1\nb/c.png,0,29.5,East Asian,Mass,val,p2\nd.jpg,,1e2,,,test,p1\n"
)


def _means(cells: Sequence[str]) -> np.ndarray:
    return np.array([cell.endswith((".jpg", ".png")) for cell in cells], np.bool_)


def _read_labels(data: bytes) -> None:
    choice = data[0] if data else 0
    path = written("labels", data[1:])
    read_annotations(path, _SELECTIONS[choice % 8 % len(_SELECTIONS)], name="labels", means=_means if choice & 8 else None)


def _text_seeds() -> list[bytes]:
    tables = {
        _CELEBA: (0, 1, 8),
        _CSV: (2, 3, 4, 12),
        b'sep=;\nimage;Male\n"a;b.jpg";yes\nc.jpg;no\n': (0,),
        b"\xef\xbb\xbfimage\tMale\tBald\r\na.jpg\tTrue\tFalse\r\nb.jpg\tFalse\tTrue\r\n": (0, 8),
        "image,Male\na.jpg,1\nb.jpg,0\n".encode("utf-16"): (0,),
        b"image,Male\ra.jpg,1\rb.jpg,0\r": (0,),
        b'"image" "Male"\n"a.jpg" 1.0\n"b.jpg" 0.0\n': (0,),
        b",image,Male\n0,a.jpg,1\n1,b.jpg,-1\n": (0, 1),
    }
    return [bytes([choice]) + table for table, choices in tables.items() for choice in choices]


def _parquet(columns: dict[str, object], **options) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


@cache
def _parquet_seeds() -> list[bytes]:
    files = ["a.jpg", "b.jpg", "c.jpg"]
    tables = [
        _parquet({"image": files, "Male": [1, 0, 1], "Bald": [True, None, False]}),
        _parquet({"image": files, "Male": pa.array([1.0, None, -1.0]), "race": pa.array(["x", "y", "x"]).dictionary_encode()}),
        _parquet({"image": [1, 2, 3], "Male": ["yes", "no", ""]}, compression="none", use_dictionary=False),
        _parquet({"image": files, "Male": pa.array([0, 1, 0], pa.int8()), "age": [1, 50, 99]}, compression="none", version="1.0"),
    ]
    return [bytes([choice]) + table for table in tables for choice in (0, 1)]


def _read_partition(data: bytes) -> None:
    path = written("partition", data[1:])
    means = _means if data[:1] and data[0] & 1 else None
    if data[:1] and data[0] & 2:
        read_list(path, name="partition", means=means)
    else:
        read_partition(path, name="partition", means=means)


def _partition_seeds() -> list[bytes]:
    tables = (
        b"000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n",
        b"3\nimage_name evaluation_status\nimg/a.jpg train\nimg/b.jpg val\nimg/c.jpg test\n",
        b"image,split\na.jpg,train\nb.jpg,valid\nc.jpg,test\n",
        b"image,is_train,age\na.jpg,1,3\nb.jpg,0,4\n",
        b"1 1\n2 0\n",
        b"a.jpg\nb.jpg\n./c.jpg\n",
        b'image\n"a.jpg"\nb.jpg\n',
    )
    return [bytes([choice]) + table for table in tables for choice in range(4)]


TARGETS = {
    "text": Target(run=_read_labels, seeds=_text_seeds, mutate=text_lines),
    "parquet": Target(run=_read_labels, seeds=_parquet_seeds, mutate=one_of(any_bytes, near_signatures), rehearsals=150),
    "partition": Target(run=_read_partition, seeds=_partition_seeds, mutate=text_lines),
}
