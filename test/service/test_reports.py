"""Lines about a service: in the terminal, and in the output that pages show."""

from httpprocessproxy.service.reports import Reports
from test.children import FakeOutput


def test_report_is_printed_and_shown_but_is_not_the_servers_output() -> None:
    output, said = FakeOutput(), list[str]()
    output.printed = b"loading\n"
    reports = Reports(output, said.append)
    reports.report("no answer")
    assert said == ["no answer"]
    assert output.tail == b"loading\nhttp-process-proxy: no answer\n"
    assert reports.tail() == b"loading\n"


def test_reloader_is_reported_once() -> None:
    said = list[str]()
    reports = Reports(FakeOutput(), said.append)
    for _ in range(2):
        reports.report_reloader("its own reloader is on")
    (line,) = said
    assert line.startswith("its own reloader is on (each save restarts")
