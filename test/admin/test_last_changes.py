"""The last changes: of each service, from before and during the recording."""

from httpprocessproxy.admin.last_changes import LastChanges
from httpprocessproxy.core.build import Build
from httpprocessproxy.events import BuildChanged, EventBus, Refreshed
from test.messages import state


def test_state_and_time_of_the_last_change_are_recorded() -> None:
    bus, changes = EventBus(), LastChanges()
    bus.publish(state("running", "loading"))
    with changes.recording(bus):
        began = changes.states["web"]
        assert began.state == "running"
        assert changes.changed_ms == {"web": began.at_ms}
        bus.publish(state("killing", "running"))
        assert changes.states["web"].state == "killing"
        assert changes.changed_ms == {"web": began.at_ms}
        bus.publish(Refreshed(service="web", paths=["a.css"]))
        (refreshed,) = bus.recent(Refreshed)
        assert changes.changed_ms == {"web": refreshed.at_ms}
    bus.publish(Refreshed(service="web", paths=["a.css"]))
    assert changes.changed_ms == {"web": refreshed.at_ms}


def test_last_build_is_recorded() -> None:
    bus, changes = EventBus(), LastChanges()
    with changes.recording(bus):
        for build in (Build("running", "make"), Build("succeeded", "make", ms=20.0)):
            bus.publish(BuildChanged(service="web", build=build, generation=1), keep=False)
    assert changes.builds["web"].build.state == "succeeded"
