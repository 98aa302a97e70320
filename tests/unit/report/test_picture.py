import xml.etree.ElementTree as ET

from engine.report.picture import picture


def words(svg: str) -> str:
    root = ET.fromstring(svg)  # noqa: S314 (our own drawing)
    return " ".join("".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")).replace("\xa0", " ")


def test_it_shows_header_line_last_epoch_and_summary(make):
    text = words(picture(make.history(*make.records())))
    for part in ("138,422,128 parameters", "●", "epoch 3/3", "test after epoch 3", "compute-bound", "tools/report runs/trial"):
        assert part in text, part


def test_it_needs_no_font_from_outside(make):
    svg = picture(make.history(*make.records()))
    assert "@font-face" not in svg
    assert svg.count("http") == svg.count("http://www.w3.org/2000/svg")


def test_hostile_names_and_young_runs_can_be_drawn(make):
    assert "<script>alert(1)</script>" in words(picture(make.history(*make.records(tasks=(make.hostile, "Young")))))
    assert "no evaluation yet" in words(picture(make.history(make.run)))
    assert "waiting" not in words(picture(make.history(make.run, make.step)))
