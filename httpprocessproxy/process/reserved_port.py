"""A free port that this proxy has chosen, and that no other proxy on the machine chooses meanwhile.

A port is free until its server listens, so two proxies that start at once might choose the same
one, and requests of one project would reach the server of the other. On Linux each chosen port is
also the name of an abstract Unix socket (unix(7)): the kernel keeps these per network namespace, as
it keeps ports, and removes them with their process.
"""

import os
import socket
import sys
import weakref
from collections.abc import Sequence
from typing import Final

from httpprocessproxy.process.ports import find_free_port

_NAME: Final = "\0http-process-proxy/port/{}"


class ReservedPort:
    """A port that is reserved as long as this object lives."""

    def __init__(self, hosts: Sequence[str]) -> None:
        """Choose a port that is free at all of these addresses. Raises UserError."""
        self.number = find_free_port(hosts, self._reserve)

    def _reserve(self, port: int) -> bool:
        if sys.platform != "linux":
            return True
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as name:
            try:
                name.bind(_NAME.format(port))
            except OSError:
                return False
            weakref.finalize(self, os.close, name.detach())
        return True
