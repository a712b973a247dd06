"""The next free port, for a project whose port is taken by the proxy of another folder.

So two checkouts of a project run side by side without a changed file. A port that any other program
has is an error: the user expects that program to be there, or not to be.
"""

import socket
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.proxy.server import listen
from httpprocessproxy.system.registry import Registration, RunningProxy

_MAX_TRIES: Final = 100


@dataclass(frozen=True, slots=True)
class BoundSockets:
    """Listening sockets at `address`; `notes` are lines for the user if it is another one."""

    address: Address
    sockets: list[socket.socket]
    notes: tuple[str, ...] = ()


def listen_or_move(
    bind: Address, registration: Registration | None, used: Collection[Address]
) -> BoundSockets:
    """Listen on an address, or on the next free port if the proxy of another folder has it.

    `used` are the addresses of the project's own services. Only a project moves. The address is
    added to the registration. Raises UserError.
    """
    with ExitStack() as stack:
        others: Sequence[RunningProxy] = ()
        if registration is not None:
            # Projects that start at once would not know whose the port is, if it were not locked.
            with suppress(OSError):
                others = stack.enter_context(registration.registry.locked())
        bound = _listen_or_move(bind, registration, others, used)
        if registration is not None:
            with suppress(OSError):
                address = bound.address
                reached = [(host, address.port) for host in address.reached_hosts]
                registration.bound(str(address), reached)
        return bound


def _listen_or_move(
    bind: Address,
    registration: Registration | None,
    others: Sequence[RunningProxy],
    used: Collection[Address],
) -> BoundSockets:
    """Raises UserError."""
    try:
        return _listen(bind)
    except UserError:
        owner = None
        if registration is not None and registration.entry.is_project:
            owner = _owner(bind, registration.entry.folder, others)
        if owner is None:
            raise
        for port in range(bind.port + 1, min(bind.port + _MAX_TRIES, 65536)):
            moved = replace(bind, port=port)
            if any(moved.overlaps(address) for address in used):
                continue
            with suppress(UserError):
                note = f"{bind} belongs to the proxy of {owner.folder}: using {moved}"
                return replace(_listen(moved), notes=(note,))
        raise


def _listen(bind: Address) -> BoundSockets:
    """Raises UserError."""
    sockets = listen(bind)
    return BoundSockets(replace(bind, port=sockets[0].getsockname()[1]), sockets)


def _owner(bind: Address, folder: str, others: Sequence[RunningProxy]) -> RunningProxy | None:
    """The proxy of another folder at an address."""
    for proxy in others:
        if proxy.folder != folder and proxy.bind and Address.parse(proxy.bind).overlaps(bind):
            return proxy
    return None
