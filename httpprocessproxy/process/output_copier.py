"""The output of all services, copied to the proxy's stdout and stderr as it arrives.

One thread copies it, because writing to a terminal or a pipe may block for any length of time, and
the event loop must not block. Meanwhile a backend that prints more than a pipe holds blocks too
(back-pressure): no output is dropped, and no buffer grows. A reader that went away (`| head`) is
not an error: the rest goes to the tails only.

With one service its bytes pass unchanged.
"""

import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Final, Self

from httpprocessproxy.process.copying_thread import CopyingThread
from httpprocessproxy.process.input_waits import InputWaits
from httpprocessproxy.process.keyboard import Keyboard
from httpprocessproxy.process.message_printer import MessagePrinter
from httpprocessproxy.process.output import Output, OutputContext, OutputReader
from httpprocessproxy.process.output_streams import OutputStream, OutputStreams
from httpprocessproxy.process.output_view import OutputView
from httpprocessproxy.process.typed_keys import TypedKeys

# At the end of the program, a blocked reader delays the exit no longer than this.
_CLOSE_TIMEOUT_S: Final = 0.5


class OutputCopier:
    """A context manager: entering it starts the thread."""

    def __init__(
        self,
        keyboard: Keyboard | None = None,
        waits: InputWaits | None = None,
        format_line: Callable[[str], str] = str,
    ) -> None:
        """`keyboard`, in the thread, handles shortcuts among typed keys.

        `waits` reports services that wait for input. `format_line` makes a line of the proxy of its
        text; it is called in the thread.
        """
        self._waits = waits
        self._printer = MessagePrinter()
        self._view = OutputView(self._printer, format_line)
        self._thread = CopyingThread(self)
        self._services: dict[str, list[OutputStreams]] = {}
        self._keys = TypedKeys(self._thread.selector, keyboard, self._view, self._services)
        self._ready_at = 0.0
        self._is_closed = False

    def add(self, service: str, reader: OutputReader | None = None) -> Output:
        """The output of a further service; the name is new. Call it before any is printed."""
        assert service not in self._services, "each service has one output"
        self._services[service] = []
        self._view.labels.add(service)
        return Output(
            OutputContext(
                *(service, self._printer, reader, self._post),
                partial(self._add_streams, service),
                partial(self._view.fitted, service),
            )
        )

    @property
    def shown(self) -> str | None:
        """The service that is shown alone; None while all are, or if there is one only."""
        return self._view.shown

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Copy the remaining output, for at most half a second, and end the thread."""
        self._post(self._close)
        self._is_closed = True
        self._thread.join(_CLOSE_TIMEOUT_S)

    def write(self, text: str, service: str | None = None, *, is_important: bool = False) -> None:
        """Print lines of the proxy on stderr, but not within a line of a backend.

        Lines about a `service` have its prefix, and are hidden with its output unless they are
        important.
        """
        if self._is_closed:
            self._printer.print(self._view.prefixed(text, service))
        self._post(partial(self._view.announce, text, service, is_important=is_important))

    def show(self, service: str | None) -> None:
        """Show a service alone, or all of them. Call it in the copying thread."""
        self._keys.show(service)

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
        """Set the size of the terminal, packed as for TIOCSWINSZ."""
        self._post(partial(self._resize, size))

    def timeout_s(self) -> float | None:
        """Implement `copying_thread.TimedWork`."""
        several = [self._printer.timeout_s(), self._view.timeout_s()]
        if self._waits is not None:
            several.append(self._waits.timeout_s())
        return min((timeout_s for timeout_s in several if timeout_s is not None), default=None)

    def waited(self, ready: Collection[int]) -> None:
        """Implement `copying_thread.TimedWork`."""
        if ready:
            self._ready_at = time.monotonic()
        self._printer.waited(time.monotonic() - self._ready_at)
        self._view.waited(ready)
        if self._waits is not None:
            self._waits.look(self._view.shown)

    def _resize(self, size: bytes) -> None:
        self._view.size = size
        for streams in self._every_streams():
            streams.resize()

    def _every_streams(self) -> Iterator[OutputStreams]:
        for several in self._services.values():
            yield from several

    def _add_streams(self, service: str, has_terminal: bool) -> OutputStreams:
        observer = _Generations(self._keys, self._waits) if has_terminal else None
        streams = OutputStreams(service, self._thread.selector, self._view, observer)
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


class _Generations:
    """Implements `output_streams.StreamObserver` for the streams of generations."""

    def __init__(self, keys: TypedKeys, waits: InputWaits | None) -> None:
        self._keys = keys
        self._waits = waits

    def began(self, streams: OutputStreams) -> None:
        self._keys.began(streams)
        streams.resize()  # Another service may be shown alone since the pty was opened.

    def printed(self, stream: OutputStream) -> None:
        if self._waits is not None:
            self._waits.printed(stream)

    def ended(self, stream: OutputStream) -> None:
        if self._waits is not None:
            self._waits.ended(stream)
