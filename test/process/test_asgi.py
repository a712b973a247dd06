"""The uvicorn command that serves an ASGI application."""

import importlib.util
import sys

import pytest

from httpprocessproxy.config import AUTO, Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.process import LaunchSpec, asgi_command


def command(address: Address, **options: bool) -> tuple[str, ...]:
    return asgi_command("shop.web:app", address, **{"is_factory": False, "debug": False, **options})


def value(words: tuple[str, ...], option: str) -> str:
    return words[words.index(option) + 1]


def test_uvicorn_runs_in_own_interpreter_on_port_of_launch_spec() -> None:
    launch_spec = LaunchSpec(command(AUTO), AUTO)
    assert launch_spec.words[:4] == (sys.executable, "-m", "uvicorn", "shop.web:app")
    assert value(launch_spec.words, "--host") == "localhost"
    assert value(launch_spec.words, "--port") == str(launch_spec.address.port)


def test_inherited_socket_replaces_host_and_port() -> None:
    words = command(AUTO, inherits=True)
    assert value(words, "--fd") == "{fd}"
    assert not {"--host", "--port"} & {*words}


@pytest.mark.parametrize(
    ("host", "trusted_forwarded"),
    [
        ("localhost", "127.0.0.1,::1"),
        ("127.0.0.1", "127.0.0.1,::1"),
        ("", "127.0.0.1,::1"),
        ("192.0.2.7", "127.0.0.1,::1,192.0.2.7"),
        ("2001:db8::7", "127.0.0.1,::1,2001:db8::7"),
    ],
)
def test_forwarded_fields_of_proxy_are_trusted(host: str, trusted_forwarded: str) -> None:
    assert value(command(Address(host, 8001)), "--forwarded-allow-ips") == trusted_forwarded


def test_debug_and_factory_options_become_uvicorn_options() -> None:
    assert value(command(AUTO), "--log-level") == "warning"
    assert value(command(AUTO, debug=True), "--log-level") == "debug"
    assert "--factory" not in command(AUTO)
    assert "--factory" in command(AUTO, is_factory=True)


def test_missing_uvicorn_error_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'http-process-proxy\[asgi\]'"):
        command(AUTO)
