"""The services that a client of `/_hpp/events` hears of, by the URL of its page."""

import pytest

from httpprocessproxy.admin.audience import Audience, Audiences
from httpprocessproxy.core.page.messages import ClientHello
from httpprocessproxy.events import Notice, OutputPrinted, Refreshed
from test.admin.sockets import service
from test.messages import state

ALL = frozenset(("db", "api", "blog", "web"))
MAIN = frozenset(("api", "web"))


SERVICES = (
    service("db"),
    service("api", "/api/**"),
    service("blog", "blog.localhost"),
    service("web", "/**"),
)


def of(path: str, host: str = "localhost:8000", shown: str = "") -> Audience:
    hello = ClientHello(0.0, "", 0.0, frozenset(), path=path, service=shown)
    return Audiences(SERVICES).of(hello, host, is_trusted=True)


@pytest.mark.parametrize(
    ("path", "host", "service", "at_host"),
    [
        ("/", "localhost:8000", "web", MAIN),
        ("/api/orders", "localhost:8000", "api", MAIN),
        ("/%61pi/orders", "localhost:8000", "api", MAIN),
        ("/ä", "localhost:8000", "web", MAIN),
        ("/api/", "blog.localhost:8000", "blog", frozenset(["blog"])),
    ],
)
def test_page_hears_of_the_service_of_its_url_and_of_those_at_its_host(
    path: str, host: str, service: str, at_host: frozenset[str]
) -> None:
    audience = of(path, host)
    assert (audience.service, audience.at_host) == (service, at_host)
    assert audience.is_page


def test_client_without_a_page_hears_of_all_services() -> None:
    audience = of("")
    assert (audience.service, audience.at_host) == ("api", ALL)
    assert all(
        audience.hears(OutputPrinted(service=name, stream="stdout", text="x")) for name in ALL
    )


def test_page_of_the_proxy_hears_of_the_service_that_it_shows() -> None:
    audience = of("/api/", shown="db")
    assert (audience.service, audience.at_host) == ("db", MAIN | {"db"})
    assert of("/api/", shown="no service").service == "api"


@pytest.mark.parametrize(
    ("name", "output", "refresh"),
    [("web", True, True), ("api", False, True), ("blog", False, False), ("db", False, False)],
)
def test_page_gets_its_own_output_and_refreshes_of_its_host(
    name: str, output: bool, refresh: bool
) -> None:
    audience = of("/")
    assert audience.hears(OutputPrinted(service=name, stream="stdout", text="x")) is output
    assert audience.hears(Refreshed(service=name, paths=["a.css"])) is refresh


def test_page_gets_states_and_notices_of_all_services() -> None:
    audience = of("/", "blog.localhost")
    assert audience.hears(state("error"))
    assert audience.hears(Notice(service="db", text="x"))


def test_page_without_a_service_hears_of_the_first_one_with_a_route() -> None:
    hello = ClientHello(0.0, "", 0.0, frozenset(), path="/")
    only_blog = Audiences((service("db"), service("blog", "blog.localhost")))
    assert only_blog.of(hello, "localhost", is_trusted=True).service == "blog"
    no_route = Audiences((service("db"),))
    assert no_route.of(hello, "localhost", is_trusted=True).service == "db"
