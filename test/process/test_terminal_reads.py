"""Detection of processes that wait for terminal input: real programs on their own ptys."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from httpprocessproxy.process import terminal_reads as reading
from test.deadline import eventually

pytestmark = pytest.mark.skipif(not reading.is_supported(), reason="not supported by the system")

ASYNCIO = """
import asyncio, sys
async def main():
    asyncio.get_running_loop().add_reader(0, print)
    print("up", flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""
READERS = {
    "input": "input('up')",
    "readline": "import readline; input('up')",
    "a line": "print('up', flush=True); import sys; sys.stdin.readline()",
    "bytes": "print('up', flush=True); import os; os.read(0, 1)",
    "of another number": "import os; os.dup2(0, 7); os.close(0); os.write(1, b'up'); os.read(7, 1)",
    "the terminal by its name": "file = open('/dev/tty'); print('up', flush=True); file.readline()",
    "select": "import select; print('up', flush=True); select.select([0], [], [])",
    "poll": "import select; p = select.poll(); p.register(0, 1); print('up', flush=True); p.poll()",
    "epoll": "import select; p = select.epoll(); p.register(0, 1);"
    "print('up', flush=True); p.poll()",
    "an event loop": ASYNCIO,
    "a thread": "import threading, time; threading.Thread(target=input, args=['up']).start();"
    "time.sleep(1000)",
}
OTHERS = {
    "sleeps": "print('up', flush=True); import time; time.sleep(1000)",
    "computes": "print('up', flush=True)\nwhile True: pass",
    "reads a pipe": "import os; r, w = os.pipe(); print('up', flush=True); os.read(r, 1)",
    "selects a pipe": "import os, select; r, w = os.pipe(); print('up', flush=True);"
    "select.select([r], [], [])",
    "polls for something else": "import os, select; r, w = os.pipe(); p = select.poll();"
    "p.register(0, select.POLLPRI); p.register(r); print('up', flush=True); p.poll()",
    "an event loop": "import asyncio; print('up', flush=True); asyncio.run(asyncio.sleep(1000))",
    "polls nothing": "import select; print('up', flush=True); select.poll().poll()",
    "selects nothing, nowhere": "import ctypes; c = ctypes.CDLL(None); print('up', flush=True);"
    "c.select(0, ctypes.c_void_p(-4096), None, None, None)",
    "has closed it": "import os; os.write(1, b'up'); os.closerange(0, 3); os.read(os.pipe()[0], 1)",
}


@contextmanager
def running(source: str) -> Iterator[tuple[int, str]]:
    """Run a Python program as session leader on a new pty, and wait until it prints "up".

    Yields its pid and the name of the pty.
    """
    master_fd, slave_fd = os.openpty()
    name = os.ttyname(slave_fd)
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-S", "-c", source],
        os.environ,
        setsid=True,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, name, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ],
    )
    try:
        printed = b""
        while b"up" not in printed:
            printed += os.read(master_fd, 1024)
        yield pid, name
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master_fd)
        os.close(slave_fd)


@pytest.mark.parametrize("source", READERS.values(), ids=READERS)
def test_process_that_waits_for_input_is_detected(source: str) -> None:
    with running(source) as (pid, name):
        eventually(lambda: reading.waits_for(pid, name))


def test_process_that_polls_does_not_wait_in_a_read() -> None:
    with running(READERS["input"]) as (pid, name):
        eventually(lambda: reading.waits_for(pid, name, only_in_read=True))
    with running(READERS["poll"]) as (pid, name):
        eventually(lambda: reading.waits_for(pid, name))
        assert not reading.waits_for(pid, name, only_in_read=True)


def test_reader_of_another_terminal_is_not_detected() -> None:
    with running(READERS["input"]) as (pid, name):
        eventually(lambda: reading.waits_for(pid, name))
        assert not reading.waits_for(pid, f"{name}0")


@pytest.mark.parametrize("source", OTHERS.values(), ids=OTHERS)
def test_process_that_does_not_read_is_not_detected(source: str) -> None:
    with running(source) as (pid, name):
        eventually(lambda: _is_asleep(pid) or "while True" in source)
        assert not reading.waits_for(pid, name)


def test_unknown_architecture_is_not_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_KINDS", {})
    assert not reading.is_supported()


def test_ended_process_is_not_detected() -> None:
    with running("input('up')") as (pid, name):
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert not reading.waits_for(pid, name)
    assert not reading.waits_for(pid, name)


def _is_asleep(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"
