"""The services of the start lines: keys, URLs, addresses and commands."""

from httpprocessproxy.config import Address, Config, ListenConfig, ServiceConfig, WatchConfig
from httpprocessproxy.config.model import NOWHERE
from httpprocessproxy.core.routes import Route
from httpprocessproxy.terminal.service_lines import service_lines, service_members

LOCAL = Address("localhost", 8001)
SERVICES = (
    ServiceConfig(NOWHERE, ("celery", "-A", "shop"), name="worker", routes=()),
    ServiceConfig(
        LOCAL,
        ("serve", "--it"),
        name="api",
        routes=(Route("", "/api"), Route("api.localhost")),
        watch=WatchConfig(patterns=("*.py",)),
    ),
    ServiceConfig(Address("localhost", 5173), name="web"),
)
CONFIG = Config(ListenConfig(Address("localhost", 8000)), SERVICES)


def test_each_service_has_a_line() -> None:
    assert [*service_lines(CONFIG, {"worker": "1", "api": "2"})] == [
        "1  worker  celery -A shop",
        "2  api     http://localhost:8000/api/  http://api.localhost:8000/  "
        "localhost:8001: serve --it",
        "web     http://localhost:8000/  localhost:5173, not started here",
    ]


def test_each_service_has_its_members() -> None:
    worker, api, web = service_members(CONFIG)
    assert api == {
        "service": "api",
        "urls": ["http://localhost:8000/api/", "http://api.localhost:8000/"],
        "command": ("serve", "--it"),
        "backend": "localhost:8001",
        "patterns": ("*.py",),
        "refresh": (),
    }
    assert (worker["urls"], worker["backend"]) == ([], None)
    assert web["command"] == ()
