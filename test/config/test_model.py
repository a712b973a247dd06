"""The configuration: its defaults, and the service of a command line."""

import pytest

from httpprocessproxy.config import Address, Config, ListenConfig, RestartConfig, ServiceConfig

SERVICE = ServiceConfig(Address("", 2), ("true",))


def test_class_attribute_is_the_default() -> None:
    assert RestartConfig.queue_timeout_s == 60
    assert SERVICE.restart.queue_timeout_s == RestartConfig.queue_timeout_s


def test_command_line_configures_exactly_one_service() -> None:
    listen = ListenConfig(Address("", 1))
    assert Config(listen, (SERVICE,)).service is SERVICE
    with pytest.raises(ValueError, match="unpack"):
        _ = Config(listen, (SERVICE, SERVICE)).service
