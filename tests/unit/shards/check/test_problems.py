"""Collecting what is wrong."""

from shards.check.problems import MAX_SHOWN, Problems


def test_a_line_names_shard_and_key_where_there_is_one():
    problems = Problems(file="a.tar")
    problems.add("is damaged")
    problems.add("is damaged", key="k")
    problems.add("is damaged", key="k", file="a.idx")
    assert problems.lines() == ["a.tar: is damaged", "a.tar: k: is damaged", "a.idx: k: is damaged"]


def test_more_than_can_be_read_is_counted():
    problems = Problems(file="a.tar")
    for number in range(1000 + MAX_SHOWN):
        problems.add("is damaged", key=str(number))
    assert len(problems.lines()) == MAX_SHOWN + 1
    assert problems.lines()[-1] == "a.tar: and 1,000 more problems"
    assert problems.count == 1000 + MAX_SHOWN
