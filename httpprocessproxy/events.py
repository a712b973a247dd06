"""News of the proxy, for those who look: browsers, the page about itself, the terminal.

A message is a JSON object whose `type` is its topic. The last of each topic are kept, and
subscribers hear of new ones at once. Nothing is made that nobody asked for: `is_wanted` tells.
"""

import contextlib
import secrets
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from httpprocessproxy.system.faults import contained

Message = Mapping[str, object]

# A day of saves; each is a few hundred bytes.
KEPT_MESSAGES: Final = 500


class EventBus:
    """Use it on the event loop's thread only; `is_wanted` may be asked in any."""

    def __init__(self) -> None:
        # Generations count from 1 in every run of the program: a page must not mix them up.
        self.run = secrets.token_hex(8)
        self._began = time.monotonic()
        self._kept: dict[str, deque[Message]] = {}
        self._subscribers: dict[Callable[[Message], None], frozenset[str]] = {}
        self.wanted: frozenset[str] = frozenset()  # the topics that anybody hears

    def now_ms(self) -> float:
        """Milliseconds since the program began, by a clock that nobody sets."""
        return round((time.monotonic() - self._began) * 1000, 1)

    def publish(self, topic: str, message: Message, *, keep: bool = True) -> None:
        """Tell `message`, with its topic and the time added to it."""
        message = {"type": topic, "at_ms": self.now_ms(), **message}
        if keep:
            self._kept.setdefault(topic, deque(maxlen=KEPT_MESSAGES)).append(message)
        for tell, topics in list(self._subscribers.items()):
            if topic in topics:
                with contained("a listener of the feed"):
                    tell(message)

    def kept(self, topic: str) -> Sequence[Message]:
        """The last messages of a topic, oldest first."""
        return tuple(self._kept.get(topic, ()))

    def is_wanted(self, topic: str) -> bool:
        return topic in self.wanted

    @contextlib.contextmanager
    def subscribe(self, topics: Collection[str], tell: Callable[[Message], None]) -> Iterator[None]:
        """Call `tell` with every message of `topics`, until the context is left."""
        self._subscribers[tell] = frozenset(topics)
        self._count_wanted()
        try:
            yield
        finally:
            del self._subscribers[tell]
            self._count_wanted()

    def _count_wanted(self) -> None:
        # Asked for every request and piece of output, so it is ready.
        self.wanted = frozenset().union(*self._subscribers.values())
