"""Processes of the package's other programs, which log lines to stderr."""

import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import ClassVar

from test.deadline import PATIENCE_S


class Spoken:
    """A process that the end of the `with` block stops by SIGTERM, and whose exit status it checks.

    Subclasses set `what` (the name in failures), `end_status` (the expected exit status) and
    `trouble` (the lines that fail a test). An exception in the block gets a note with the output.
    """

    what: ClassVar[str]
    end_status: ClassVar[int] = 0
    trouble: ClassVar[re.Pattern[str]] = re.compile(r"Traceback|ERROR|Task exception|was never")

    def __init__(self) -> None:
        self.may_complain = False
        self._lines: list[str] = []
        self._has_ended = False
        self._news = threading.Condition()

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], pass_fds: Sequence[int] = ()
    ) -> None:
        self.process = subprocess.Popen(
            arguments, stderr=subprocess.PIPE, text=True, env=environment, pass_fds=pass_fds
        )
        self._reader = threading.Thread(target=self._read, name=self.what, daemon=True)
        self._reader.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self.process.poll() is None:
                assert self.stop() == self.end_status
            if kind is None and not self.may_complain:
                assert not self.trouble.search(self.output), self.output
        finally:
            if error is not None:
                error.add_note(f"the {self.what} printed:\n{self.output[-4000:]}")
            self.kill()
            self._reader.join(PATIENCE_S)
            assert self.process.stderr is not None
            self.process.stderr.close()

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, wait for the end, and return the exit status."""
        self.process.send_signal(signum)
        status = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return status

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)

    @property
    def output(self) -> str:
        with self._news:
            return "".join(self._lines)

    def wait_line(self, pattern: str) -> re.Match[str]:
        """Wait until a line that matches `pattern` (a regular expression) is printed."""

        def look() -> re.Match[str] | None:
            return next((m for line in self._lines if (m := re.search(pattern, line))), None)

        with self._news:
            self._news.wait_for(lambda: look() or self._has_ended, PATIENCE_S)
            found = look()
        assert found, f"not printed: {pattern}\n{self.output}"
        return found

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._has_ended = True
            self._news.notify_all()
