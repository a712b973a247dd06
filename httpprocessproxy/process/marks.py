"""Marks on processes, which their descendants inherit: of a run of the program, and of a service.

A service has two marks. One is an environment variable. The other is a resource limit, for programs
that clear their environment: RLIMIT_RTTIME (getrlimit(2)), set to 146,000 years or more. It applies
to threads with real-time scheduling only, `setsid` and `exec` keep it, and any user may read it.
"""

import contextlib
import hashlib
import os
import resource
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from httpprocessproxy.process.linux import Process

# The environment variable of each process of the program; its value is unique to the run.
RUN: Final = "HTTP_PROCESS_PROXY_RUN"
# The environment variable of a service's processes: RUN/NAME.
SERVICE: Final = "HPP_SERVICE"
# The environment variable of processes that we started for the user, and that outlive us.
NOT_OURS: Final = "HTTP_PROCESS_PROXY_SPARES_THIS"

# A limit consists of this bit, 48 bits of the run, and the service's number.
_LIMIT: Final = 1 << 62
_RUN_BYTES: Final = 6
_NUMBER_BITS: Final = 12


def new_run() -> str:
    """A run id, which no other run of the program has."""
    return f"{os.getpid()}-{secrets.token_hex(8)}"


def may_be_ended(process: Process) -> bool:
    """Whether a process may be killed: not the Watchman daemon, nor started for the user."""
    return process.is_zombie or not (process.is_watchman or NOT_OURS in process.environment)


class Marks:
    """The marks of one run."""

    def __init__(self, run: str) -> None:
        self.run = run
        digest = hashlib.sha256(run.encode()).digest()
        self._base = _LIMIT | int.from_bytes(digest[:_RUN_BYTES]) << _NUMBER_BITS

    def environment(self, service: str) -> Mapping[str, str]:
        """The variable that marks the processes of a service."""
        return {SERVICE: f"{self.run}/{service}"}

    @contextlib.contextmanager
    def limited(self, number: int) -> Iterator[None]:
        """Processes that are spawned meanwhile inherit the limit of the service with this number.

        A real limit stays as it is. Processes that other threads spawn meanwhile inherit it too.
        """
        limits = _limits(0)
        if limits is None or not _is_free(*limits):
            yield
            return
        _set_limits(self._base | number, limits[1])
        try:
            yield
        finally:
            _set_limits(*limits)

    def service_of(self, process: Process, services: Sequence[str]) -> str | None:
        """The service that a mark of the process names; a limit names it by its position."""
        number = (_soft_limit(process.pid) ^ self._base) if self._has_limit(process) else -1
        if 0 <= number < len(services):
            return services[number]
        start = f"{SERVICE}={self.run}/"
        pairs = process.environment_pairs
        named = {pair.removeprefix(start) for pair in pairs if pair.startswith(start)}
        return next((service for service in services if service in named), None)

    def is_on(self, process: Process) -> bool:
        """Whether the process belongs to this run, by any of the marks."""
        return self._has_limit(process) or f"{RUN}={self.run}" in process.environment_pairs

    def _has_limit(self, process: Process) -> bool:
        return _soft_limit(process.pid) >> _NUMBER_BITS == self._base >> _NUMBER_BITS


def _is_free(soft: int, hard: int) -> bool:
    """Whether the limits may be replaced: none, or the mark of a proxy that runs this one."""
    return hard == resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft >= _LIMIT)


def _soft_limit(pid: int) -> int:
    limits = _limits(pid)
    return limits[0] if limits is not None else 0


def _limits(pid: int) -> tuple[int, int] | None:
    """The limits of a process, 0 for our own; None if it is gone, or owned by another user."""
    if sys.platform != "linux":
        return None
    try:
        return resource.prlimit(pid, resource.RLIMIT_RTTIME)
    except OSError:
        return None


def _set_limits(soft: int, hard: int) -> None:
    if sys.platform == "linux":
        # A sandbox may refuse it: then processes have the other mark only.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_RTTIME, (soft, hard))
