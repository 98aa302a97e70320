import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from engine.report.live import fit, live_line, remaining_seconds, wait_style


def line(make, width: int, *records) -> str:
    return live_line(make.history(make.run, *records), width).plain


def test_a_wide_terminal_shows_everything(make):
    # 30 steps of 100 images at 200 images/s are 15 s; two more epochs of 40 steps are 40 s; no evaluation has been seen.
    assert line(make, 140, make.step) == (
        "epoch 1/3  step 10/40  ━━━─────────  200 images/s  data wait 3 %  loss 0.5000  tasks ●○  ETA epoch 0:15, run 0:55"
    )


def test_eighty_columns_keep_every_part_in_short(make):
    run = make.replace(make.run, tasks=tuple("abcdefgh"), positive_rates=(0.5,) * 8, epochs=10, steps_per_epoch=1271)
    step = make.replace(make.step, epoch=2, step=119, active=(True,) * 7 + (False,), images_per_second=2150.0)
    text = live_line(make.history(run, step), 80).plain
    # 1151 + 7 * 1271 steps of 100 images at 2150/s are 467 s.
    assert text == "epoch 3/10  120/1271  ━─────  2,150/s  wait 3 %  loss 0.500  ●●●●●●●○  ETA 7:47"


@pytest.mark.parametrize("num_tasks", [1, 8, 40])
@pytest.mark.parametrize("width", [1, 10, 40, 60, 80, 100, 120, 200])
def test_it_is_one_line_at_any_width(make, num_tasks, width):
    run = make.replace(make.run, tasks=("x",) * num_tasks, positive_rates=(None,) * num_tasks, epochs=1000, steps_per_epoch=100000)
    step = make.replace(make.step, epoch=999, step=99999, active=(True,) * num_tasks, images_per_second=1e6, loss=1e9)
    text = live_line(make.history(run, step), width)
    assert text.cell_len <= width
    assert "\n" not in text.plain


def test_forty_tasks_become_a_count_where_dots_do_not_fit(make):
    run = make.replace(make.run, tasks=("x",) * 40, positive_rates=(None,) * 40)
    step = make.replace(make.step, active=(True,) * 33 + (False,) * 7)
    assert "33/40" in live_line(make.history(run, step), 80).plain
    assert "●" * 33 + "○" * 7 in live_line(make.history(run, step), 140).plain


def test_what_matters_most_stays_longest(make):
    assert line(make, 30, make.step).startswith("epoch 1/3")
    assert "200/s" in line(make, 30, make.step)


def test_between_steps_it_says_what_happens(make):
    assert line(make, 80) == "waiting for the first batch"
    assert line(make, 80, make.epoch) == line(make, 80, make.epoch, make.loader) == "epoch 1/3  evaluating"
    assert line(make, 80, make.epoch, make.eval) == "epoch 2/3  starting"
    assert line(make, 80, make.replace(make.eval, epoch=2)) == "finishing"
    assert line(make, 80, make.replace(make.eval, split="test")) == "finishing"


def test_remaining_time_counts_the_evaluations_to_come(make):
    # As above 15 s and 55 s, and the 5 s of val for this epoch and the two after it.
    assert remaining_seconds(make.history(make.run, make.eval, make.step), make.step) == (15.0, 70.0)


def test_remaining_time_weighs_steps_by_the_time_they_took(make):
    # 100 images at 100/s and 100 at 300/s: 4/3 s for 2 steps, so 2/3 s each; 30 steps are left.
    steps = [make.replace(make.step, step=8, images_per_second=100.0), make.replace(make.step, images_per_second=300.0)]
    assert remaining_seconds(make.history(make.run, *steps), steps[1])[0] == pytest.approx(20.0)


def test_remaining_time_is_not_invented(make):
    still = make.replace(make.step, images_per_second=0.0)
    assert remaining_seconds(make.history(make.run, still), still) == (None, None)
    assert "ETA n/a" in line(make, 80, still)


def test_data_wait_colours():
    assert [wait_style(share) for share in (0.0, 0.05, 0.051, 0.2, 0.21, 1.0)] == ["green", "green", "yellow", "yellow", "red", "red"]


@given(
    parts=st.lists(st.lists(st.text("ab", min_size=1, max_size=9), min_size=1, max_size=4).map(lambda forms: sorted(forms, key=len)[::-1])),
    width=st.integers(1, 80),
)
def test_fitting_gives_up_only_what_it_must(parts, width):
    forms = [[Text(form) for form in part] for part in parts]
    chosen = fit(forms, width).plain
    longest, shortest = (("  ".join(part[place] for part in parts)) for place in (0, -1))
    if len(longest) <= width:
        assert chosen == longest
    if len(shortest) <= width:
        assert len(chosen) <= width
