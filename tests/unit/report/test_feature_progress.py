"""What the eye sees while features are computed."""

import pytest

from engine.report.feature_progress import feature_progress

DONE = "features of 1,000 images computed in 1 min 40 s (10 images/s)"


def shown(capsys, mode="plain", *, is_shown=True, calls=((0, 0.0), (100, 10.0), (400, 40.0), (500, 50.0), (1000, 100.0))) -> list[str]:
    with feature_progress(mode, is_shown=is_shown) as progress:
        for done, seconds in calls:
            progress(done, 1000, seconds)
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


@pytest.mark.parametrize("mode", ["plain", "auto"])
def test_a_line_every_half_minute_and_one_at_the_end(capsys, mode):
    assert shown(capsys, mode) == ["features: 400 of 1,000 images, 10 images/s", DONE]


def test_the_end_is_told_once(capsys):
    assert shown(capsys, calls=((1000, 100.0), (1000, 101.0), (1000, 140.0))) == [DONE]


@pytest.mark.parametrize(("mode", "is_shown"), [("quiet", True), ("plain", False)])
def test_silence(capsys, mode, is_shown):
    assert shown(capsys, mode, is_shown=is_shown) == []


def test_nothing_to_compute_nothing_to_say(capsys):
    assert shown(capsys, calls=()) == []


def test_on_a_terminal_a_line_is_drawn_and_taken_away(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with feature_progress("auto", is_shown=True) as progress:
        progress(400, 1000, 40.0)
        progress(1000, 1000, 100.0)
    err = capsys.readouterr().err
    assert DONE in err
    # The cursor is hidden while there is a live line.
    assert err.startswith("\x1b[?25l")
    assert "\x1b[?25h" in err.partition(DONE)[2]


def test_the_space_is_told_before_anything_is_computed(capsys, tmp_path):
    with feature_progress("plain", is_shown=True) as progress:
        progress.begin(3 * 2**29, tmp_path)
        # Nothing is missing.
        progress.begin(0, tmp_path)
    assert capsys.readouterr().err.replace("\n", "") == f"features: 1.5 GiB will be written into {tmp_path}"
