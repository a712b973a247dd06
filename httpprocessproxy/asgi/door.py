"""The front door's TCP port, with HTTP/1.1 for an application in place of the data plane."""

import asyncio
from collections.abc import Callable
from typing import cast

from httpprocessproxy.core.hosts import HostRule
from httpprocessproxy.front_door.certificates import Identity
from httpprocessproxy.front_door.door import Door, _Chooser
from httpprocessproxy.proxy import Plane

NewProtocol = Callable[[], asyncio.Protocol]


class ApplicationDoor(Door):
    """See `Door`."""

    def __init__(
        self,
        identity: Identity,
        hosts: HostRule,
        new_http1: NewProtocol,
        new_http2: NewProtocol,
        alt_svc: bytes | None,
    ) -> None:
        # Only the chooser below would ask the data plane.
        super().__init__(identity, cast(Plane, None), hosts, new_http2, alt_svc)
        self._new_http1 = new_http1

    def _new_chooser(self) -> _Chooser:
        return _Chooser(self._new_http1, self._new_http2)
