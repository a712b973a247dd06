"""The configuration: its defaults, and the service of a command line."""

from dataclasses import replace

import pytest

from httpprocessproxy.config import Address, Config, ListenConfig, RestartConfig, ServiceConfig

SERVICE = ServiceConfig(Address("", 2), ("true",))


def test_class_attribute_is_the_default() -> None:
    assert RestartConfig.queue_timeout_s == 60
    assert SERVICE.restart.queue_timeout_s == RestartConfig.queue_timeout_s


@pytest.mark.parametrize(
    ("routed", "first"), [((True,), 0), ((False, True, True), 1), ((False,) * 2, 0)]
)
def test_first_service_with_a_route_stands_for_the_site(
    routed: tuple[bool, ...], first: int
) -> None:
    services = tuple(SERVICE if each else replace(SERVICE, routes=()) for each in routed)
    assert Config(ListenConfig(Address("", 1)), services).service is services[first]
