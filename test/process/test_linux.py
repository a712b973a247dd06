"""Reading /proc: unusual process names, reused pids, open sockets."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from httpprocessproxy.process import linux
from test.deadline import eventually


def started(pid: int, name: str) -> linux.Process | None:
    """The process, once it has executed the program with this name; None before."""
    process = linux.find(pid)
    return process if process and process.name == name and process.command[0] == "/" else None


@pytest.mark.parametrize("name", ["a b", "x) S 1 1 1", "((", "watchman"])
def test_process_with_special_characters_in_name_is_parsed(name: str, tmp_path: Path) -> None:
    program = tmp_path / name
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "1000"]) as process:
        try:
            seen = eventually(lambda: started(process.pid, name))
            assert seen is not None
            assert (seen.parent, seen.session) == (os.getpid(), os.getsid(0))
            assert seen.command == f"{program} 1000"
            assert seen.is_watchman == (name == "watchman")
            assert not seen.is_zombie
            process.kill()
            eventually(lambda: (now := linux.find(process.pid)) is not None and now.is_zombie)
            assert seen.command == f"[{name}]"
        finally:
            process.kill()
    assert linux.find(process.pid) is None


def test_process_with_reused_pid_is_not_killed() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        seen = linux.find(process.pid)
        assert seen is not None
        earlier = linux.Process(
            seen.pid, seen.parent, seen.group, seen.session, seen.started - 1, seen.name, False
        )
        assert linux.kill(earlier) is None
        assert process.poll() is None
        pidfd = linux.kill(seen)
        assert pidfd is not None
        os.close(pidfd)
        assert process.wait() == -9
        assert linux.kill(seen) is None


def test_open_socket_is_found_in_its_process() -> None:
    with socket.socket() as ours:
        inode = os.fstat(ours.fileno()).st_ino
        assert inode in linux.open_sockets(os.getpid())
        holder = linux.holder_of(inode)
        assert holder is not None
        assert holder.pid == os.getpid()
    assert inode not in linux.open_sockets(os.getpid())
    assert linux.holder_of(inode) is None


def test_missing_process_is_none() -> None:
    # Above the highest possible pid (PID_MAX_LIMIT).
    assert linux.find(2**22 + 1) is None
    assert linux.open_sockets(2**22 + 1) == set()
