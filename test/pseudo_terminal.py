"""A terminal for the program under test: its keyboard and its screen."""

import os
import pty
import re
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from test import processes
from test.deadline import MS, PATIENCE_S, eventually
from test.harness import Proxy, backend


class Terminal:
    """A command in a session of its own, with a pseudo-terminal as its controlling terminal."""

    def __init__(
        self, command: Sequence[str], directory: Path, environment: Mapping[str, str]
    ) -> None:
        self._command = list(command)
        self._directory = directory
        self._environment = environment
        self.screen = ""

    def __enter__(self) -> Self:
        pid, self._master = pty.fork()
        if pid == 0:
            os.chdir(self._directory)
            os.execvpe(self._command[0], self._command, self._environment)
        self.pid = pid
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            error.add_note(f"the screen:\n{self.screen}")
        os.close(self._master)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait_for(self, pattern: str, after: int = 0) -> int:
        """Wait until the pattern is on the screen after position `after`; return its end."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.compile(pattern).search(self.screen, after)):
            assert self._read(deadline), f"the terminal ended before {pattern!r}: {self.screen}"
        return found.end()

    def wait_end(self, within_s: float = PATIENCE_S) -> int:
        """Wait for the end of the command; return its exit status as a shell shows it."""
        deadline = time.monotonic() + within_s
        while self._read(deadline):
            pass
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _read(self, deadline: float) -> bool:
        left_s = deadline - time.monotonic()
        ready, _, _ = select.select([self._master], [], [], max(left_s, 0))
        assert ready, f"the terminal stays silent: {self.screen}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: the other end is closed
            return False
        self.screen += data.decode(errors="replace")
        return bool(data)


@contextmanager
def in_terminal(
    project: Path, name: str, *options: str, **environment: str
) -> Iterator[tuple[Proxy, Terminal]]:
    """Run the program in a terminal. The `Proxy` is not entered; it only has the addresses."""
    proxy = Proxy(project, backend(name), *options, environment=environment)
    try:
        with Terminal(proxy.arguments, project, proxy.environment) as terminal:
            terminal.wait_for("started in")
            yield proxy, terminal
        eventually(lambda: not proxy.left_over(), 2000 * MS)
        assert "Traceback" not in terminal.screen
    finally:
        processes.kill_marked(proxy.mark)
