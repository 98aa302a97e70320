"""The choice of columns."""

import numpy as np
import pytest

from shards.errors import ConfigurationError, DataError
from shards.labels.annotation_file import open_table
from shards.labels.columns import choose_columns
from shards.labels.hints import form_hint
from shards.labels.selection import Selection

FILES = {"a", "b", "c", "1", "2", "3"}


def means(cells):
    """As if the folder held these files, with the suffix .jpg."""
    return np.array([cell.removesuffix(".jpg") in FILES for cell in cells])


@pytest.fixture
def choose(tmp_path):
    def from_text(text, looks_into_folder=True, **selection):
        path = tmp_path / "labels.csv"
        path.write_text(text)
        table = open_table(path, "labels.csv")
        return choose_columns(table, Selection(**selection), means if looks_into_folder else None)

    return from_text


def key_and_names(columns):
    return columns.key, columns.names


@pytest.mark.parametrize(
    ("text", "key", "names", "note"),
    [
        ("image,A,B\na.jpg,1,0\nb.jpg,0,1\n", 0, ("A", "B"), ""),
        ("id,A\n1,1\n2,0\n3,1\n", 0, ("A",), ""),
        # Row numbers are left out, whatever they are called, and never name the images.
        (",image,A\n0,b.jpg,1\n1,a.jpg,0\n", 1, ("A",), "key column 'image'"),
        ("Unnamed: 0,image,A\n7,b.jpg,1\n3,a.jpg,0\n", 1, ("A",), "'Unnamed: 0' is left out: it holds row numbers"),
        ("index,A,image\n1,1,b.jpg\n2,0,a.jpg\n", 2, ("A",), "'index' is left out"),
        ("image,A,__index_level_0__\nb.jpg,1,0\na.jpg,0,1\n", 0, ("A",), "'__index_level_0__' is left out"),
        ("number,image,A\n1,b.jpg,1\n2,a.jpg,0\n", 1, ("number", "A"), "key column 'image'"),
        # A comma at the end of each line.
        ("image,A,\na.jpg,1,\nb.jpg,0,\n", 0, ("A",), "column 3, which has no name, is left out: it is empty"),
        # Persons have names too, but no files.
        ("person,image,A\nx.jpg,b.jpg,1\ny.jpg,a.jpg,0\n", 1, ("person", "A"), "key column 'image'"),
        # The first of two that both name files is the default.
        ("image,pair,A\na.jpg,b.jpg,1\nb.jpg,c.jpg,0\n", 0, ("pair", "A"), ""),
    ],
)
def test_which_column_names_the_image(choose, text, key, names, note):
    columns = choose(text)
    assert key_and_names(columns) == (key, names)
    assert note in " ".join(columns.notes)
    assert bool(note) == bool(columns.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",number,A\n1,3,1\n2,1,0\n3,2,1\n", "column 1, which has no name, or 'number' may name the image; say which with --key-column"),
        ("rank,number,A\n1,3,1\n2,1,0\n3,2,1\n", "'rank' or 'number' may name the image"),
        (",A\n1,1\n2,0\n3,1\n", "column 1, which has no name, holds row numbers, and no other column names the images; if they do: --key"),
        ("n,image,copy,A\n1,a.jpg,b.jpg,1\n2,b.jpg,a.jpg,0\n", "'image' or 'copy' may name the image"),
        ("image,,A\na.jpg,x,1\n", "column 2 has no name; name it, or list the attributes with --columns"),
    ],
)
def test_what_could_be_wrong_is_not_guessed(choose, text, message):
    with pytest.raises(DataError, match=f"labels.csv, line 1: {message}"):
        choose(text)


def test_without_a_look_into_the_folder_the_cells_looks_decide(choose):
    assert choose("n,image,A\n1,x.jpg,1\n2,y.jpg,0\n", looks_into_folder=False).key == 1
    assert choose("n,A\n1,1\n2,0\n", looks_into_folder=False).key == 0


def test_a_nameless_column_can_be_chosen(choose):
    assert key_and_names(choose(",A\n1,1\n2,0\n", key_column="")) == (0, ("A",))


@pytest.mark.parametrize(
    ("columns", "names", "codes"),
    [
        (["A", "B"], ("A", "B"), [1, 0]),
        (["race=Black"], ("race=Black",), [1]),
        (["race = *"], ("race=Black", "race=East Asian"), [1, 0]),
        (["age>=50"], ("age>=50",), [1]),
        (["age<50", "age<=50"], ("age<50", "age<=50"), [0, 0]),
        (["found~Mass"], ("found~Mass",), [1]),
        (["found~*"], ("found~Mass", "found~Nodule"), [1, 1]),
        (["x=1"], ("x=1",), [1]),
        (["x=1=b"], ("x=1=b",), [0]),
    ],
)
def test_forms_of_attributes(choose, columns, names, codes):
    row = ["a.jpg", "1", "0", "Black", "60", "Mass|Nodule", "1", "a"]
    other = ["b.jpg", "0", "1", "East Asian", "7", "", "0", "b"]
    header = "image,A,B,race,age,found,x=1,y"
    chosen = choose("\n".join([header, ",".join(row), ",".join(other)]) + "\n", columns=tuple(columns))
    assert chosen.names == names
    assert [attribute.cells[row[attribute.position]] for attribute in chosen.attributes] == codes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ("rcae=Black",)}, "--columns: labels.csv has no column 'rcae'; did you mean 'race'"),
        ({"columns": ("age>=old",)}, "--columns 'age>=old': 'old' is no number"),
        ({"columns": ("age>=",)}, "--columns 'age>=': expected something behind >="),
        ({"columns": ("race=Black", "race=Black")}, "--columns: names 'race=Black' twice"),
        ({"columns": ("image=a",)}, "--columns: 'image' is the column of image files of labels.csv; leave it out"),
        ({"columns": ("race=*",), "drop_columns": ("race",)}, "--columns: 'race=\\*' is named by --drop-columns too"),
        ({"columns": ("empty=*",)}, "--columns: empty=\\* makes no attribute: the column is empty"),
        ({"drop_columns": ("rcae",)}, "--drop-columns: labels.csv has no column 'rcae'; did you mean 'race'"),
        ({"split_column": "splti"}, "--partition: labels.csv has no column 'splti'; did you mean 'split'"),
        ({"group_column": "x"}, "--group-column: labels.csv has no column 'x'"),
        ({"key_column": "file"}, "--key-column: labels.csv has no column 'file'; the images are named by 'image'"),
    ],
)
def test_refuses_columns_that_cannot_be(choose, options, message):
    with pytest.raises(ConfigurationError, match=message):
        choose("image,race,age,empty,split\na.jpg,Black,3,,train\nb.jpg,White,4,,test\n", **options)


def test_too_many_categories(choose):
    rows = "".join(f"a{number}.jpg,{number}\n" for number in range(300))
    with pytest.raises(ConfigurationError, match=r"--columns: age=\* would make more than 200 attributes, '\d+' among them"):
        choose(f"image,age\n{rows}", columns=("age=*",))


def test_columns_that_are_no_labels(choose):
    columns = choose("image,split,person,age,A\na.jpg,train,p,7,1\n", drop_columns=("age",), split_column="split", group_column="person")
    assert columns.names == ("A",)
    assert columns.texts == (1, 2)


@pytest.mark.parametrize(
    ("column", "cell", "hint"),
    [
        ("gender", "Male", '--columns "gender=Male" or "gender=*"; to leave it out: --drop-columns gender'),
        ("Finding Labels", "Mass|Nodule", '--columns "Finding Labels~Mass"; to leave it out: --drop-columns "Finding Labels"'),
        ("age", "27", '--columns "age>=27"'),
        ("split", "train", '--partition "column=split"'),
        ("file", "b.JPG", "if it names the image: --key-column file"),
        ("price", "$5", '--columns "price=\\$5" or "price=*"'),
    ],
)
def test_the_flag_that_would_read_a_cell(column, cell, hint):
    assert hint in form_hint(column, cell)
