import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.report.rates import data_wait_share, images_per_second, sentence_of, throughput, verdict_of


def test_two_epochs_worked_out_by_hand(make):
    second = make.replace(
        make.loader,
        epoch=1,
        num_images=2000,
        seconds=5.0,
        data_wait_seconds=0.15,
        warmup_seconds=0.0,
        data_wait_ms=(0.5, 1.0, 9.0),
        rss_anon_bytes=2**31,
        gpu_peak_bytes=None,
    )
    speed = throughput([make.loader, second])
    assert speed.images_per_second == pytest.approx(240.0)  # 6000 images in 25 s
    assert speed.data_wait_share == pytest.approx(0.03)  # 0.75 s of 25 s
    assert speed.verdict == "compute-bound"
    assert speed.sentence == (
        "the loader had a batch ready 97 % of the time; faster training needs a cheaper model step "
        "(precision bf16, a larger micro batch, compile)"
    )
    assert speed.warmup_seconds == 2.5
    assert (speed.rss_anon_bytes, speed.gpu_peak_bytes, speed.num_epochs) == (2**31, 3 * 2**30, 2)


def test_percentiles_are_the_worst_epochs_and_say_which(make):
    second = make.replace(make.loader, epoch=1, data_wait_ms=(0.5, 1.0, 9.0), step_ms=(600.0, 601.0, 519.0))
    speed = throughput([make.loader, second])
    assert (speed.data_wait_ms.epoch, speed.data_wait_ms.median, speed.data_wait_ms.p95, speed.data_wait_ms.p99) == (1, 0.5, 1.0, 9.0)
    assert (speed.step_ms.epoch, speed.step_ms.median, speed.step_ms.p99) == (0, 500.0, 520.0)


def test_a_starving_run_is_data_bound_and_says_by_how_much(make):
    speed = throughput([make.replace(make.loader, data_wait_seconds=4.6)])  # of 20 s
    assert speed.verdict == "data-bound"
    assert speed.sentence == (
        "a faster loader would save up to 23 % of the training time; try more pipeline.threads, a longer pipeline.prefetch, smaller images"
    )
    on_a_cpu = throughput([make.replace(make.loader, data_wait_seconds=4.6, gpu_peak_bytes=None)])
    assert on_a_cpu.verdict == "data-bound"
    assert on_a_cpu.sentence == (
        "on a CPU loading takes its time from training, 23 % of it here; try smaller images or, with a frozen trunk, features.dir"
    )


def test_nothing_measured_says_so(make):
    for records in ([], [make.replace(make.loader, seconds=0.0, num_images=0, data_wait_seconds=0.0)]):
        speed = throughput(records)
        assert (speed.verdict, speed.images_per_second, speed.data_wait_share) == ("n/a", None, None)
        assert speed.sentence == "no training epoch has been measured"


def test_one_epochs_rates(make):
    assert images_per_second(make.loader) == 200.0
    assert data_wait_share(make.loader) == pytest.approx(0.03)
    assert images_per_second(make.replace(make.loader, seconds=0.0)) is None
    assert data_wait_share(make.replace(make.loader, seconds=0.0)) is None


@given(share=st.floats(0, 1))
def test_the_verdict_turns_at_five_percent(share):
    assert verdict_of(share) == ("data-bound" if share > 0.05 else "compute-bound")
    assert "faster" in sentence_of(verdict_of(share), share, on_gpu=True)
