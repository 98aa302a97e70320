from engine.report.notes import notes
from engine.report.summary import headline, summarise


def test_a_good_finished_run_has_the_one_sentence_about_the_majority(make):
    history = make.history(make.run, make.replace(make.eval, split="test", metrics=(make.metrics, make.metrics)), make.end)
    assert notes(history) == ("mean test accuracy 90.0 % is above the majority predictor's 75.0 %",)


def test_not_better_than_the_majority_is_said_with_the_tasks(make):
    poor = make.replace(make.metrics, accuracy=0.6)
    history = make.history(make.run, make.replace(make.eval, metrics=(poor, make.constant)), make.end)
    assert notes(history)[:2] == (
        "mean val accuracy 78.5 % is not above the majority predictor's 87.5 %",
        "no better than the majority predictor on 2 of 2 tasks: Young, Wearing_Hat",
    )


def test_constant_and_unlabelled_tasks_are_named(make):
    unlabelled = make.replace(make.constant, task="Young", num_labelled=0, accuracy=None, majority_accuracy=None)
    history = make.history(make.run, make.replace(make.eval, split="test", metrics=(unlabelled, make.constant)), make.end)
    assert "task Young is without a label on test: no measure at all" in notes(history)
    assert "task Wearing_Hat is constant on test: no balanced accuracy" in notes(history)
    both = make.history(make.run, make.replace(make.eval, metrics=(make.replace(make.constant, task="Young"), make.constant)), make.end)
    assert "tasks Young, Wearing_Hat are constant on val: no balanced accuracy" in notes(both)
    # Of val too where test has both classes: without it the curve of that task stays empty.
    only_val = make.replace(make.eval, metrics=(make.metrics, make.constant))
    test = make.replace(make.eval, split="test", metrics=(make.metrics, make.metrics))
    assert notes(make.history(make.run, only_val, test, make.end))[1:] == ("task Wearing_Hat is constant on val: no balanced accuracy",)


def test_chosen_thresholds_are_told(make):
    chosen = make.replace(make.metrics, threshold=0.3)
    sentence = "the thresholds of 1 of 2 tasks were chosen on val for balanced accuracy, not for accuracy; val's own figures are optimistic"
    for split in ("val", "test"):
        assert sentence in notes(make.history(make.run, make.replace(make.eval, split=split, metrics=(chosen, make.constant)), make.end))
    assert not any("threshold" in note for note in notes(make.history(make.run, make.eval, make.end)))


def test_a_dst_that_hardly_drops_is_called_so(make):
    sentence = "P stayed ≥ 0.9 for 2 of 2 tasks: dst hardly dropped anything"
    kept = make.replace(make.epoch, probabilities=(1.0, 0.9))
    dropped = make.replace(make.epoch, epoch=1, probabilities=(1.0, 0.89))
    assert sentence in notes(make.history(make.run, kept, make.end))
    assert not any("DST" in note for note in notes(make.history(make.run, kept, dropped, make.end)))  # 1 of 2 is not most
    three = make.replace(make.run, tasks=("a", "b", "c"), positive_rates=(0.5,) * 3)
    one_rare = make.replace(make.epoch, task_losses=(0.1,) * 3, active_shares=(0.5,) * 3, probabilities=(1.0, 1.0, 0.1))
    assert not any("DST" in note for note in notes(make.history(three, one_rare, make.end)))  # 2 of 3, but on average 0.7
    assert not any("DST" in note for note in notes(make.history(make.replace(make.run, scheduler="mtl"), kept, make.end)))
    assert not any("DST" in note for note in notes(make.history(make.run, make.end)))


def test_an_earlier_better_epoch_is_mentioned_when_it_matters(make):
    def run(last: float) -> tuple[str, ...]:
        worse = make.replace(make.metrics, balanced_accuracy=last)
        return notes(make.history(make.run, make.eval, make.replace(make.eval, epoch=1, metrics=(worse, make.constant)), make.end))

    assert "val balanced accuracy was best after epoch 1 (0.800), not after epoch 2 (0.790)" in run(0.79)
    assert not any("best after" in note for note in run(0.799))
    assert not any("best after" in note for note in run(0.81))


def test_unfinished_resumed_and_killed_runs_say_so(make):
    resumed = make.replace(make.run, resumed_epoch=1)
    stopped = make.replace(make.end, reason="stopped")
    assert notes(make.history(make.run, make.epoch)) == ("the run is unfinished: 1 of 3 epochs are done",)
    assert notes(make.history(make.run, stopped)) == ("the run is stopped: 0 of 3 epochs are done",)
    diverged = make.replace(make.end, reason="diverged", detail="epoch 0, step 3: key \x1b")
    assert notes(make.history(make.run, diverged)) == ("the run has diverged: 0 of 3 epochs are done; epoch 0, step 3: key \\x1b",)
    assert notes(make.history(make.run, stopped, resumed, make.end)) == ("the run was resumed 1 time",)
    assert notes(make.history(make.run, resumed, resumed, make.end)) == (
        "the run was resumed 2 times",
        "the wall time leaves out 2 processes that died without an end record",
    )


def test_names_in_sentences_carry_no_control_characters(make):
    constant = make.replace(make.constant, task=make.hostile)
    history = make.history(make.run, make.replace(make.eval, metrics=(make.metrics, constant)), make.end)
    assert all(note.isprintable() for note in notes(history))


def test_tasks_that_never_learned_come_first_in_the_notes_and_stand_in_the_headline(make):
    dead, alike = make.replace(make.metrics, constant="logits"), make.replace(make.metrics, task="Bald", constant="answers")
    history = make.history(make.run, make.replace(make.eval, split="test", metrics=(dead, alike)), make.end)
    assert notes(history)[:2] == (
        "task Young never learned: the model gives it one and the same logit for every test image",
        "the answer to task Bald is the same for every test image; balanced accuracy is then 0.5",
    )
    assert headline(summarise(history)).endswith(" · 1 of 2 tasks never learned · one answer for all images on 1 of 2 tasks")
    both = (dead, make.replace(dead, task="Bald"))
    many = notes(make.history(make.run, make.replace(make.eval, metrics=both), make.end))
    assert many[0] == "2 tasks (Young, Bald) never learned: the model gives each one and the same logit for every val image"
