"""The history: stages of a restart, published transitions, and times of starts."""

from httpprocessproxy.core.state import Changed, Exited, Machine, Ready, State
from httpprocessproxy.events import EventBus, RestartReport, StartReport, StateChanged
from httpprocessproxy.service.generation import GenerationOutcome, Start
from httpprocessproxy.service.history import History, Restart, StartTimes


def test_report_of_a_restart_has_the_duration_of_each_stage() -> None:
    restart = Restart({"b.py", "a.py"}, 10.0, 10.001, 10.0035, 10.004, 10.2)

    assert restart.report() == RestartReport(["a.py", "b.py"], 1.0, 2.5, 0.5, 196.0, 200.0)


def test_stage_that_is_not_reached_has_no_duration() -> None:
    report = Restart(set(), 10.0, 10.001).report()

    assert (report.drain_ms, report.stop_ms, report.total_ms) == (1.0, None, None)


def test_each_transition_is_published_with_its_reason() -> None:
    bus, machine = EventBus(), Machine()
    history = History("web", bus, machine)

    machine.start()
    history.began()
    step(machine, history, Ready(1))
    step(machine, history, Changed(frozenset({"b.py", "a.py"})), {"a.py", "b.py"})
    history.drained()
    history.outcome = GenerationOutcome(-9, "stopped")
    step(machine, history, Exited(1, -9), {"a.py", "b.py"})
    history.outcome = GenerationOutcome(3, "exited with status 3")
    step(machine, history, Exited(2, 3), {"a.py", "b.py"})
    step(machine, history, Changed(frozenset()), set(), "restart asked for by the page")

    published = bus.recent(StateChanged)
    assert [(event.before, event.state, event.generation) for event in published] == [
        ("", "loading", 1),
        ("loading", "running", 1),
        ("running", "killing", 1),
        ("killing", "loading", 2),
        ("loading", "error", 2),
        ("error", "loading", 3),
    ]
    assert [event.why.partition(" after")[0] for event in published] == [
        "first start",
        "ready",
        "changed: a.py and 1 more",
        "stopped",
        "exited with status 3,",
        "restart asked for by the page",
    ]
    assert [event.reason for event in published][-2:] == ["exited with status 3", ""]
    assert [event.paths for event in published][2:4] == [["a.py", "b.py"]] * 2
    codes = [event.returncode for event in published]
    assert codes == [None, None, None, None, 3, None], "that of a server that has ended by itself"


def test_report_includes_paths_added_later_in_the_burst() -> None:
    bus, machine = EventBus(), Machine()
    history = History("web", bus, machine)
    machine.start()
    history.began()
    step(machine, history, Ready(1))
    paths = {"a.py"}
    step(machine, history, Changed(frozenset(paths)), paths)

    paths.add("b.py")

    assert history.restart is not None
    assert history.restart.report().paths == ["a.py", "b.py"]


def test_drain_without_a_restart_is_not_recorded() -> None:
    history = History("web", EventBus(), Machine())
    history.drained()
    assert history.last_restart is None


def step(
    machine: Machine,
    history: History,
    event: Changed | Ready | Exited,
    paths: set[str] | None = None,
    request: str = "",
) -> None:
    before: State = machine.state
    machine.handle(event)
    history.entered(before, event, paths if paths is not None else set(), request)


def test_warm_start_reports_the_time_it_saved() -> None:
    boot = StartTimes(None)
    assert boot.report() is None
    boot.began(Start(10.0))
    boot.answered(10.3)
    assert boot.report() == StartReport(False, 300.0, None)
    boot.began(Start(20.0, is_warm=True))
    assert boot.report() == StartReport(True, None, None)
    boot.answered(20.06)
    assert boot.report() == StartReport(True, 60.0, 240.0)


def test_warm_start_compares_with_a_cold_start_of_an_earlier_session() -> None:
    boot = StartTimes(250.0)
    boot.began(Start(20.0, is_warm=True))
    boot.answered(20.06)
    assert boot.report() == StartReport(True, 60.0, 190.0)
