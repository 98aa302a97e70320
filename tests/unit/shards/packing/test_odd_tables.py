"""Tables that used to be understood wrongly, or not at all, although they could be."""

import pytest

from shards.annotations import SPLITS
from shards.errors import ConfigurationError, DataError, DropstreamError
from shards.packing.options import PackOptions
from shards.packing.source import Source, read_source

T = "file,S\na.jpg,1\nb.jpg,0\nc.jpg,1\nd.jpg,0\n"
FOUR = "a.jpg b.jpg c.jpg d.jpg"


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read tables of images of these names; `files` are written beside."""
    monkeypatch.chdir(tmp_path)

    def of(images: str, *tables: str, files=(), **options) -> Source:
        for name in images.split():
            (tmp_path / "img" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "img" / name).write_bytes(b"x")
        names = options.pop("names", [f"t{number}.csv" for number in range(len(tables))])
        for name, text in [*zip(names, tables, strict=True), *files]:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return read_source(PackOptions(images="img", attributes=tuple(names), out="out", **options), lambda _: None)

    return of


def labels(source: Source) -> dict[str, dict[str, int]]:
    rows = zip(source.files.tolist(), source.labels.tolist(), strict=True)
    return {file.decode().removesuffix(".jpg"): dict(zip(source.attributes, row, strict=True)) for file, row in rows}


def splits(source: Source) -> str:
    """Files by split, as words."""
    by_file = sorted(zip(source.files.tolist(), source.splits.tolist(), strict=True))
    return " ".join(f"{file.decode().removesuffix('.jpg')}:{SPLITS[code]}" for file, code in by_file)


# Labels.


def test_a_whole_number_is_the_same_with_and_without_a_point(read):
    both = ("file,race\na.jpg,1\nb.jpg,2\n", "file,race\nc.jpg,1.0\nd.jpg,\n")
    found = labels(read(FOUR, *both, columns=("race=*",)))
    assert found == {
        "a": {"race=1": 1, "race=2": 0},
        "b": {"race=1": 0, "race=2": 1},
        "c": {"race=1": 1, "race=2": 0},
        "d": {"race=1": -1, "race=2": -1},
    }
    unlabelled = "file,E,age\na.jpg,1,60\nb.jpg,-1,-1.0\nc.jpg,0,20.0\n"
    found = labels(read("a.jpg b.jpg c.jpg", unlabelled, columns=("E", "age>=50"), values=("-1=unlabelled",), on_bad_image="quarantine"))
    assert [found[name]["age>=50"] for name in "abc"] == [1, -1, 0]


def test_accents_make_no_difference_to_categories(read):
    found = labels(read("a.jpg b.jpg", "file,v\na.jpg,Orl\u00e9ans\nb.jpg,Orle\u0301ans\n", columns=("v=Orl\u00e9ans",)))
    assert [found[name]["v=Orl\u00e9ans"] for name in "ab"] == [1, 1]


def test_a_cell_that_values_explain_is_still_a_category(read):
    found = read("a.jpg b.jpg c.jpg", "file,E,race\na.jpg,2,2\nb.jpg,0,0\nc.jpg,0,1\n", columns=("E", "race=*"), values=("2=1",))
    assert found.attributes == ("E", "race=0", "race=1", "race=2")


@pytest.mark.parametrize(
    ("tables", "options"),
    [
        # In another table.
        (["file,E\na.jpg,1\nb.jpg,-1\n", "file,E\nc.jpg,0\nd.jpg,1\n"], {}),
        # In a column of which a category is made.
        (["file,E,C\na.jpg,1,1\nb.jpg,-1,0\nc.jpg,1,1\nd.jpg,1,1\n"], {"columns": ("E", "C=1")}),
    ],
)
def test_0_beside_minus_1_has_to_be_explained_wherever_it_stands(read, tables, options):
    with pytest.raises(DataError, match=r"writes a negative label as 0, and E as -1; if -1 means not known, .*; if 0 does, --values 0="):
        read(FOUR, *tables, **options)


def test_row_numbers_tell_nothing_of_what_minus_1_means(read):
    assert labels(read("a.jpg b.jpg", ",file,S\n0,a.jpg,1\n1,b.jpg,-1\n")) == {"a": {"S": 1}, "b": {"S": 0}}


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        (["Mass", "Mass;Nodule", "Nodule", ""], {"columns": ("F~Mass",)}, "F is 'Mass;Nodule', expected words that | separates"),
        (["Mass", "Mass, Nodule", "Nodule", ""], {"columns": ("F~*",)}, "'Mass, Nodule' seems to hold several words; write | between them"),
    ],
)
def test_words_that_something_else_separates(read, cells, options, message):
    table = "file,F\n" + "".join(f'{name}.jpg,"{cell}"\n' for name, cell in zip("abcd", cells, strict=True))
    with pytest.raises(DropstreamError) as refused:
        read(FOUR, table, **options)
    assert message in str(refused.value)


def test_a_category_that_is_a_columns_name_too(read):
    with pytest.raises(ConfigurationError, match=r"--columns 'race=\*': makes an attribute 'race=A', and there is a column of that name"):
        read("a.jpg b.jpg", "file,race,race=A\na.jpg,A,0\nb.jpg,B,1\n", columns=("race=*",))


@pytest.mark.parametrize("numbers", [("0", "1", "0", "1"), ("0.0", "1.0", "", "3.0")], ids=["of-two-tables", "with-a-gap"])
@pytest.mark.parametrize("header", ["Unnamed: 0", "Unnamed: 0.1", "", "index"])
def test_row_numbers_are_no_label_even_if_they_come_twice(read, header, numbers):
    rows = "".join(f"{number},{name}.jpg,{number_of}\n" for number, name, number_of in zip(numbers, "abcd", (1, 0, 1, 0), strict=True))
    source = read(FOUR, f"{header},file,S\n{rows}")
    assert source.attributes == ("S",)
    assert any("is left out: it holds row numbers" in note for note in source.notes)


def test_an_empty_name_names_nothing(read):
    with pytest.raises(ConfigurationError, match="--columns names nothing"):
        read("a.jpg", ",file,S\n0,a.jpg,1\n", columns=("", "S"))


@pytest.mark.parametrize(
    ("cell", "hint"),
    [("NA", '--values "NA=unlabelled"'), ("60,5", "write numbers with a point"), ("2", '--columns "S>=2"')],
)
def test_the_flag_for_a_cell(read, cell, hint):
    with pytest.raises(DataError) as refused:
        read("a.jpg", f'file,S\na.jpg,"{cell}"\n')
    assert hint in str(refused.value)


# Splits.


@pytest.mark.parametrize(
    ("images", "table", "names", "message"),
    [
        ("x/a.jpg y/a.jpg x/b.jpg", "file,S\nx/a.jpg,1\ny/a.jpg,0\nx/b.jpg,1\n", "a.jpg\nb.jpg\n", "2 files fit that row"),
        (
            "000001.jpg 000010.jpg 100000.jpg",
            "file,S\n000001,1\n000010,0\n100000,1\n",
            "1\n100000\n",
            "write the numbers with leading zeros",
        ),
        (FOUR, T, "a.jpg\nimg/b.jpg\n", "would match"),
        (FOUR, T, "file\n", "lists no image|mean no image"),
    ],
)
def test_a_list_that_loses_images_to_training_is_refused(read, images, table, names, message):
    with pytest.raises(DataError, match=message):
        read(images, table, files=[("test.txt", names)], partition=("test=test.txt",))


@pytest.mark.parametrize(
    "names",
    [
        "b.jpg\nd.jpg\n",
        "file\nb.jpg\nd.jpg\n",
        "Image Index\nb.jpg\nd.jpg\n",
        '"b.jpg"\n"d.jpg"\n',
        "file,S\nb.jpg,1\nd.jpg,0\n",
        ",file\n0,b.jpg\n1,d.jpg\n",
        "sep=;\nfile;who\nb.jpg;x\nd.jpg;y\n",
        "b.jpg 7\nd.jpg 3\n",
        "b.jpg,Alice\nd.jpg,Bob\n",
        "b\nd\n",
        "b.png\nd.png\n\n",
    ],
)
def test_lists_of_every_kind(read, names):
    source = read(FOUR, T, files=[("test.txt", names)], partition=("test=test.txt",))
    assert splits(source) == "a:train b:test c:train d:test"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image,in_train\na.jpg,1\nb.jpg,0\nc.jpg,1\nd.jpg,1\n", "a:train b:test c:train d:train"),
        ("image,is train\na.jpg,1.0\nb.jpg,0.0\nc.jpg,1.0\nd.jpg,1.0\n", "a:train b:test c:train d:train"),
        ("image,is_training_set\na.jpg,True\nb.jpg,False\nc.jpg,True\nd.jpg,True\n", "a:train b:test c:train d:train"),
        ("split,image\ntrain,a.jpg\ntest,b.jpg\nval,c.jpg\ntrain,d.jpg\n", "a:train b:test c:val d:train"),
    ],
)
def test_partitions_that_say_it_otherwise(read, text, expected):
    assert splits(read(FOUR, T, files=[("p.csv", text)], partition=("p.csv",))) == expected


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("image,split\na.jpg,1\nb.jpg,2\nc.jpg,1\nd.jpg,1\n", "0 (train) does not occur, so nothing is for training"),
        ("image,split\na.jpg,1.0\nb.jpg,0.0\nc.jpg,1.0\nd.jpg,1.0\n", "only 0 (train) and 1 (val) occur, there is no test split"),
    ],
)
def test_codes_that_look_odd_are_told(read, text, note):
    source = read(FOUR, T, files=[("p.csv", text)], partition=("p.csv",))
    assert any(note in its and its.startswith("warning") for its in source.notes)


def test_folds_are_no_splits(read):
    with pytest.raises(DataError, match=r"p.csv: fold holds numbers of folds, which are no splits; write train, val and test"):
        read(FOUR, T, files=[("p.csv", "image,fold\na.jpg,0\nb.jpg,1\nc.jpg,2\nd.jpg,1\n")], partition=("p.csv",))


def test_an_error_in_a_partition_names_no_flag_for_labels(read):
    with pytest.raises(DataError, match=r"p.csv, line 3: split is 'holdout', expected 0, 1 or 2 \(train, val, test\)$"):
        read(FOUR, T, files=[("p.csv", "image,split\na.jpg,train\nb.jpg,holdout\n")], partition=("p.csv",))


def test_a_person_is_one_person_however_the_number_is_written(read):
    both = ("file,S,p\na.jpg,1,1\nb.jpg,0,2\n", "file,S,p\nc.jpg,1,1.0\nd.jpg,0,2.0\n")
    found = dict(word.split(":") for word in splits(read(FOUR, *both, group_column="p")).split())
    assert found["a"] == found["c"]
    assert found["b"] == found["d"]


@pytest.mark.parametrize("names", [["train", "val"], ["train/labels.csv", "test/labels.csv"]])
def test_tables_that_their_folder_names(read, names):
    source = read(FOUR, "file,S\na.jpg,1\nb.jpg,0\n", "file,S\nc.jpg,1\nd.jpg,0\n", names=names, partition=("tables",))
    other = "val" if names[1] == "val" else "test"
    assert splits(source) == f"a:train b:train c:{other} d:{other}"


# Names.


def test_an_exact_name_goes_before_a_loose_one(read):
    table = "file,S\naB.jpg,1\nAb.jpg,0\nc.jpg,0\n"
    assert labels(read("aB.jpg c.jpg", table, on_bad_image="quarantine")) == {"aB": {"S": 1}, "c": {"S": 0}}
    partition = [("p.csv", "file,split\naB.jpg,train\nAb.jpg,test\nc.jpg,val\n")]
    source = read("aB.jpg c.jpg", "file,S\naB.jpg,1\nc.jpg,0\n", files=partition, partition=("p.csv",))
    assert splits(source) == "aB:train c:val"


@pytest.mark.parametrize(
    ("images", "table"),
    [
        ("a.jpg b.jpg", '"file" "S"\n"a.jpg" 1\n"b.jpg" 0\n'),
        ("1.jpg 2.jpg", "id,S\n1.0,1\n2.0,0\n"),
        ("a.jpg b.jpg", "file;S\na.jpg;1\nb.jpg;0\n;\n;\n"),
        ("a.jpg b.jpg", "2\nimage_id,S\na.jpg,1\nb.jpg,0\n"),
        ("a.jpg b.jpg", "2\nimage_id\tS\na.jpg\t1\nb.jpg\t0\n"),
    ],
    ids=["R", "numbers-with-a-point", "Excels-empty-rows", "count-and-commas", "count-and-tabs"],
)
def test_tables_of_other_programs(read, images, table):
    source = read(images, table)
    assert source.attributes == ("S",)
    assert [row["S"] for _, row in sorted(labels(source).items())] == [1, 0]


def test_a_form_is_no_candidate_for_the_key(read):
    assert labels(read("1.jpg 2.jpg 3.jpg", "id,age\n1,3\n2,1\n3,2\n", columns=("age>=2",))) == {
        "1": {"age>=2": 1},
        "2": {"age>=2": 0},
        "3": {"age>=2": 1},
    }


def test_the_only_column_with_matches_names_the_images(read):
    rows = "".join(f"HAM_{number // 2},ISIC_{number},{'nv' if number % 2 else 'mel'}\n" for number in range(10))
    images = " ".join(f"ISIC_{number}.jpg" for number in range(6))
    source = read(images, f"lesion_id,image_id,dx\n{rows}", columns=("dx=mel",), on_bad_image="quarantine")
    assert (source.key_column, len(source.files), len(source.unmatched)) == ("image_id", 6, 4)
