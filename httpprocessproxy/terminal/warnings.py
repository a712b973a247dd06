"""Warnings at the start: limits of the platform, and access from other machines."""

import sys
from collections.abc import Iterator

from httpprocessproxy.config import Address
from httpprocessproxy.process import has_proc

WITHOUT_PROC = (
    "warning: /proc is missing: processes that leave the server's process group outlive it, the "
    "server reads all keys, and the holder of a port is unknown; the rest works"
)


def start_warnings(bind: Address) -> Iterator[str]:
    """The warnings for a proxy at `bind`."""
    if sys.platform == "linux" and not has_proc():
        yield WITHOUT_PROC
    if not bind.is_loopback:
        yield f"warning: {bind} can be reached from other machines"
