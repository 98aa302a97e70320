"""Cores by affinity and by a container's quota, in made-up trees of control groups."""

import os

import pytest

from shards import cores


@pytest.fixture
def quota(tmp_path):
    """Return what reads the quota of a tree."""

    def quota(own, files):
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "own").write_text(own)
        return cores.cpu_quota(tmp_path / "cgroup", tmp_path / "own")

    return quota


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "800000 100000\n"}, 8),
        # A part of a core is a core; less than one is one.
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "1000 100000\n"}, 1),
        # The narrowest of all around it.
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n", "cpu.max": "600000 100000\n"}, 3),
        # Docker with the first version: the path is the machine's, and only the container's own group is mounted.
        ("4:cpu,cpuacct:/docker/1f\n", {"cpu,cpuacct/cpu.cfs_quota_us": "400000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 4),
        ("4:cpuacct,cpu:/\n0::/\n", {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("1:cpuset:/\n", {"cpuset/cpu.cfs_quota_us": "100000\n", "cpuset/cpu.cfs_period_us": "100000\n"}, None),
        ("nonsense\n", {"cpu.max": "nonsense\n"}, None),
    ],
)
def test_the_quota(quota, own, files, expected):
    assert quota(own, files) == expected


def test_without_control_groups_there_is_none(tmp_path):
    assert cores.cpu_quota(tmp_path, tmp_path / "missing") is None


@pytest.mark.parametrize(("affinity", "limit", "expected"), [(96, 8, 8), (4, 8, 4), (4, None, 4)])
def test_the_smaller_of_affinity_and_quota(monkeypatch, affinity, limit, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)))
    monkeypatch.setattr(cores, "cpu_quota", lambda: limit)
    assert cores.usable_cores() == expected
