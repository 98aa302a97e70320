import hashlib
import json
import operator
import struct

import numpy as np
import pytest
import simplejpeg

from shards.errors import ConfigurationError, DataError
from shards.faces import write
from shards.faces.attributes import NAMES, draw_attributes
from shards.faces.conflict import TASKS, draw_labels
from shards.faces.draw import draw_face
from shards.faces.write import Options, make_faces
from shards.labels.annotation_file import read_annotations
from shards.labels.partition import read_partition


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def segments(data):
    """Yield the marker and the payload of every segment of a JPEG before its scan."""
    position = 2
    while data[position + 1] != 0xDA:
        (length,) = struct.unpack(">H", data[position + 2 : position + 4])
        yield data[position + 1], data[position + 4 : position + 2 + length]
        position += 2 + length


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    out = tmp_path_factory.mktemp("faces") / "set"
    make_faces(Options(out=out, num_images=60, seed=7, workers=1))
    return out


def test_both_files_are_read_back(small):
    annotations = read_annotations(small / "list_attr_celeba.txt")
    assert annotations.attributes == NAMES
    names = [f"{number:06d}.jpg" for number in range(1, 61)]
    assert annotations.files.astype(str).tolist() == names
    assert np.isin(annotations.labels, (0, 1)).all()
    partition = read_partition(small / "list_eval_partition.txt")
    assert partition.files.astype(str).tolist() == names
    assert np.bincount(partition.codes).tolist() == [48, 6, 6]
    assert sorted(path.name for path in (small / "img_align_celeba").iterdir()) == names


def test_images_are_baseline_jpegs_like_celebas(small):
    for path in (small / "img_align_celeba").iterdir():
        data = path.read_bytes()
        assert simplejpeg.decode_jpeg_header(data) == (218, 178, "YCbCr", "420")
        markers = dict(segments(data))
        assert 0xC0 in markers, "no baseline frame"
        assert 0xC2 not in markers, "progressive"
        assert 0xE1 not in markers, "EXIF"
    sizes = [path.stat().st_size for path in (small / "img_align_celeba").iterdir()]
    assert 6000 < np.median(sizes) < 9000


def test_workers_do_not_change_a_byte_and_more_images_keep_the_first(small, tmp_path):
    make_faces(Options(out=tmp_path / "more", num_images=110, seed=7, workers=2))
    more, less = contents(tmp_path / "more"), contents(small)
    images = [name for name in less if name.endswith(".jpg")]
    assert len(images) == 60
    assert all(less[name] == more[name] for name in images)
    rows, first_rows = (each["list_attr_celeba.txt"].splitlines()[1:] for each in (more, less))
    assert rows[:61] == first_rows
    make_faces(Options(out=tmp_path / "again", num_images=110, seed=7, workers=1))
    assert contents(tmp_path / "again") == more


def test_another_seed_gives_other_faces(small, tmp_path):
    make_faces(Options(out=tmp_path / "other", num_images=3, seed=8, workers=1))
    assert contents(tmp_path / "other")["img_align_celeba/000001.jpg"] != contents(small)["img_align_celeba/000001.jpg"]


def test_ordinary_labels_stay_what_they_are(small):
    digest = hashlib.sha256((small / "list_attr_celeba.txt").read_bytes()).hexdigest()
    assert digest == "b45e9997476397ae86824cd56b876b927b810fda32771120929fe4c5002b8bed"
    drawn, _labels = draw_attributes(7, range(3))
    for index, present in enumerate(drawn):
        face = draw_face(frozenset(name for name, has in zip(NAMES, present, strict=True) if has), 7, index)
        data = simplejpeg.encode_jpeg(face, quality=84, colorspace="RGB", colorsubsampling="420")
        assert (small / "img_align_celeba" / f"{index + 1:06d}.jpg").read_bytes() == data


@pytest.fixture(scope="module")
def conflict(tmp_path_factory):
    out = tmp_path_factory.mktemp("conflict") / "set"
    make_faces(Options(out=out, num_images=300, seed=7, workers=1, conflict=True))
    return out


def test_a_conflict_set_is_read_back_with_labels_missing(conflict):
    assert sorted(path.name for path in conflict.iterdir()) == [
        "conflict.json",
        "img_align_celeba",
        "labels.csv",
        "list_eval_partition.txt",
    ]
    annotations = read_annotations(conflict / "labels.csv")
    expected = draw_labels(7, 300, TASKS)
    assert annotations.attributes == tuple(task.name for task in TASKS)
    assert np.array_equal(annotations.labels, expected.written)
    assert np.bincount(read_partition(conflict / "list_eval_partition.txt").codes).tolist() == [210, 30, 60]
    note = json.loads((conflict / "conflict.json").read_text())
    labelled = [task["counts"]["train"]["labelled"] for task in note["tasks"]]
    assert labelled == (annotations.labels[:210] >= 0).sum(0).tolist()


def test_a_conflict_set_does_not_depend_on_the_workers(conflict, tmp_path):
    make_faces(Options(out=tmp_path / "again", num_images=300, seed=7, workers=2, conflict=True))
    assert contents(tmp_path / "again") == contents(conflict)


def test_what_is_left_out_changes_labels_only(conflict, tmp_path):
    make_faces(Options(out=tmp_path / "untied", num_images=300, seed=7, workers=1, conflict=True, leave_out=("ties",)))
    whole, untied = contents(conflict), contents(tmp_path / "untied")
    assert {name for name in whole if whole[name] != untied[name]} == {"labels.csv", "conflict.json"}
    assert json.loads(untied["conflict.json"])["left_out"] == ["ties"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leave_out": ("ties",)}, "--leave-out has no effect without --conflict; leave it out"),
        ({"conflict": True, "leave_out": ("ties", "ties")}, "--leave-out names ties twice"),
        ({"conflict": True, "num_images": 3}, "--num-images is 3: a split of --conflict would be empty"),
    ],
)
def test_senseless_conflicts_are_refused(tmp_path, options, message):
    with pytest.raises(ConfigurationError, match=message):
        make_faces(Options(out=tmp_path / "set", **options))
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_and_missing_parents_are_taken(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "empty", tmp_path / "some" / "where"):
        make_faces(Options(out=out, num_images=1, workers=1))
        assert (out / "img_align_celeba" / "000001.jpg").is_file()
        assert [path.name for path in out.parent.iterdir() if "partial" in path.name] == []
    assert "1 images in" in capsys.readouterr().out


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(ConfigurationError, match="is not empty; name a new folder"):
        make_faces(Options(out=tmp_path, num_images=1, workers=1))
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="is a file; name a folder"):
        make_faces(Options(out=tmp_path / "file", num_images=1, workers=1))


def test_a_file_among_the_parents_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        make_faces(Options(out=tmp_path / "file" / "set", num_images=1, workers=1))


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("num_images", 0, "--num-images is 0, expected 1 to 999999"),
        ("num_images", 1_000_000, "--num-images is 1000000"),
        ("seed", -1, "--seed is -1, expected 0 or more"),
        ("workers", 0, "--workers is 0, expected 1 or more"),
    ],
)
def test_options_out_of_range_are_refused(tmp_path, option, value, message):
    with pytest.raises(ConfigurationError, match=message):
        make_faces(Options(**{"out": tmp_path / "set", option: value}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError("out of paint"), KeyboardInterrupt()])
def test_nothing_is_left_when_drawing_fails(tmp_path, monkeypatch, error):
    def fail(_traits, _seed, index):
        if index == 2:
            raise error
        return np.zeros((218, 178, 3), np.uint8)

    monkeypatch.setattr(write, "draw_face", fail)
    with pytest.raises(type(error)):
        make_faces(Options(out=tmp_path / "set", num_images=5, workers=1))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_a_worker_fails(tmp_path, monkeypatch):
    # A function that other processes can import and that does not take three arguments.
    monkeypatch.setattr(write, "_write_chunk", operator.floordiv)
    with pytest.raises(TypeError, match="floordiv expected 2 arguments"):
        make_faces(Options(out=tmp_path / "set", num_images=200, workers=2))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def fail(*_arguments):
        raise OSError(28, "No space left on device", "000001.jpg")

    monkeypatch.setattr(write, "_write_chunk", fail)
    with pytest.raises(DataError, match=r"000001\.jpg: cannot be written \(No space left on device\)"):
        make_faces(Options(out=tmp_path / "set", num_images=1, workers=1))
    assert list(tmp_path.iterdir()) == []


def test_the_command_reports_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["make_faces", str(tmp_path / "set"), "--num-images", "0"])
    with pytest.raises(SystemExit) as stop:
        write.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: --num-images is 0, expected 1 to 999999\n"
