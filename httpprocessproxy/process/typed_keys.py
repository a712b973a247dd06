"""Typed keys, passed on to the pty of a generation. All of it runs in the copying thread.

With several services, the one that is shown alone gets them; while all are shown, none does, and
Enter prints an empty line, as people do to find their place.
"""

import fcntl
import os
import selectors
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from httpprocessproxy.process.keyboard import Keyboard
from httpprocessproxy.process.output_streams import OutputStream, OutputStreams
from httpprocessproxy.process.output_view import OutputView

_TYPED_BYTES: Final = 1024
# Ctrl+] leaves a terminal within a terminal, as in telnet(1).
_LEAVE: Final = b"\x1d"
_ENTER: Final = b"\r"
# ioctl_tty(2): the session that a pty is the controlling terminal of. `termios` lacks it on Linux.
_TIOCGSID: Final = 0x5429


class TypedKeys:
    """Reads stdin, through `selector`, while it listens."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        keyboard: Keyboard | None,
        view: OutputView,
        services: Mapping[str, Sequence[OutputStreams]],
    ) -> None:
        """`services` has the streams of each service, first those of its generations."""
        self._selector = selector
        self._keyboard = keyboard
        self._view = view
        self._services = services
        self._is_listening = False

    def began(self, streams: OutputStreams) -> None:
        """Reset the state of the keyboard if a generation of the service that gets keys begins."""
        if self._keyboard is not None and self._view.is_alone(streams.service):
            self._keyboard.begin()

    def show(self, service: str | None) -> None:
        """Show a service alone, which gets the keys, or all of them."""
        if service == self._view.shown:
            return
        self._view.show(service)
        if self._keyboard is not None:
            self._keyboard.begin()
        for several in self._services.values():
            for streams in several:
                streams.resize()

    def listen(self, on: bool) -> None:
        if on and not self._is_listening:
            self._selector.register(0, selectors.EVENT_READ, self._type)
        elif self._is_listening and not on:
            self._selector.unregister(0)
        self._is_listening = on

    def _type(self) -> None:
        try:
            typed = os.read(0, _TYPED_BYTES)
        except OSError:
            typed = b""
        if not typed:
            # The terminal hung up, or this is a background process, which may not read it.
            self.listen(False)
            return
        if self._view.shown is not None:
            typed, leave, _ = typed.partition(_LEAVE)
            if typed:
                self._pass_on(typed)
            if leave:
                self.show(None)
        elif self._view.has_several and typed == _ENTER:
            self._view.print_empty_line()
        else:
            self._pass_on(typed)

    def _pass_on(self, typed: bytes) -> None:
        """Handle a shortcut, or pass the keys on."""
        stream = self._target()
        terminal_fd = stream.slave_fd if stream is not None else None
        if self._keyboard is not None and self._keyboard.takes(typed, terminal_fd):
            return
        if stream is not None:
            try:
                os.write(stream.fd, typed)
            except OSError:
                pass  # The pty's buffer is full, or it is closed: waiting would not help a user.

    def _target(self) -> OutputStream | None:
        """The stream of the service that gets typed keys."""
        if not self._view.has_several:
            return next((streams[0].first for streams in self._services.values()), None)
        if self._view.shown is None:
            return None
        stream = self._services[self._view.shown][0].first
        return stream if stream is not None and _has_session(stream) else None


def _has_session(stream: OutputStream) -> bool:
    """Whether the session that a generation has begun on its pty has not ended, or may not have."""
    if sys.platform != "linux":
        return True
    try:
        fcntl.ioctl(stream.fd, _TIOCGSID, bytes(4))
    except OSError:
        return False
    return True
