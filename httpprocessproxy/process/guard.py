"""The guard: a parent process that ends the backend's processes if the program is killed.

The guard is the process that the user started; the program runs in its only child. When the
program is killed by any means, the guard, a subreaper, inherits its orphans, ends them and restores
the terminal. When the guard is killed, the kernel sends the program SIGTERM. When both are killed
at once, a third process ends the backend: reaper.py.

Otherwise the two behave as one process. The guard forwards signals that `kill` sends to it; signals
of a terminal reach both anyway. When the program stops (Ctrl+Z), the guard stops too, because
the shell watches the guard; and the guard's exit status is the program's. As PID 1 of a container
it also reaps foreign orphans. It sleeps until a signal comes, and never runs anything else.
"""

import os
import signal
import sys
from collections.abc import Callable

from httpprocessproxy.process import ending, linux, marks, screen
from httpprocessproxy.process.reaper import Reaper
from httpprocessproxy.process.terminal import Modes, is_foreground

_FORWARDED = {
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTSTP,
    signal.SIGCONT,
    signal.SIGUSR1,
    signal.SIGUSR2,
}
# SIGTTOU is only blocked: it would stop the guard when it restores the terminal.
_BLOCKED = _FORWARDED | {signal.SIGCHLD, signal.SIGTTOU}


def guarded(main: Callable[[], int]) -> int:
    """Run `main` under a guard, and return its exit status, 128 + n if signal n ended it.

    Returns in both processes; the caller exits with the result. Call it early, because it forks.
    Linux only; elsewhere it just calls `main`.
    """
    # Some parents leave SIGCHLD ignored, which discards the exit statuses of children.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform != "linux":
        return main()
    sys.stdout.flush()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    linux.become_subreaper()
    guard = os.getpid()
    # Children of a shell that became this process by `exec`: they are never ended.
    foreign = frozenset(p.pid for p in linux.descendants(guard, lambda _: True))
    screen.share_with_children()
    reaper = Reaper()
    pid = os.fork()
    if pid != 0:
        return _Guard(pid, foreign, reaper).run()
    os.environ[marks.RUN] = reaper.run
    linux.die_with_parent(signal.SIGTERM)
    if os.getppid() != guard:
        os.kill(os.getpid(), signal.SIGTERM)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Python's handler only sets a flag, which a system call that is about to block does not
        # check. Before the event loop handles signals, there is nothing to clean up.
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
        """Forward signals until the program ends; return the exit status for both processes."""
        # inotify reports the removal of a directory only when no process is in it.
        os.chdir("/")
        # Signals from before the fork did not reach the program, whatever their sender.
        while (info := signal.sigtimedwait(_FORWARDED, 0)) is not None:
            self._send(info.si_signo)
        while (status := self._reap()) is None:
            info = signal.sigwaitinfo(_FORWARDED | {signal.SIGCHLD})
            if info.si_signo != signal.SIGCHLD and _is_for_guard_alone(info):
                self._send(info.si_signo)
        self._clean_up()
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _reap(self) -> int | None:
        """Reap all ended children; return the program's wait status if it is among them."""
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
        # SIGCONT may have been sent to the guard alone.
        self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        # The program is an unreaped child, so its pid has not been reused.
        os.kill(self._pid, number)

    def _clean_up(self) -> None:
        if self._modes is not None and is_foreground(0):
            self._modes.apply(0)
        if (restoring := screen.saved_by_child()) and os.isatty(1):
            os.write(1, restoring)
        try:
            ending.end_all(self._remaining)
        except ending.StopError as error:
            sys.stderr.write(f"{error}\n")
        self._reaper.dismiss()

    def _remaining(self) -> list[linux.Process]:
        """All processes of the program, in any session."""
        spared = self._foreign | {self._reaper.pid}
        found = linux.descendants(os.getpid(), marks.may_be_ended)
        return [process for process in found if process.pid not in spared]


def _is_for_guard_alone(info: "signal.struct_siginfo") -> bool:
    # sigaction(2): a positive si_code means the kernel, here the terminal, which signals the whole
    # process group; only SIGHUP goes to the session leader, which may be the guard.
    return info.si_code <= 0 or info.si_signo == signal.SIGHUP
