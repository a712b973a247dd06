"""The picture of two restarts: its bars are as long as the measured stages."""

from xml.etree import ElementTree

import pytest

from test.benchmark.projects import WITH_PANDAS
from test.benchmark.restart import STAGES, stage_of
from test.benchmark.restarters import EMBEDDED, PRELOADED
from test.benchmark.samples import Results
from test.benchmark.timelines import BAR, Timeline, svg, timelines


@pytest.fixture
def results() -> Results:
    results = Results()
    for who, figures in ((EMBEDDED, (1, 9, 5, 785)), (PRELOADED, (1, 9, 15, 55))):
        for stage, ms in zip(STAGES, figures, strict=True):
            results.add(stage_of(WITH_PANDAS, stage), who, 0, ms)
    return results


def test_preloaded_stage_is_the_difference_of_cold_and_warm(results: Results) -> None:
    cold, warm = timelines(results)
    assert cold == Timeline("cold", (10, 5, 730, 55))
    assert warm == Timeline("warm", (10, 15, 0, 55))


def test_longest_timeline_fills_the_picture(results: Results) -> None:
    picture = ElementTree.fromstring(svg(timelines(results), "a caption"))
    boxes = [box for box in picture.iter() if box.tag.endswith("rect")][4:]
    widths = [float(box.attrib["width"]) for box in boxes]
    assert sum(widths[:4]) == pytest.approx(BAR, abs=0.3)
    assert sum(widths[4:]) == pytest.approx(BAR * 80 / 800, abs=0.3)
    text = "".join(picture.itertext())
    assert "800 ms" in text
    assert "80 ms" in text
    assert "a caption" in text


def test_results_without_both_starts_have_no_picture() -> None:
    assert timelines(Results()) == []
