"""Starting a child: descriptors, session and signals, and the error if it cannot start."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from httpprocessproxy.config import AUTO
from httpprocessproxy.process import (
    InheritedSocket,
    Launcher,
    LaunchSpec,
    Output,
    OutputCopier,
    ProcessTrees,
    SpawnError,
    Terminal,
)
from test.deadline import PATIENCE_S
from test.process.generations import TREE, descriptors, python, started, with_copier, with_output


def error_of(*command: str) -> str:
    async def main(output: Output) -> str:
        with pytest.raises(SpawnError) as caught:
            Launcher(LaunchSpec(command), output, TREE).spawn()
        return str(caught.value)

    return with_output(main)


def script(directory: Path, text: str, mode: int = 0o755) -> str:
    path = directory / "command"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_missing_command_raises_spawn_error() -> None:
    assert (
        error_of("no-such-command") == "cannot start 'no-such-command': No such file or directory"
    )


def test_file_without_execute_permission_raises_spawn_error(tmp_path: Path) -> None:
    path = script(tmp_path, "#!/bin/sh\n", 0o644)
    assert error_of(path) == f"cannot start {path!r}: Permission denied"


def test_missing_interpreter_is_distinguished_from_missing_command(tmp_path: Path) -> None:
    path = script(tmp_path, "#!/no/such/interpreter\n")
    why = "No such file or directory: the interpreter in the first line of"
    assert error_of(path) == f"cannot start {path!r}: {why} {path}"


def test_script_without_interpreter_line_raises_spawn_error(tmp_path: Path) -> None:
    path = script(tmp_path, "echo hello\n")
    why = f"Exec format error: {path} is not a program and has no #! line"
    assert error_of(path) == f"cannot start {path!r}: {why}"


def test_removed_working_directory_fails_start_until_recreated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)

    async def main(output: Output) -> None:
        launcher = Launcher(LaunchSpec(("pwd",)), output, TREE)
        gone.rmdir()
        with pytest.raises(SpawnError, match=r"^cannot start 'pwd': the working directory is gone"):
            launcher.spawn()
        gone.mkdir()
        assert await launcher.spawn().wait() == 0
        assert output.tail.decode() == f"{gone}\n"

    with_output(main)


def test_failed_start_leaves_no_descriptor_and_no_tail() -> None:
    async def main(output: Output) -> None:
        await (await started(output, "echo", "up")).stop()
        before = descriptors()
        for _ in range(20):
            with pytest.raises(SpawnError):
                Launcher(LaunchSpec(("no-such-command",)), output, TREE).spawn()
        assert output.tail == b""
        await (await started(output, "echo", "up")).stop()
        assert descriptors() <= before

    with_output(main)


def test_child_has_own_session_and_default_signals() -> None:
    source = """
import os, signal
assert os.getsid(0) == os.getpgrp() == os.getpid()
print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())), end=" ")
print(open("/proc/self/status").read().split("SigIgn:")[1].split()[0])
"""

    async def main(output: Output) -> bytes:
        await Launcher(LaunchSpec(python(source)), output, TREE).spawn().wait()
        return output.tail

    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        blocked, ignored = with_output(main).rsplit(maxsplit=1)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        signal.signal(signal.SIGHUP, old)
    assert blocked == b"[]"
    # Python itself ignores these two (and the C library two more, above 31).
    assert int(ignored, 16) % 2**31 == 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1


def test_no_descriptor_leaks_into_the_child() -> None:
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    listing = ("python", "-S", "-c", "import os; print(*os.listdir('/proc/self/fd'))")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "test.process.programs", "run", sys.executable, *listing[1:]],
            pass_fds=[theirs],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    # The fourth is the descriptor of the listed directory.
    assert sorted(done.stdout.split()) == ["0", "1", "2", "3"]


def test_closed_standard_streams_are_replaced() -> None:
    command = [sys.executable, "-m", "test.process.programs", "run", "sh", "-c", "echo out; exit 7"]
    closed = f"exec {' '.join(map(repr, command))} <&- >&-"
    done = subprocess.run(
        ["sh", "-c", closed], timeout=PATIENCE_S, check=False, capture_output=True
    )
    assert done.returncode == 7, done.stderr


@pytest.mark.parametrize("with_pty", [False, True])
def test_hundreds_of_starts_leak_no_descriptor(with_pty: bool) -> None:
    async def main(copier: OutputCopier, output: Output) -> None:
        terminal = Terminal(copier) if with_pty else None
        launcher = Launcher(LaunchSpec(("true",)), output, TREE, terminal)
        await launcher.spawn().stop()
        before = descriptors()
        for _ in range(300):
            assert await launcher.spawn().stop() in (0, -signal.SIGKILL)
        assert descriptors() <= before

    with_copier(main)


def test_stdin_is_inherited() -> None:
    command = [sys.executable, "-m", "test.process.programs", "run", "cat"]
    done = subprocess.run(command, input=b"typed\n", capture_output=True, timeout=PATIENCE_S)
    assert done.stdout == b"typed\n"
    assert done.returncode == 0


def test_spawn_does_not_wait_for_program() -> None:
    async def main(output: Output) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        child = Launcher(LaunchSpec(("sh", "-c", "sleep 1000")), output, TREE).spawn()
        assert loop.time() - begun < 0.1
        assert child.is_running
        await child.stop()

    with_output(main)


LISTENS = """
import os, socket, sys
variables = os.environ["LISTEN_FDS"], os.environ.get("LISTEN_PID") == str(os.getpid())
listener = socket.socket(fileno=3)
accepted, _ = listener.accept()
with accepted:
    accepted.sendall(repr((variables, sorted(map(int, os.listdir("/proc/self/fd")))[:4])).encode())
"""


@pytest.mark.parametrize(("word", "knows_pid"), [("{fd}", False), ("", True)])
def test_child_inherits_listening_socket(word: str, knows_pid: bool) -> None:
    async def main(output: Output) -> None:
        with closing(InheritedSocket(AUTO)) as inherited:
            launcher = Launcher(
                LaunchSpec(python(LISTENS, word), AUTO, inherited=inherited), output, TREE
            )
            # The connection waits in the backlog until the server starts.
            address = inherited.address.host, inherited.address.port
            reader, writer = await asyncio.open_connection(*address)
            child = launcher.spawn()
            assert await reader.read() == repr((("1", knows_pid), [0, 1, 2, 3])).encode()
            writer.close()
            assert await child.wait() == 0

    with_output(main)


@pytest.mark.parametrize("mode", [None, 0o644])
def test_missing_command_behind_shell_raises_spawn_error(tmp_path: Path, mode: int | None) -> None:
    path = script(tmp_path, "#!/bin/sh\n", mode) if mode is not None else "no-such-command"
    why = "No such file or directory" if mode is None else "Permission denied"

    async def main(output: Output) -> None:
        with closing(InheritedSocket(AUTO)) as inherited, pytest.raises(SpawnError) as caught:
            Launcher(LaunchSpec((path,), AUTO, inherited=inherited), output, TREE).spawn()
        assert str(caught.value) == f"cannot start {path!r}: {why}"

    with_output(main)


def test_launcher_beside_reads_no_input_and_has_a_tree_of_its_own() -> None:
    trees = ProcessTrees()
    read_fd, write_fd = os.pipe()
    stdin = os.dup(0)

    async def main(output: Output) -> None:
        launcher = Launcher(LaunchSpec(("serve",)), output, trees.add("web"))
        command = ("sh", "-c", 'cat; echo "$HPP_SERVICE"')
        beside = launcher.beside("before", command)
        assert beside.tree.service == "web/before"
        os.dup2(read_fd, 0)
        try:
            assert await beside.spawn().wait() == 0
        finally:
            os.dup2(stdin, 0)
        assert beside.output.tail.endswith(b"/web/before\n")
        assert output.tail == b""

    try:
        with_output(main)
    finally:
        for fd in (read_fd, write_fd, stdin):
            os.close(fd)
