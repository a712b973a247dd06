"""Whether the relay answers, and what the user is told of that: each change, once."""

from collections.abc import Callable

from httpprocessproxy.companions.share.worker.settings import Reporter


class RelayStatus:
    """Several calls may go on at once: the first that fails or succeeds tells."""

    def __init__(self, relay: str, news: Reporter) -> None:
        self._relay = relay
        self._say: Callable[[str], None] = news.say
        self._warn: Callable[[str], None] = news.warn
        self._how = ""
        self._is_lost = False

    def made(self, how: str) -> None:
        """The relay answers; `how` is the transport, in words."""
        if self._is_lost:
            self._say(f"share: the relay {self._relay} is back, {how}")
        elif how != self._how:
            self._say(f"share: connected, {how}")
        self._is_lost, self._how = False, how

    def lost(self, reason: str) -> None:
        """The relay does not answer, for this reason."""
        if not self._is_lost:
            self._warn(f"share: the relay {self._relay} does not answer ({reason}); trying again")
        self._is_lost = True
