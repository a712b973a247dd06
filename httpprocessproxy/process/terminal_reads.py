"""Detection of processes that wait for input from their terminal. Linux only (proc(5)).

A thread waits for input when it is blocked in a read of the terminal, or in a poll, select or
epoll that includes it. /proc shows the system call and its arguments, and the memory that pointers
among them refer to. A thread that computes or sleeps does not wait, though it may read later.
"""

import os
import re
import struct
import sys
from collections.abc import Set as AbstractSet

from httpprocessproxy.process import linux

# System call numbers: x86-64 has its own, newer architectures share one list.
_X86_64 = {"read": (0, 19), "poll": (7, 271), "select": (23, 270), "epoll": (232, 281, 441)}
_GENERIC = {"read": (63, 65), "poll": (73,), "select": (72,), "epoll": (22, 441)}
_CALLS = {"x86_64": _X86_64, "aarch64": _GENERIC, "riscv64": _GENERIC}
_KINDS = {
    number: kind
    for kind, numbers in _CALLS.get(os.uname().machine, {}).items()
    for number in numbers
}

_POLLIN = _EPOLLIN = 1
_POLLFD = struct.Struct("=ihh")
_EPOLL_ENTRY = re.compile(rb"^tfd:\s*(\d+) events:\s*([0-9a-f]+)", re.MULTILINE)

# A program that polls more descriptors than this is a server, and does not read a keyboard.
_MAX_POLLED = 64 * 1024

# Addresses from here on are the kernel's, and not valid offsets in /proc/PID/mem.
_KERNEL = 1 << 63

# From this value of Yama's ptrace_scope on, only root may inspect other processes.
_ROOT_ONLY = 2


def is_supported() -> bool:
    """Whether `waits_for` works on this system."""
    if sys.platform != "linux" or not linux.has_proc() or not _KINDS:
        return False
    if not os.access("/proc/self/syscall", os.R_OK):
        return False  # A kernel or a sandbox without /proc/PID/syscall.
    try:
        scope = int(_read("/proc/sys/kernel/yama/ptrace_scope"))
    except FileNotFoundError:
        return True
    return scope < _ROOT_ONLY or os.geteuid() == 0


def waits_for(pid: int, terminal: str, *, only_in_read: bool = False) -> bool:
    """Whether a thread of the process waits for input from the terminal, such as "/dev/pts/3".

    With `only_in_read`, one that waits for other events as well does not count. False if the
    process has ended. Raises PermissionError if it may not be inspected.
    """
    try:
        fds = _descriptors_of(pid, terminal)
        tasks = os.listdir(f"/proc/{pid}/task") if fds else []
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(_waits(pid, task, fds, only_in_read) for task in tasks)


def _descriptors_of(pid: int, terminal: str) -> AbstractSet[int]:
    names = os.listdir(f"/proc/{pid}/fd")
    return {int(name) for name in names if _link(pid, name) in (terminal, "/dev/tty")}


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{name}")
    except FileNotFoundError:
        return ""  # closed meanwhile


def _waits(pid: int, task: str, fds: AbstractSet[int], only_in_read: bool) -> bool:
    """Whether this thread waits for input from one of the descriptors."""
    try:
        number, *rest = _read(f"/proc/{pid}/task/{task}/syscall").split()
        kind = _KINDS.get(int(number)) if rest[2:] else None
        if kind is None or (only_in_read and kind != "read"):
            return False  # "running", or asleep in another call
        first, second = (int(word, 16) for word in rest[:2])
        match kind:
            case "read":
                return first in fds
            case "poll":
                return _is_polled(pid, fds, first, second)
            case "select":
                return _is_selected(pid, fds, first, second)
            case _:
                return _is_registered(pid, fds, first)
    except (FileNotFoundError, ProcessLookupError):
        return False  # It has ended.


def _is_polled(pid: int, fds: AbstractSet[int], address: int, count: int) -> bool:
    memory = _memory(pid, address, min(count, _MAX_POLLED) * _POLLFD.size)
    whole = len(memory) // _POLLFD.size * _POLLFD.size
    entries = _POLLFD.iter_unpack(memory[:whole])
    return any(fd in fds and events & _POLLIN for fd, events, _ in entries)


def _is_selected(pid: int, fds: AbstractSet[int], count: int, address: int) -> bool:
    bits = _memory(pid, address, min(count, _MAX_POLLED) // 8 + 1) if address else b""
    readable = int.from_bytes(bits, "little")
    return any(fd < count and readable >> fd & 1 for fd in fds)


def _is_registered(pid: int, fds: AbstractSet[int], epoll_fd: int) -> bool:
    entries = _EPOLL_ENTRY.findall(_read(f"/proc/{pid}/fdinfo/{epoll_fd}"))
    return any(int(fd) in fds and int(events, 16) & _EPOLLIN for fd, events in entries)


def _memory(pid: int, address: int, size_bytes: int) -> bytes:
    if not size_bytes or address >= _KERNEL:
        return b""  # A program that sleeps by polling nothing may pass any address.
    fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, size_bytes, address)
    except OSError:
        return b""  # The call has returned, and the memory is reused or unmapped.
    finally:
        os.close(fd)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()
