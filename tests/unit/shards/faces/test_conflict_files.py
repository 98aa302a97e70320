import json

import numpy as np

from shards.faces.conflict import Labels, PlantedTask
from shards.faces.conflict_files import label_text, note_text

TASKS = (
    PlantedTask(name="Rich_One", source="Young", role="rich"),
    PlantedTask(name="Tied_Two", source="Bangs", role="tied", labelled_share=0.5, tied_to="Rich_One", agreement=1.0),
)
TRUE = np.array([[1, 1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 1], [1, 0]], bool)
WRITTEN = np.array([[1, 1], [1, 0], [1, -1], [0, -1], [1, -1], [0, 1], [1, 0]], np.int8)
LABELS = Labels(written=WRITTEN, true=TRUE, starts=(5, 6))


def test_the_table_byte_for_byte():
    assert label_text(TASKS, LABELS) == (
        "image_id,Rich_One,Tied_Two\n"
        "000001.jpg,1,1\n"
        "000002.jpg,1,0\n"
        "000003.jpg,1,\n"
        "000004.jpg,0,\n"
        "000005.jpg,1,\n"
        "000006.jpg,0,1\n"
        "000007.jpg,1,0\n"
    )


def test_the_note_counts_what_was_planted():
    note = json.loads(note_text(4, ["ties", "noise"], TASKS, LABELS))
    assert (note["seed"], note["num_images"], note["left_out"]) == (4, 7, ["noise", "ties"])
    rich, tied = note["tasks"]
    assert tied["planted"] == {
        "name": "Tied_Two",
        "source": "Bangs",
        "role": "tied",
        "labelled_share": 0.5,
        "noise_rate": 0.0,
        "tied_to": "Rich_One",
        "agreement": 1.0,
    }
    assert rich["counts"] == {
        "train": {"images": 5, "labelled": 5, "positive": 4, "wrong": 1},
        "val": {"images": 1, "labelled": 1, "positive": 0, "wrong": 0},
        "test": {"images": 1, "labelled": 1, "positive": 1, "wrong": 0},
    }
    assert tied["counts"] == {
        "train": {"images": 5, "labelled": 2, "positive": 1, "wrong": 0, "agreeing": 2},
        "val": {"images": 1, "labelled": 1, "positive": 1, "wrong": 0, "agreeing": 0},
        "test": {"images": 1, "labelled": 1, "positive": 0, "wrong": 0, "agreeing": 0},
    }
