from dataclasses import replace

import pytest

from engine.compare.findings import Spread
from engine.compare.verdict import notes, p_text, points, verdict
from tests.unit.compare.found import difference, entry, findings, variant

MTL = variant("mtl")


def test_no_difference_is_said_as_that_and_no_more():
    found = findings(MTL, variant("random", to_baseline=difference(0.4, 0.3)), variant("dst", to_baseline=difference(1.2, 0.1)))
    assert verdict(found) == (
        "Over 3 seeds no variant differs from mtl beyond chance in mean test balanced accuracy (smallest p = 0.200).",
        "Nothing here shows that dropping tasks helps the mean over the tasks.",
    )


def test_a_single_comparison_is_named():
    assert verdict(findings(MTL, variant("dst", to_baseline=difference(1.2, 0.1))))[0] == (
        "Over 3 seeds dst does not differ from mtl beyond chance in mean test balanced accuracy (p = 0.200)."
    )


def test_what_helps_and_what_hurts():
    found = findings(
        MTL,
        variant("random", to_baseline=difference(-0.8, 0.01)),
        variant("drop_balanced", to_baseline=difference(0.1, 0.4)),
        variant("dst", to_baseline=difference(1.25, 0.0001)),
        seeds=(0, 1, 2, 3, 4),
    )
    assert verdict(found) == (
        "Over 5 seeds, mean test balanced accuracy: dst is 1.25 points above mtl (p < 0.001), random is 0.80 points below mtl (p = 0.020); "
        "the others do not differ from mtl beyond chance.",
        "Here dropping tasks helps under dst and hurts under random.",
        "Single tasks that differ from mtl beyond chance: random 2 below, dst 2 above.",
    )


def test_many_are_counted_not_listed():
    swept = [
        variant("random", name=f"random[scheduler.rate=0.{digit}]", to_baseline=difference(-digit, 0.001 * digit)) for digit in range(1, 7)
    ]
    first, second, third = verdict(findings(MTL, *swept))
    assert first == (
        "Over 3 seeds, mean test balanced accuracy: random[scheduler.rate=0.1], random[scheduler.rate=0.2], random[scheduler.rate=0.3] and "
        "3 more are 1.00 to 6.00 points below mtl (largest p = 0.012)."
    )
    assert second.endswith("random[scheduler.rate=0.3] and 3 more.")
    assert third.endswith("random[scheduler.rate=0.3] 2 below, 3 more variants.")


def test_what_is_not_defined_is_named():
    blank = Spread(mean=None, deviation=None, values=(None,) * 3)
    zero = Spread(mean=0.2, deviation=0.1, values=(0.3, 0.0, 0.3))
    whole = variant("stl")
    given = {"Bald": blank, "Young": zero}
    tasks = tuple(replace(known, measures=known.measures | {"balanced_accuracy": given[known.task]}) for known in whole.tasks)
    found = findings(replace(whole, tasks=tasks), replace(variant("mtl"), relative_gain=blank))
    assert notes(found)[-2:] == (
        "balanced accuracy is not defined for Bald on test, which means over the tasks leave out",
        "there is no Δm: a task trained alone has a balanced accuracy of 0, and nothing can be divided by it",
    )
    # Without a score of 0 there is another reason, which the first line tells: no task is left.
    assert not any("Δm" in note for note in notes(findings(whole, replace(variant("mtl"), relative_gain=blank))))


def test_where_no_task_is_left_it_says_so():
    nothing = replace(difference(0.0), mean=None)
    assert "No task is left to compare with mtl." in verdict(findings(MTL, variant("dst", to_baseline=nothing)))


def test_the_mean_does_not_hide_single_tasks():
    tasks = [entry("Young", to_baseline=difference(2, 0.01)), entry("Bald", to_baseline=difference(-2, 0.01))]
    mixed = replace(variant("dst", to_baseline=difference(0.0)), tasks=tuple(tasks))
    assert verdict(findings(MTL, mixed))[1:] == (
        "Nothing here shows that dropping tasks helps the mean over the tasks.",
        "Single tasks that differ from mtl beyond chance: dst 1 above and 1 below.",
    )


def test_single_task_training_and_balancers_drop_nothing():
    found = findings(
        MTL,
        variant("stl", to_baseline=difference(3, 0.001)),
        variant("mtl", name="mtl+upgrad", balancer="upgrad", to_baseline=difference(0.1)),
    )
    assert verdict(found) == (
        "Over 3 seeds, mean test balanced accuracy: stl is 3.00 points above mtl (p = 0.002); the others do not differ from mtl "
        "beyond chance.",
        "Single tasks that differ from mtl beyond chance: stl 2 above.",
    )


def test_if_only_others_differ_dropping_is_not_credited():
    found = findings(MTL, variant("stl", to_baseline=difference(3, 0.001)), variant("dst", to_baseline=difference(0.1)))
    assert verdict(found)[1] == "Nothing here shows that dropping tasks helps the mean over the tasks."


def test_one_seed_claims_nothing():
    found = findings(
        MTL,
        variant("random", to_baseline=difference(-2.5, None)),
        variant("dst", to_baseline=difference(5, None)),
        variant("stl"),
        seeds=(0,),
    )
    first, second = verdict(found)
    assert first == (
        "One seed cannot tell a scheduler's effect from the luck of the seed, so nothing is claimed: random and dst are −2.50 to +5.00 "
        "points from mtl in mean test balanced accuracy. Add seeds: --seeds 3 or more."
    )
    assert second == "One seed cannot tell negative transfer either."


@pytest.mark.parametrize(
    ("variants", "expected"),
    [
        ([variant("dst"), variant("random")], "mtl is not among what is compared, so nothing says whether dropping tasks helps."),
        (
            [variant("mtl", name="mtl+upgrad", balancer="upgrad")],
            "mtl is not among what is compared, so nothing says whether dropping tasks helps.",
        ),
        ([MTL], "There is nothing to compare with mtl."),
    ],
)
def test_without_a_baseline_it_says_so(variants, expected):
    assert verdict(findings(*variants)) == (expected,)


def test_negative_transfer_stands_beside_what_luck_would_count():
    found = findings(
        variant("stl", to_baseline=difference(0.1)),
        variant("mtl", suffering=(True, True)),
        variant("dst", to_baseline=difference(0.1), suffering=(False, False)),
    )
    # 9.2 % of tasks without an effect, of two tasks: 0.18.
    assert verdict(found)[-1] == (
        "Negative transfer (worse than alone by more than two standard errors), of 2 tasks: mtl on 2, dst on none; "
        "luck alone would count about 0.2 for each."
    )


def test_many_p_values_and_few_resamples_are_warned_of():
    tasks = tuple(f"Task_{number}" for number in range(30))
    dropping = variant("dst", to_baseline=difference(0.1), probability=0.5, tasks=tasks)
    found = findings(variant("mtl", tasks=tasks), dropping, dropping, tasks=tasks)
    first, second = notes(found)
    assert first.startswith("60 p-values of single tasks are shown; if nothing had any effect about 3.0 of them would still lie below 0.05")
    assert second == (
        "with 2000 resamples no p-value is below 0.0010, which 60 tests raise above 0.05: no single task can be called different; use "
        "--bootstrap 4800"
    )
    assert len(notes(replace(found, num_resamples=4800))) == 1


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (findings(MTL, variant("dst", probability=0.94)), "dst hardly dropped anything: its mean P is 0.970, so it is nearly mtl"),
        (
            findings(MTL, variant("dst", value=0.4)),
            "mean accuracy is not above the majority predictor's 0.500: dst",
        ),
        (findings(MTL, split="val"), "there is no test split: everything is measured on val, and the bootstrap, which needs test answers"),
        (
            findings(MTL, variant("dst", seconds=Spread(mean=None, deviation=None, values=(None, 1.0)))),
            "no time for dst: a process of theirs died without an end record",
        ),
        (findings(MTL, is_uniform=False), "the runs were not all made by the same versions"),
        (findings(MTL, num_skipped=3), "up to 3 damaged samples were left out"),
    ],
)
def test_each_note_is_made_when_it_holds(found, expected):
    assert any(note.startswith(expected) for note in notes(found)), notes(found)
    assert not any(note.startswith(expected[:12]) for note in notes(findings(MTL, variant("dst", probability=0.5))))


def test_how_p_values_and_points_are_written():
    assert [p_text(value) for value in (0.00099, 0.001, 1.0, None)] == ["< 0.001", "0.001", "1.000", "n/a"]
    assert [points(value) for value in (0.01234, -0.01234, 0.00001, -0.00001, None)] == ["+1.23", "−1.23", "0.00", "0.00", "n/a"]
    assert points(-0.01, signed=False) == "1.00"
