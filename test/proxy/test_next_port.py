"""The next free port of a project, beside proxies of other folders and other programs."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.proxy.next_port import BoundSockets, listen_or_move
from httpprocessproxy.system.registry import ProxyRegistry, Registration
from test.ports import free_port


@pytest.fixture
def registry(tmp_path: Path) -> ProxyRegistry:
    return ProxyRegistry(tmp_path / "registry")


@pytest.fixture
def taken() -> Iterator[Address]:
    """An address at which another program listens."""
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        yield Address("127.0.0.1", listener.getsockname()[1])


@contextlib.contextmanager
def project(registry: ProxyRegistry, folder: Path) -> Iterator[Registration]:
    folder.mkdir(exist_ok=True)
    claimed = registry.claim(folder)
    assert isinstance(claimed, Registration)
    with claimed:
        yield claimed


@contextlib.contextmanager
def other_proxy(registry: ProxyRegistry, folder: Path, bind: Address) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    with registry.register(folder) as registration:
        with registry.locked():
            registration.bound(str(bind), ())
        yield


def port(bound: BoundSockets) -> int:
    (listener,) = bound.sockets
    with listener:
        found: int = listener.getsockname()[1]
    return found


def test_port_zero_is_a_free_one(registry: ProxyRegistry, tmp_path: Path) -> None:
    with project(registry, tmp_path) as mine:
        found = port(listen_or_move(Address("127.0.0.1", 0), mine, ()))
        assert registry.proxies()[0].bind == f"127.0.0.1:{found}"


def test_free_port_is_used_without_a_note(registry: ProxyRegistry, tmp_path: Path) -> None:
    bind = Address("127.0.0.1", free_port())
    with project(registry, tmp_path / "a") as mine:
        bound = listen_or_move(bind, mine, ())
        (entry,) = registry.proxies()
    assert (port(bound), bound.notes) == (bind.port, ())
    assert entry.bind == str(bind)


def test_port_of_another_folders_proxy_moves_the_project(
    registry: ProxyRegistry, tmp_path: Path, taken: Address
) -> None:
    with (
        project(registry, tmp_path / "a") as mine,
        other_proxy(registry, tmp_path / "b", Address("localhost", taken.port)),
    ):
        bound = listen_or_move(taken, mine, ())
    found = port(bound)
    assert found > taken.port
    assert bound.notes == (
        f"{taken} belongs to the proxy of {tmp_path}/b: using 127.0.0.1:{found}",
    )


def test_port_of_a_service_is_left_to_it(
    registry: ProxyRegistry, tmp_path: Path, taken: Address
) -> None:
    with (
        project(registry, tmp_path / "a") as mine,
        other_proxy(registry, tmp_path / "b", taken),
    ):
        used = [Address("127.0.0.1", taken.port + 1), Address("127.0.0.1", taken.port + 2)]
        assert port(listen_or_move(taken, mine, used)) > taken.port + 2


def test_port_of_another_program_is_an_error(
    registry: ProxyRegistry, tmp_path: Path, taken: Address
) -> None:
    elsewhere = Address("127.0.0.1", free_port())
    with (
        project(registry, tmp_path / "a") as mine,
        other_proxy(registry, tmp_path / "b", elsewhere),
        pytest.raises(UserError, match="is in use"),
    ):
        listen_or_move(taken, mine, ())


def test_port_of_a_proxy_in_the_same_folder_is_an_error(
    registry: ProxyRegistry, tmp_path: Path, taken: Address
) -> None:
    with (
        project(registry, tmp_path / "a") as mine,
        other_proxy(registry, tmp_path / "a", taken),
        pytest.raises(UserError, match="is in use"),
    ):
        listen_or_move(taken, mine, ())


def test_command_line_does_not_move(
    registry: ProxyRegistry, tmp_path: Path, taken: Address
) -> None:
    with other_proxy(registry, tmp_path / "b", taken), registry.register(tmp_path) as mine:
        for registration in (mine, None):
            with pytest.raises(UserError, match="is in use"):
                listen_or_move(taken, registration, ())
