"""No process survives: all kinds of wrappers, all signals, and SIGKILL of the program itself."""

import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from test import processes
from test.deadline import MS, eventually
from test.harness import Proxy, backend

SHAPES = ["server", "shell", "shells", "background", "setsid", "nohup", "double-fork"]
STATUSES = {
    signal.SIGINT: 130,
    signal.SIGTERM: 143,
    signal.SIGHUP: 129,
    signal.SIGKILL: 137,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("signum", STATUSES, ids=lambda signum: signum.name)
def test_no_process_survives_a_signal(project: Path, shape: str, signum: signal.Signals) -> None:
    with Proxy(project, backend("tree.py", shape)) as proxy:
        proxy.running()
        assert len(proxy.left_over()) >= 2
        assert proxy.stop(signum, within_s=2000 * MS) == STATUSES[signum]
        eventually(lambda: not proxy.left_over(), 2000 * MS)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_process_of_the_backend_survives_a_restart(project: Path, shape: str) -> None:
    with Proxy(project, backend("tree.py", shape)) as proxy:
        proxy.running()
        old = set(proxy.left_over()) - {proxy.process.pid}
        count = len(old)
        with proxy.restart():
            proxy.save("a.py", "1")
        new = set(proxy.left_over())
        assert len(new - {proxy.process.pid}) <= count
        assert len(new & old) <= 1, "at most the program's own guard remains"


@pytest.mark.parametrize("state", ["loading", "error"])
@pytest.mark.parametrize("signum", STATUSES, ids=lambda signum: signum.name)
def test_program_ends_in_any_state(project: Path, state: str, signum: signal.Signals) -> None:
    name = "never_listens.py" if state == "loading" else "crash.py"
    with Proxy(project, backend(name)) as proxy:
        proxy.wait_state(state)
        assert proxy.stop(signum, within_s=2000 * MS) == STATUSES[signum]


def test_program_under_nohup_outlives_its_terminal(project: Path) -> None:
    proxy = Proxy(project, backend("tree.py", "server"))
    proxy.arguments.insert(0, "nohup")
    with proxy:
        proxy.running()
        proxy.process.send_signal(signal.SIGHUP)
        with proxy.restart():
            proxy.save("a.py", "1")


def test_program_ends_while_it_kills_the_backend(project: Path) -> None:
    options = ["--kill-signal", "TERM", "--kill-timeout", "60"]
    with Proxy(project, backend("ignores_sigterm.py"), *options) as proxy:
        proxy.running()
        proxy.save("a.py", "")
        proxy.wait_state("killing")
        proxy.expected_statuses = {130}
        # The backend ignores the first signal; a later one, if it counts as another, kills it.
        eventually(lambda: ended_by(proxy, signal.SIGINT))


WRAPPERS = {
    "none": backend("ignores_sigterm.py"),
    "one that obeys": ["sh", "-c", f"{shlex.join(backend('ignores_sigterm.py'))} & wait"],
}


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM], ids=lambda signum: signum.name)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_second_signal_ends_a_server_that_ignores_sigterm(
    project: Path, wrapper: str, first: signal.Signals
) -> None:
    options = ["--kill-signal", "TERM", "--kill-timeout", "60"]
    with Proxy(project, WRAPPERS[wrapper], *options) as proxy:
        proxy.running()
        proxy.process.send_signal(first)
        proxy.expected_statuses = {STATUSES[first], 130}  # they may arrive in either order
        if wrapper == "one that obeys":
            eventually(
                lambda: not any(line.startswith("sh ") for line in proxy.left_over().values())
            )
        eventually(lambda: ended_by(proxy, signal.SIGINT), 2000 * MS)


def test_program_ends_while_the_kill_waits_for_a_request(project: Path, tmp_path: Path) -> None:
    options = ["--kill-signal", "TERM", "--kill-timeout", "60", "--drain", "60"]
    with (
        Proxy(project, backend("echo.py", str(tmp_path)), *options) as proxy,
        proxy.running().connect() as wire,
    ):
        wire.send(b"POST /once?id=1&ms=60000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually((tmp_path / "once.log").exists)
        proxy.save("a.py", "")
        proxy.wait_state("killing")
        assert proxy.stop(signal.SIGINT, within_s=2000 * MS) == 130


def ended_by(proxy: Proxy, signum: signal.Signals) -> bool:
    proxy.process.send_signal(signum)
    return proxy.process.poll() is not None


def test_two_different_signals_in_a_row_end_the_program(project: Path) -> None:
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        assert proxy.stop(signal.SIGTERM, signal.SIGINT) in (143, 130)


def test_held_and_running_requests_do_not_delay_the_end(project: Path) -> None:
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        clients = [proxy.connect() for _ in range(4)]
        host = f"Host: 127.0.0.1:{proxy.port}\r\n\r\n"
        for client, path in zip(clients, ("/hang", "/sse", "/slow?ms=60000", "/"), strict=True):
            client.send(f"GET {path} HTTP/1.1\r\n{host}".encode())
        clients[1].until(b"data: 3")
        assert proxy.stop(within_s=3000 * MS) == 143
        for client in clients:
            client.socket.close()


def test_backend_inherits_no_other_descriptors(project: Path) -> None:
    command = [sys.executable, "-c", "import os, time; print(sorted(os.listdir('/proc/self/fd')));"]
    script = f"{shlex.join(command)}; exec {shlex.join(backend('echo.py'))}"
    with Proxy(project, ["sh", "-c", script]) as proxy:
        proxy.running()
        with proxy.restart():
            proxy.save("a.py", "")
        # 0, 1, 2, and the descriptor that lists the folder.
        proxy.wait_output(r"\['0', '1', '2', '3'\][^\0]*\['0', '1', '2', '3'\]")


def test_pid_1_reaps_adopted_orphans_and_ends_within_a_second(project: Path) -> None:
    """In a container, pid 1 adopts all orphans, which must not stay zombies."""
    orphans = "for i in 1 2 3 4 5; do sh -c 'sleep 0.01 & exit' ; done"
    command = ["sh", "-c", f"{orphans}; exec {shlex.join(backend('echo.py'))}"]
    proxy = Proxy(project, command)
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.geteuid() != 0:
        unshare.insert(1, "--map-root-user")
    proxy.arguments[:0] = unshare
    with proxy:
        proxy.running()
        init = processes.children(proxy.process.pid)
        assert len(init) == 1
        with proxy.restart():
            proxy.save("a.py", "")
        eventually(lambda: not zombies(init[0]), 2000 * MS)
        # --kill-child would hide a slow end, so pid 1 itself gets the signal.
        os.kill(init[0], signal.SIGTERM)
        assert proxy.process.wait(1000 * MS) is not None
        proxy.expected_statuses = {143}


def zombies(pid: int) -> list[int]:
    return [
        child
        for child in processes.children(pid)
        if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    ]


def test_program_with_a_closed_output_keeps_serving(project: Path) -> None:
    """As in `http-process-proxy ... | head`: the backend's output is discarded."""
    proxy = Proxy(project, ["sh", "-c", f"echo hello; exec {shlex.join(backend('echo.py'))}"])
    proxy.arguments[:] = ["sh", "-c", f"exec {shlex.join(proxy.arguments)} 2>&1 | head -n 1"]
    with proxy:
        proxy.running()
        for number in range(3):
            with proxy.restart():
                proxy.save("a.py", str(number))
            assert proxy.get("/").status == 200
        start = f"{sys.executable} -m httpprocessproxy"
        own_pid = min(pid for pid, line in proxy.left_over().items() if line.startswith(start))
        os.kill(own_pid, signal.SIGTERM)
        proxy.process.wait(2000 * MS)
        proxy.expected_statuses = {0}  # that of head
