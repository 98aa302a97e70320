"""Who takes part, and what they lack."""

import importlib
import importlib.util
import types
from typing import get_args

import pytest

from tools.benchmarks.loader.contenders import CONTENDERS, DECODING, READING, Name, why_absent

BY_NAME = {contender.name: contender for contender in CONTENDERS}


def test_the_flag_names_all_of_them():
    assert get_args(Name) == tuple(BY_NAME)


@pytest.mark.parametrize("contender", [*CONTENDERS, DECODING, READING], ids=lambda contender: contender.name)
def test_each_has_its_function(contender):
    module, _, function = contender.function.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("name", ["litdata", "spdl"])
def test_a_missing_package_is_told_with_its_remedy(monkeypatch, name):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert why_absent(BY_NAME[name]) == "pip install 'dropstream[bench]'"
    assert why_absent(BY_NAME["torch"]) is None


@pytest.mark.parametrize(("error", "reason"), [(None, None), (RuntimeError("libavutil.so"), "spdl finds no FFmpeg")])
def test_spdl_without_ffmpeg_is_absent_too(monkeypatch, error, reason):
    def demux_config():
        if error:
            raise error

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(importlib, "import_module", lambda _: types.SimpleNamespace(demux_config=demux_config))
    found = why_absent(BY_NAME["spdl"])
    assert found == reason or (reason and found.startswith(reason))
