"""The output of all services, copied to the proxy's stdout and stderr as it arrives.

One thread copies it, because writing to a terminal or a pipe may block for any length of time, and
the event loop must not block. Meanwhile a backend that prints more than a pipe holds blocks too
(back-pressure): no output is dropped, and no buffer grows. A reader that went away (`| head`) is
not an error: the rest goes to the tails only.

With one service its bytes pass unchanged.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Self

from httpprocessproxy.process.copying_thread import CopyingThread
from httpprocessproxy.process.keyboard import Keyboard
from httpprocessproxy.process.message_printer import MessagePrinter
from httpprocessproxy.process.output import Output, OutputContext, OutputReader
from httpprocessproxy.process.output_streams import OutputStreams
from httpprocessproxy.process.typing import TypedKeys

# At the end of the program, a blocked reader delays the exit no longer than this.
_CLOSE_TIMEOUT_S: Final = 0.5


class OutputCopier:
    """A context manager: entering it starts the thread."""

    def __init__(self, keyboard: Keyboard | None = None) -> None:
        """`keyboard`, in the thread, handles shortcuts among typed keys."""
        self._keyboard = keyboard
        self._printer = MessagePrinter()
        self._thread = CopyingThread(self._printer)
        self._services: dict[str, list[OutputStreams]] = {}
        self._keys = TypedKeys(self._thread.selector, keyboard, self._typed_for)
        self._is_closed = False

    def add(self, service: str, reader: OutputReader | None = None) -> Output:
        """The output of a further service; the name is new. Call it before any is printed."""
        assert service not in self._services, "each service has one output"
        self._services[service] = []
        add_streams = partial(self._add_streams, service)
        return Output(OutputContext(self._printer, reader, self._post, add_streams))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Copy the remaining output, for at most half a second, and end the thread."""
        self._post(self._close)
        self._is_closed = True
        self._thread.join(_CLOSE_TIMEOUT_S)

    def write(self, text: str) -> None:
        """Print lines of the proxy on stderr, but not within a line of a backend."""
        if self._is_closed:
            self._printer.print(text)
        self._post(partial(self._printer.announce, text))

    def remind_of(self, text: str) -> None:
        """Set the lines to print again whenever a backend has cleared the screen."""
        self._printer.reminder = text

    def clear_screen(self) -> None:
        """Clear the terminal on stdout and keep its scrollback, as `clear -x` does."""
        self._post(self._printer.clear_screen)

    def listen_to_keyboard(self, on: bool) -> None:
        """Start or stop copying stdin to the pty of a generation."""
        self._post(partial(self._keys.listen, on))

    def resize(self, size: bytes) -> None:
        """Set the size of each generation's pty, packed as for TIOCSWINSZ."""
        for streams in self._every_streams():
            self._post(partial(streams.resize, size))

    def _typed_for(self) -> OutputStreams | None:
        """The service that gets typed keys."""
        return next(self._every_streams(), None)

    def _every_streams(self) -> Iterator[OutputStreams]:
        for several in self._services.values():
            yield from several

    def _add_streams(self, service: str, has_terminal: bool) -> OutputStreams:
        keyboard = self._keyboard if has_terminal else None
        streams = OutputStreams(
            self._thread.selector, self._printer, keyboard, has_terminal=has_terminal
        )
        self._services[service].append(streams)
        return streams

    def _post(self, job: Callable[[], None]) -> None:
        if not self._is_closed:
            self._thread.post(job)

    def _close(self) -> None:
        for streams in self._every_streams():
            streams.drain()
        self._printer.flush()
        for streams in self._every_streams():
            streams.begin([])
        self._thread.end()
