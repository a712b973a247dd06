"""A service that the proxy does not start: its gate, its status and its only notice."""

from httpprocessproxy.config import Address, ServiceConfig
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.events import EventBus, Notice
from httpprocessproxy.service.external import ExternalService
from httpprocessproxy.service.waiter import Target
from test.loops import on_every_loop
from test.supervision import FakeWaiter

ADDRESS = Address("localhost", 5173)


def external(bus: EventBus | None = None) -> ExternalService:
    return ExternalService(ServiceConfig(ADDRESS, name="vite"), bus or EventBus())


@on_every_loop
async def test_gate_admits_at_once_to_each_host_of_the_address() -> None:
    service = external()
    waiter = FakeWaiter()
    assert service.gate.enter(waiter)
    target = Target(GenerationId("vite", 1), "127.0.0.1", 5173, other_hosts=("::1",))
    assert waiter.target == target
    assert service.gate.leads_to(target)


@on_every_loop
async def test_status_is_that_of_a_running_server_without_a_process() -> None:
    status = external().status()
    assert (status.state, status.generation, status.pid) == ("running", 1, None)
    assert status.since


@on_every_loop
async def test_outage_is_reported_once_and_again_after_a_response() -> None:
    bus = EventBus()
    service = external(bus)
    problems = [service.unreachable() for _ in range(2)]
    assert len(bus.recent(Notice)) == 1
    service.gate.answered(FakeWaiter())
    problems.append(service.unreachable())
    assert [notice.service for notice in bus.recent(Notice)] == ["vite", "vite"]
    assert {problem.status for problem in problems} == {502}


@on_every_loop
async def test_page_of_an_outage_names_the_address_for_trusted_clients_alone() -> None:
    problem = external().unreachable()
    assert "localhost:5173" in problem.detail
    assert "localhost" not in problem.for_strangers().detail
    # The proxy does not learn that the server is back.
    assert problem.is_final


@on_every_loop
async def test_server_is_not_controlled_and_has_no_output() -> None:
    bus = EventBus()
    service = external(bus)
    service.restart("the dashboard")
    service.stop("the API")
    service.start("the API")
    await service.fence()
    assert service.tail() == ""
    assert [notice.text for notice in bus.recent(Notice)] == [
        f"{source} cannot control vite: the proxy does not start its server"
        for source in ("the dashboard", "the API", "the API")
    ]
    assert service.status().state == "running"
