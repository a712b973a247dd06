"""Detection of services that wait for input from their terminals, while they are not shown alone.

A user must learn of a breakpoint: requests wait for it. A service waits if it reads in its terminal
and has printed a prompt, the beginning of a line, or reads nothing else: servers that merely listen
for keys of their own, as Vite, poll for them among other events. It is looked for after output, at
growing intervals, and not for ever, because each look costs milliseconds.
"""

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.process import terminal_reads
from httpprocessproxy.process.linux import Process
from httpprocessproxy.process.output_streams import OutputStream

_AFTER_PROMPT_S: Final = 0.1
_AFTER_LINE_S: Final = 0.5
_LAST_S: Final = 30.0


@dataclass(slots=True)
class _Look:
    """The next look at a stream, and the interval before it."""

    at: float
    interval_s: float


class InputWaits:
    """`report` gets the name of a service that waits for input. Use it in one thread only."""

    def __init__(
        self, processes: Callable[[], Collection[Process]], report: Callable[[str], None]
    ) -> None:
        self._processes = processes
        self._report = report
        self._looks: dict[OutputStream, _Look] = {}
        # A program that draws a prompt again and again is reported once, until it is shown.
        self._reported: set[OutputStream] = set()

    def printed(self, stream: OutputStream) -> None:
        """Look at the stream once it has been silent."""
        if stream.slave_fd is not None:
            interval_s = _AFTER_PROMPT_S if _has_prompt(stream) else _AFTER_LINE_S
            self._looks[stream] = _Look(time.monotonic() + interval_s, interval_s)

    def ended(self, stream: OutputStream) -> None:
        self._looks.pop(stream, None)
        self._reported.discard(stream)

    def timeout_s(self) -> float | None:
        """The time after which to call `look`; None if no stream is looked at."""
        if not self._looks:
            return None
        return max(0.0, min(look.at for look in self._looks.values()) - time.monotonic())

    def look(self, shown: str | None) -> None:
        """Report services that wait for input, but not the one that is `shown` alone."""
        now = time.monotonic()
        if shown is not None:
            self._reported = {one for one in self._reported if one.view.service != shown}
        due = [stream for stream, look in self._looks.items() if look.at <= now]
        processes = self._processes() if due else ()
        for stream in due:
            look = self._looks.pop(stream)
            if stream.view.service == shown or stream in self._reported:
                continue
            if self._waits(stream, processes):
                self._reported.add(stream)
                self._report(stream.view.service)
            elif look.interval_s < _LAST_S:
                self._looks[stream] = _Look(now + 2 * look.interval_s, 2 * look.interval_s)

    def _waits(self, stream: OutputStream, processes: Collection[Process]) -> bool:
        assert stream.slave_fd is not None, "`printed` checks it"
        has_prompt = _has_prompt(stream)
        terminal = os.ttyname(stream.slave_fd)
        for process in processes:
            try:
                if terminal_reads.waits_for(process.pid, terminal, only_in_read=not has_prompt):
                    return True
            except PermissionError:
                pass  # a program of another user
        return False


def _has_prompt(stream: OutputStream) -> bool:
    screen = stream.view.screen
    return bool(stream.view.lines.line) or (screen is not None and screen.is_alternate)
