"""Two processes, so that nothing of the backend is left even when one of them is killed.

The guard is the process that was started; the program runs in its only child. Killed by any
means, the program leaves its orphans to the guard, which is a subreaper: it ends them and puts
the terminal right. If it is the guard that is killed, the kernel sends the program SIGTERM. Should
both be killed at once, a third process ends the backend: orphans.py.

In all else the two behave as one. What `kill` sends to the guard is passed on; what a terminal
sends, both get anyway. If the program stops (Ctrl+Z), so does the guard, for it is the guard
that the shell watches; and the guard's exit status is the program's. As PID 1 of a container
it also reaps strangers. It sleeps until a signal comes, and never runs anything else.
"""

import os
import signal
import sys
from collections.abc import Callable

from httpprocessproxy.process import linux, screen, tree
from httpprocessproxy.process.orphans import RUN, Reaper
from httpprocessproxy.process.terminal import Modes, is_foreground

_PASSED_ON = {
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTSTP,
    signal.SIGCONT,
    signal.SIGUSR1,
    signal.SIGUSR2,
}
# Blocked, but not waited for: SIGTTOU would stop us for restoring the terminal.
_BLOCKED = _PASSED_ON | {signal.SIGCHLD, signal.SIGTTOU}


def guarded(main: Callable[[], int]) -> int:
    """Run `main` under a guard, and return its exit status, 128 + n if signal n ended it.

    Returns in both processes; the caller exits with what it gets. Call it early: it forks.
    Only on Linux; elsewhere it just calls `main`.
    """
    # Ignored, as some parents leave it, it would make exit statuses vanish.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform != "linux":
        return main()
    sys.stdout.flush()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    linux.become_subreaper()
    guard = os.getpid()
    # Of a shell that became us by `exec`; not of the program, so not ours to end.
    foreign = frozenset(p.pid for p in linux.descendants(guard, lambda _: True))
    screen.share_with_children()
    reaper = Reaper()
    pid = os.fork()
    if pid != 0:
        return _Guard(pid, foreign, reaper).run()
    os.environ[RUN] = reaper.run
    linux.die_with_parent(signal.SIGTERM)
    if os.getppid() != guard:
        os.kill(os.getpid(), signal.SIGTERM)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Python's handler only sets a flag, and a system call that is about to block does not
        # look at it. Until the event loop handles signals there is nothing to clean up.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return main()


class _Guard:
    def __init__(self, pid: int, foreign: frozenset[int], reaper: Reaper) -> None:
        self._pid = pid
        self._foreign = foreign
        self._reaper = reaper
        self._modes = Modes.of(0) if is_foreground(0) else None

    def run(self) -> int:
        """Watch until the program ends; return the exit status for both."""
        # A watcher hears that the working directory is gone once no process is in it.
        os.chdir("/")
        # What came before there was a program, it has not got, whoever sent it.
        while (info := signal.sigtimedwait(_PASSED_ON, 0)) is not None:
            self._send(info.si_signo)
        while (status := self._reap()) is None:
            info = signal.sigwaitinfo(_PASSED_ON | {signal.SIGCHLD})
            if info.si_signo != signal.SIGCHLD and _is_for_us_alone(info):
                self._send(info.si_signo)
        self._clean_up()
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _reap(self) -> int | None:
        """Reap all that ended, and return the program's status if it is among them."""
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                return None
            if pid == self._pid:
                if not os.WIFSTOPPED(status):
                    return status
                self._stop_too()

    def _stop_too(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
        # Somebody continued us, perhaps us alone.
        self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        # It is our child and not reaped: the number is still its own.
        os.kill(self._pid, number)

    def _clean_up(self) -> None:
        if self._modes is not None and is_foreground(0):
            self._modes.apply(0)
        if (undoing := screen.left_by_child()) and os.isatty(1):
            os.write(1, undoing)
        try:
            spared = {self._reaper.pid} if self._reaper.pid is not None else set()
            tree.end_all(self._foreign | spared, everything=True)
        except tree.StopError as error:
            sys.stderr.write(f"{error}\n")
        self._reaper.dismiss()


def _is_for_us_alone(info: "signal.struct_siginfo") -> bool:
    # sigaction(2): a positive si_code is the kernel's, here the terminal's, and for the whole
    # group. Except SIGHUP: that one it sends to a session's leader, which may be us.
    return info.si_code <= 0 or info.si_signo == signal.SIGHUP
