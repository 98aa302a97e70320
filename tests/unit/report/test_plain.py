from engine.report import plain
from engine.report.summary import summarise
from engine.show.terminal import encodable


def test_the_header(make):
    assert plain.header_lines(make.history(make.run)) == [
        "run trial",
        "  model      vgg16, trunk frozen",
        "             138,422,128 parameters, 64,584 trainable",
        "  device     NVIDIA H100 × 2 · precision bf16",
        "  training   dst scheduler · batch 100 (25 per pass) · 3 epochs of 40 steps",
        "  images     train 4,000 · val 400 · test 500",
        "  positives  Young 75 %, Wearing_Hat n/a",
    ]


def test_a_resumed_header_says_where(make):
    lines = plain.header_lines(make.history(make.replace(make.run, resumed_epoch=2, resumed_step=7, micro_batch_size=50, precision="no")))
    assert "  resumed    at epoch 3, step 8" in lines
    assert any("batch 100 · 3 epochs" in line for line in lines)
    assert any("float32" in line for line in lines)


def test_a_step(make):
    assert plain.step_line(make.history(make.run), make.step) == ("epoch 1/3 step 10/40 loss 0.5000 200 images/s data wait 3 % tasks 10")


def test_an_epoch(make):
    assert plain.epoch_lines(make.history(make.run, make.epoch, make.loader, make.eval), 0) == [
        "epoch 1/3 · loss 0.4000 · 200 images/s · data wait 3.0 % · 20.0 s",
        "                    act. train   val          maj.  bal.",
        "  task           P share  loss  loss  acc.    acc.  acc.    F1 AUROC",
        "  Young       1.00 100 % 0.500 0.400 0.900   0.750 0.800 0.900 0.850",
        "  Wearing_Hat 0.80  75 % 0.250 0.200 0.970 ≤ 1.000   n/a   n/a   n/a",
        "  mean        0.90  88 % 0.375 0.300 0.935   0.875 0.800 0.900 0.850",
    ]


def test_chosen_thresholds_are_a_column_more(make):
    chosen = make.replace(make.eval, metrics=(make.replace(make.metrics, threshold=0.25), make.constant))
    lines = plain.epoch_lines(make.history(make.run, make.epoch, make.loader, chosen), 0)
    assert lines[1:] == [
        "                    act. train   val          maj.  bal.             thre-",
        "  task           P share  loss  loss  acc.    acc.  acc.    F1 AUROC shold",
        "  Young       1.00 100 % 0.500 0.400 0.900   0.750 0.800 0.900 0.850 0.250",
        "  Wearing_Hat 0.80  75 % 0.250 0.200 0.970 ≤ 1.000   n/a   n/a   n/a 0.500",
        "  mean        0.90  88 % 0.375 0.300 0.935   0.875 0.800 0.900 0.850   n/a",
    ]


def test_the_test_table_has_every_measure(make):
    lines = plain.summary_lines(summarise(make.history(*make.records())))
    assert lines[1:6] == [
        "                             maj.  bal.        all+        avg.",
        "  task         loss  acc.    acc.  acc.    F1    F1 AUROC prec.   ECE",
        "  Young       0.400 0.900   0.750 0.800 0.900 0.857 0.850 0.950 0.040",
        "  Wearing_Hat 0.400 0.750 ≤ 0.750 0.800 0.900 0.857 0.850 0.950 0.040",
        "  mean        0.400 0.825   0.750 0.800 0.900 0.857 0.850 0.950 0.040",
    ]
    assert "  test        AUROC 0.850 · F1 0.900 (all positive 0.857) · average precision 0.950 · ECE 0.040 · 500 images" in lines


def test_an_epoch_of_which_little_is_known(make):
    first, *_, mean = plain.epoch_lines(make.history(make.run, make.epoch), 0)
    assert first == "epoch 1/3 · loss 0.4000 · n/a images/s · data wait n/a · n/a"
    assert mean.split() == ["mean", "0.90", "88", "%", "0.375", "n/a", "n/a", "n/a", "n/a", "n/a", "n/a"]


def test_the_end_leads_with_the_result_and_the_verdict(make):
    lines = plain.summary_lines(summarise(make.history(*make.records())))
    start = lines.index("test balanced accuracy 0.800 (chance 0.500) · accuracy 0.825 · majority 0.750")
    assert lines[0] == "test after epoch 3"
    assert lines[start + 1].startswith("compute-bound: the loader had a batch ready 97 % of the time")
    assert lines[start + 2 : start + 6] == [
        "  throughput  200 images/s · data wait 3.0 % · first batch after 7.5 s",
        "  step        median 500 ms · 95th 510 ms · 99th 520 ms (epoch 1, the worst)",
        "  data wait   median 1.00 ms · 95th 2.00 ms · 99th 3.00 ms (epoch 1, the worst)",
        "  memory      process 1.0 GiB · GPU peak 3.0 GiB",
    ]
    assert "note: no better than the majority predictor on 1 of 2 tasks: Wearing_Hat" in lines


def test_nothing_but_printable_characters(make):
    history = make.history(*make.records(tasks=(make.hostile, "Young")))
    lines = [*plain.header_lines(history), *plain.epoch_lines(history, 0), *plain.summary_lines(summarise(history))]
    assert all(line.isprintable() for line in lines)


def test_an_ascii_stream_can_take_every_line(make):
    history = make.history(*make.records(tasks=("Größe", "Young")))
    for line in [*plain.header_lines(history), *plain.epoch_lines(history, 0), *plain.summary_lines(summarise(history))]:
        assert encodable(line, "ascii").isascii()
        assert encodable(line, "utf-8") == line
    assert encodable("a · b", None) == "a | b"
