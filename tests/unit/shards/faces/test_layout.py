import numpy as np
import pytest

from shards.faces.attributes import NAMES
from shards.faces.layout import attribute_text, image_name, partition_text, split_starts


def test_attribute_file_byte_for_byte():
    labels = np.zeros((2, 40), bool)
    labels[0, [1, 39]] = True
    labels[1, [0, 38]] = True
    negative = " -1"
    assert attribute_text(NAMES, labels) == (
        "2\n"
        "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair Blurry Brown_Hair "
        "Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache "
        "Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair "
        "Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young \n"
        f"000001.jpg -1  1{negative * 37}  1\n"
        f"000002.jpg  1{negative * 37}  1 -1\n"
    )


def test_partition_file_byte_for_byte():
    assert partition_text(12) == "".join(f"{number:06d}.jpg 0\n" for number in range(1, 11)) + "000011.jpg 1\n000012.jpg 2\n"
    assert partition_text(1) == "000001.jpg 0\n"


@pytest.mark.parametrize("num_images", [1, 2, 3, 7, 100, 2000])
def test_partition_is_contiguous_and_in_celebas_proportions(num_images):
    splits = [int(line.split()[1]) for line in partition_text(num_images).splitlines()]
    assert splits == sorted(splits)
    for split, count in enumerate((162_770, 19_867, 19_962)):
        assert splits.count(split) == pytest.approx(num_images * count / 202_599, abs=1)


def test_the_whole_of_celeba_is_divided_as_the_original():
    lines = partition_text(202_599).splitlines()
    assert [lines[162_769], lines[162_770], lines[182_636], lines[182_637]] == [
        "162770.jpg 0",
        "162771.jpg 1",
        "182637.jpg 1",
        "182638.jpg 2",
    ]


def test_image_names():
    assert image_name(0) == "000001.jpg"
    assert image_name(202_598) == "202599.jpg"


def test_other_proportions():
    assert split_starts(2000, (7, 1, 2)) == (1400, 1600)
    splits = [int(line.split()[1]) for line in partition_text(20, (7, 1, 2)).splitlines()]
    assert splits == [0] * 14 + [1] * 2 + [2] * 4
