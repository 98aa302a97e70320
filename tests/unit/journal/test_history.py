import pytest

from engine.journal.history import RunHistory


def test_a_repeated_step_epoch_and_evaluation_count_once_and_the_last_wins(make):
    history = make.history(
        make.run,
        make.step,
        make.epoch,
        make.loader,
        make.eval,
        make.replace(make.step, loss=0.1),
        make.replace(make.epoch, loss=0.2),
        make.replace(make.loader, seconds=7.0),
        make.replace(make.eval, seconds=8.0),
    )
    assert history.steps[0, 9].loss == 0.1
    assert history.epochs[0].loss == 0.2
    assert history.loaders[0].seconds == 7.0
    assert history.evals["val", 0].seconds == 8.0
    assert len(history.steps) == len(history.epochs) == len(history.loaders) == len(history.evals) == 1


def test_a_resumed_process_forgets_what_lies_behind_its_checkpoint(make):
    first = [record for record in make.records() if record is not make.end]
    history = make.history(*first, make.replace(make.run, resumed_epoch=1, resumed_step=20))
    assert sorted(history.steps) == [(0, 19), (0, 39), (1, 19)]
    assert sorted(history.epochs) == sorted(history.loaders) == [0]
    assert sorted(history.evals) == [("val", 0)]
    assert len(history.processes) == 2


def test_a_fresh_start_in_a_used_folder_forgets_everything(make):
    history = make.history(*make.records(), make.run)
    assert not history.steps
    assert not history.evals
    assert not history.ends
    assert history.processes == [make.run]


def test_the_status_follows_the_last_record(make):
    stopped = make.replace(make.end, reason="stopped")
    resumed = make.replace(make.run, resumed_epoch=1)
    assert make.history(make.run, make.step).status == "unfinished"
    assert make.history(make.run, stopped).status == "stopped"
    assert make.history(make.run, stopped, resumed).status == "unfinished"
    assert make.history(make.run, stopped, resumed, make.end).status == "finished"


def test_a_record_before_the_run_is_refused(make):
    with pytest.raises(ValueError, match="no RunRecord yet"):
        RunHistory().add(make.step)


@pytest.mark.parametrize(
    ("kind", "field", "value"), [("step", "active", (True,)), ("epoch", "task_losses", (0.1, 0.2, 0.3)), ("eval", "metrics", ())]
)
def test_values_that_are_not_one_per_task_are_refused(make, kind, field, value):
    record = make.replace(getattr(make, kind), **{field: value})
    with pytest.raises(ValueError, match=rf"{field} holds {len(value)} values for 2 tasks"):
        make.history(make.run, record)
