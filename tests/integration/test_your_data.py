"""The recipes of docs/your_data.md, each on a small set of its shape: the labels arrive at the right image."""

import re
import shlex
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shards.command import parse_flags
from shards.dataset import ShardDataset
from shards.packing.options import PackOptions
from shards.packing.pack import make_shards
from tests.launch import ROOT
from tests.unit.shards.packing.faces import put_faces

PAGE = (ROOT / "docs" / "your_data.md").read_text(encoding="utf-8")
_, *SECTIONS = re.split(r"^### ", PAGE.partition("## Recipes")[2], flags=re.MULTILINE)
RECIPES = {section.partition("\n")[0]: section for section in SECTIONS}

Expected = dict[str, tuple[str | None, dict[str, int]]]
"""Key -> its split, None for any, and some of its labels."""


def write(path: str, *lines: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("\n".join(lines) + "\n")


def put_png(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 40), "grey").save(path)


def celeba_tables() -> Expected:
    """Write CelebA's two tables for six images."""
    rows = [f"{number:06d}.jpg {2 * (number % 2) - 1:2d} {1 if number < 4 else -1:2d}" for number in range(1, 7)]
    write("list_attr_celeba.txt", "6", "Smiling Young ", *rows)
    write("list_eval_partition.txt", *(f"{number:06d}.jpg {number % 3}" for number in range(1, 7)))
    splits = ("train", "val", "test")
    return {f"{number:06d}": (splits[number % 3], {"Smiling": number % 2, "Young": int(number < 4)}) for number in range(1, 7)}


def celeba_zip() -> Expected:
    put_faces(Path("img_align_celeba"), *(f"{number:06d}.jpg" for number in range(1, 7)))
    with zipfile.ZipFile("img_align_celeba.zip", "w") as archive:
        for path in sorted(Path("img_align_celeba").iterdir()):
            archive.write(path)
            path.unlink()
    return {f"img_align_celeba_{key}": wanted for key, wanted in celeba_tables().items()}


def celeba_png() -> Expected:
    for number in range(1, 7):
        put_png(Path(f"img_align_celeba_png/{number:06d}.png"))
    return celeba_tables()


def hugging_face() -> Expected:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    put_faces(Path("files"), *(f"{number:06d}.jpg" for number in range(1, 7)))
    Path("celeba/data").mkdir(parents=True)
    expected = celeba_tables()
    for split, name in (("train", "train"), ("val", "valid"), ("test", "test")):
        keys = [key for key, (its_split, _) in expected.items() if its_split == split]
        images = [{"bytes": Path(f"files/{key}.jpg").read_bytes(), "path": f"{key}.jpg"} for key in keys]
        labels = {label: [bool(expected[key][1][label]) for key in keys] for label in ("Smiling", "Young")}
        table = pyarrow.table({"image": images, "celeb_id": [7] * len(keys)} | labels)
        parquet.write_table(table, f"celeba/data/{name}-00000-of-00001.parquet")
    return expected


def photographs() -> Expected:
    Path("photographs").mkdir()
    for number in range(6):
        Image.new("RGB", (900, 600), (40 * number, 90, 9)).save(f"photographs/{number}.jpg")
    write("labels.csv", "file,Smiling", *(f"{number}.jpg,{number % 2}" for number in range(6)))
    return {str(number): (None, {"Smiling": number % 2}) for number in range(6)}


def celeba_hq() -> Expected:
    put_faces(Path("CelebAMask-HQ/CelebA-HQ-img"), *(f"{number}.jpg" for number in range(6)))
    rows = [f"{number}.jpg  {1 if number % 2 else -1} {1 if number < 3 else -1}" for number in range(6)]
    write("CelebAMask-HQ/CelebAMask-HQ-attribute-anno.txt", "6", "Smiling Young", *rows)
    return {str(number): (None, {"Smiling": number % 2, "Young": int(number < 3)}) for number in range(6)}


def ffhq() -> Expected:
    for number in range(6):
        put_png(Path(f"ffhq/{number // 3 * 1000:05d}/{number:05d}.png"))
    header = "image_number,age_group,age_group_confidence,gender,gender_confidence,glasses"
    rows = [
        f"{number},{'0-2' if number < 2 else '30-39'},0.9,{'male' if number % 2 else 'female'},1.0,{'Normal' if number == 4 else 'None'}"
        for number in range(6)
    ]
    write("ffhq_aging_labels.csv", header, *rows)
    return {
        f"{number // 3 * 1000:05d}_{number:05d}": (
            None,
            {
                "gender=male": number % 2,
                "age_group=0-2": int(number < 2),
                "age_group=30-39": int(number >= 2),
                "glasses=Normal": int(number == 4),
            },
        )
        for number in range(6)
    }


def lfw() -> Expected:
    people = ["George_W_Bush", "Abel Pacheco", "Zoran", "Yu", "Xi", "Wim"]
    faces = [(who, number) for who in people for number in (1, 2)]
    put_faces(Path("lfw"), *(f"{who.replace(' ', '_')}/{who.replace(' ', '_')}_{number:04d}.jpg" for who, number in faces))
    rows = [f"{who.replace('_', ' ')}\t{number}\t{1.5 if who < 'B' else -0.2}\t{number - 1.5}" for who, number in faces]
    write("lfw_attributes.txt", "# lfw_attributes.txt\tmade for a test", "#\tperson\timagenum\tMale\tSmiling", *rows)
    labels = {}
    for who, number in faces:
        name = who.replace(" ", "_")
        labels[f"{name}_{name}_{number:04d}"] = (None, {"Male>0": int(who < "B"), "Smiling>0": int(number == 2)})
    return labels


def utkface() -> Expected:
    files = {f"{20 + 10 * number}_{number % 2}_{number % 3}_2017010915{number:07d}.jpg.chip.jpg": number for number in range(6)}
    put_faces(Path("UTKFace"), *files, "61_1_20170109150557335.jpg.chip.jpg")
    return {
        file.removesuffix(".jpg").replace(".", "_"): (
            None,
            {"female": number % 2, "age>=50": int(number >= 3), "race=0": int(number % 3 == 0), "race=2": int(number % 3 == 2)},
        )
        for file, number in files.items()
    }


def fairface() -> Expected:
    found: Expected = {}
    for split in ("train", "val"):
        put_faces(Path("fairface"), *(f"{split}/{number}.jpg" for number in range(1, 5)))
        rows = [
            ",".join(
                (
                    f"{split}/{number}.jpg",
                    "more than 70" if number == 1 else "3-9",
                    "Male" if number % 2 else "Female",
                    "Black" if number < 3 else "East Asian",
                    "True",
                )
            )
            for number in range(1, 5)
        ]
        write(f"fairface_label_{split}.csv", "file,age,gender,race,service_test", *rows)
        for number in range(1, 5):
            labels = {"gender=Female": int(number % 2 == 0), "race=Black": int(number < 3), "age=more than 70": int(number == 1)}
            found[f"{split}_{number}"] = (split, labels)
    return found


def chexpert() -> Expected:
    found: Expected = {}
    header = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Cardiomegaly,Edema,Pleural Effusion"
    for table, split, edema in (("train", "train", ["1.0", "-1.0", "0.0", ""]), ("valid", "val", ["0.0", "1.0", "1.0", "0.0"])):
        files = [f"CheXpert-v1.0-small/{table}/patient0000{number}/study1/view1_frontal.jpg" for number in range(4)]
        put_faces(Path(), *files)
        rows = [
            f"{file},{'Female' if number % 2 else 'Male'},{50 + number},Frontal,AP,,1.0,{cell},0.0"
            for number, (file, cell) in enumerate(zip(files, edema, strict=True))
        ]
        write(f"CheXpert-v1.0-small/{table}.csv", header, *rows)
        for number, (file, cell) in enumerate(zip(files, edema, strict=True)):
            key = file.removesuffix(".jpg").replace("/", "_").replace(".", "_")
            found[key] = (
                split,
                {"Cardiomegaly": 1, "Edema": {"1.0": 1, "0.0": 0}.get(cell, -1), "Pleural Effusion": 0, "Sex=Female": number % 2},
            )
    return found


def chestxray14() -> Expected:
    names = [f"0000000{number}_000" for number in range(6)]
    put_faces(Path("ChestX-ray14"), *(f"images_00{1 + number // 2}/images/{name}.jpg" for number, name in enumerate(names)))
    findings = ["No Finding", "Mass|Nodule", "Mass", "Nodule", "No Finding", "Effusion|Mass"]
    sizes = "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
    header = f"Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,{sizes}"
    rows = [
        f"{name}.png,{cell},0,{number},5{number},{'F' if number % 2 else 'M'},PA,2682,2749,0.1,0.1,"
        for number, (name, cell) in enumerate(zip(names, findings, strict=True))
    ]
    write("ChestX-ray14/Data_Entry_2017.csv", header, *rows)
    write("ChestX-ray14/test_list.txt", "00000001_000.png", "00000005_000.png")
    return {
        f"images_00{1 + number // 2}_images_{name}": (
            "test" if number in (1, 5) else "train",
            {f"Finding Labels~{word}": int(word in findings[number].split("|")) for word in ("Mass", "Nodule", "Effusion")}
            | {"Patient Gender=F": number % 2},
        )
        for number, name in enumerate(names)
    }


def deepfashion() -> Expected:
    files = [f"img/Sheer_Pleated-Front_Blouse/img_0000000{number}.jpg" for number in range(6)]
    put_faces(Path("DeepFashion"), *files)
    values = [(1, -1, 0), (-1, 1, 0), (1, 1, -1), (-1, -1, 1), (0, 0, 0), (1, 0, 1)]
    rows = [f"{file}      {'  '.join(map(str, row))}" for file, row in zip(files, values, strict=True)]
    write("DeepFashion/Anno/list_attr_img.txt", "6", "image_name  attribute_labels", *rows)
    write("DeepFashion/Anno/list_attr_cloth.txt", "3", "attribute_name  attribute_type", "a-line        3", "acid wash     2", "sleeve 1")
    splits = ["train", "val", "test"] * 2
    write(
        "DeepFashion/Eval/list_eval_partition.txt",
        "6",
        "image_name  evaluation_status",
        *(f"{file}    {split}" for file, split in zip(files, splits, strict=True)),
    )
    meaning = {1: 1, -1: 0, 0: -1}
    return {
        file.removesuffix(".jpg").replace("/", "_"): (
            split,
            dict(zip(["a-line", "acid wash", "sleeve"], [meaning[value] for value in row], strict=True)),
        )
        for file, split, row in zip(files, splits, values, strict=True)
    }


def cub() -> Expected:
    files = [f"00{1 + number // 3}.Black_footed_Albatross/Bird_{number:04d}.jpg" for number in range(6)]
    put_faces(Path("CUB_200_2011/images"), *files)
    write("CUB_200_2011/images.txt", *(f"{number} {file}" for number, file in enumerate(files, start=1)))
    write("CUB_200_2011/train_test_split.txt", *(f"{number} {int(number < 5)}" for number in range(1, 7)))
    write("attributes.txt", "1 has_bill_shape::dagger", "2 has_wing_color::blue")
    rows = [f"{image} {attribute} {(image + attribute) % 2} 3 1.5" for image in range(1, 7) for attribute in (1, 2)]
    write("CUB_200_2011/attributes/image_attribute_labels.txt", *rows)
    return {
        file.removesuffix(".jpg").replace("/", "_").replace(".", "_"): (
            "train" if number < 5 else "test",
            {"has_bill_shape::dagger": (number + 1) % 2, "has_wing_color::blue": number % 2},
        )
        for number, file in enumerate(files, start=1)
    }


def kaggle() -> Expected:
    put_faces(Path("images"), *(f"{number}.jpg" for number in range(6)))
    order, splits = [3, 1, 5, 0, 2, 4], ["train", "Validation", "TEST"]
    rows = [
        f"{row},{number}.jpg,{splits[number % 3]},{'yes' if number % 2 else 'no'},{'Male' if number < 3 else 'Female'}"
        for row, number in enumerate(order)
    ]
    write("train.csv", ",image_id,split,smiling,gender", *rows)
    return {
        str(number): (["train", "val", "test"][number % 3], {"smiling": number % 2, "gender=Male": int(number < 3)}) for number in range(6)
    }


def folders() -> Expected:
    found: Expected = {}
    for split in ("train", "val", "test"):
        for kind in ("cat", "dog"):
            put_faces(Path("images"), f"{split}/{kind}/1.jpg")
            found[f"{split}_{kind}_1"] = (split, {"class=cat": int(kind == "cat"), "class=dog": int(kind == "dog")})
    return found


SETS = {
    "CelebA in its ZIP archive": celeba_zip,
    "CelebA's lossless PNGs": celeba_png,
    "A data set from Hugging Face": hugging_face,
    "Photographs larger than anyone trains on": photographs,
    "CelebA-HQ": celeba_hq,
    "FFHQ": ffhq,
    "LFW with attributes": lfw,
    "UTKFace": utkface,
    "FairFace": fairface,
    "CheXpert": chexpert,
    "ChestX-ray14": chestxray14,
    "DeepFashion": deepfashion,
    "CUB-200-2011": cub,
    "A CSV from Kaggle": kaggle,
    "A folder for each class": folders,
}


def test_every_recipe_of_the_page_is_tried():
    assert list(RECIPES) == list(SETS)


@pytest.mark.parametrize("name", SETS)
def test_a_recipe_packs_the_right_labels(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pandas = pytest.importorskip("pandas")
    assert pandas
    expected = SETS[name]()
    for language, code in re.findall(r"```(\w+)\n(.*?)```", RECIPES[name], re.DOTALL):
        if language == "python":
            exec(compile(code, f"docs/your_data.md, {name}", "exec"), {})  # noqa: S102
        else:
            for line in code.strip().splitlines():
                program, *words = shlex.split(line)
                assert program == "tools/make_shards"
                make_shards(parse_flags(PackOptions, [*words, "--workers", "1", "--shards", "1"]))
    data = ShardDataset(Path("shards"))
    splits = {number: split for split in ("train", "val", "test") for number in data.split_range(split)}
    names = list(data.manifest.attributes)
    found = {data.key(number): (splits[number], data.labels[number]) for number in range(len(data))}
    assert found.keys() == expected.keys()
    for key, (split, labels) in expected.items():
        its_split, row = found[key]
        assert split in (None, its_split)
        assert {label: int(row[names.index(label)]) for label in labels} == labels
    if name == "Photographs larger than anyone trains on":
        assert {(int(row["width"]), int(row["height"])) for row in data.index} == {(384, 256)}
    if name == "LFW with attributes":
        people = {}
        for key, (its_split, _) in found.items():
            people.setdefault(key[: len(key) // 2], set()).add(its_split)
        assert all(len(its) == 1 for its in people.values())
        assert np.unique([its_split for its_split, _ in found.values()]).size > 1
