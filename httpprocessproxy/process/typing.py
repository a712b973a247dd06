"""Typed keys, passed on to the pty of a generation. All of it runs in the copying thread."""

import os
import selectors
from collections.abc import Callable
from typing import Final

from httpprocessproxy.process.keyboard import Keyboard
from httpprocessproxy.process.output_streams import OutputStreams

_TYPED_BYTES: Final = 1024


class TypedKeys:
    """Reads stdin, through `selector`, while it listens."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        keyboard: Keyboard | None,
        streams: Callable[[], OutputStreams | None],
    ) -> None:
        """`streams` returns those of the service that gets the keys, if any does."""
        self._selector = selector
        self._keyboard = keyboard
        self._streams = streams
        self._is_listening = False

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
        streams = self._streams()
        stream = streams.first if streams is not None else None
        terminal_fd = stream.slave_fd if stream is not None else None
        is_shortcut = self._keyboard is not None and self._keyboard.takes(typed, terminal_fd)
        if stream is not None and not is_shortcut:
            try:
                os.write(stream.fd, typed)
            except OSError:
                pass  # The pty's buffer is full, or it is closed: waiting would not help a user.
