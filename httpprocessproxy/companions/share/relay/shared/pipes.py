"""The pipes between this relay and others: who sends, who receives, and who has died."""

from collections.abc import Collection

from httpprocessproxy.companions.share.relay.pipe import Pipe
from httpprocessproxy.companions.share.relay.shared.bus import Bus
from httpprocessproxy.companions.share.relay.shared.ends import RemoteSink
from httpprocessproxy.companions.share.relay.shared.messages import Message

_DEAD = "the relay at its other end has died"


class Pipes:
    """All pipes that end here, by name. A name is given once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._sinks: dict[str, tuple[str, RemoteSink]] = {}
        self._pipes: dict[str, tuple[str, Pipe]] = {}

    def sink(self, name: str, relay: str) -> RemoteSink:
        """The end of a pipe into which this relay sends to another."""
        sink = RemoteSink(name, lambda message: self._send(relay, name, message))
        self._sinks[name] = relay, sink
        return sink

    def receive(self, name: str, relay: str, pipe: Pipe) -> None:
        """Put into `pipe` what another relay sends, and tell it how much is received."""
        self._pipes[name] = relay, pipe
        pipe.on_received = lambda size_bytes: self._bus.post(
            relay, Message("credit", (name, str(size_bytes)))
        )

    def forget(self, name: str, reason: str) -> None:
        """Receive no more of it."""
        relay, pipe = self._pipes.pop(name, (None, None))
        if relay is not None and pipe is not None:
            pipe.cut(reason)
            self._bus.post(relay, Message("stop", (name,), reason.encode()))

    def stop(self, name: str, reason: str) -> None:
        """Send no more of it: nobody receives it."""
        if name in self._sinks:
            self._sinks.pop(name)[1].stop(reason)

    def handle(self, message: Message) -> None:
        """Take a message about a pipe. Of pipes that are no more, some may be on their way."""
        name, data = message.words[0], message.data
        match message.kind:
            case "piece" | "end" | "cut":
                if name in self._pipes:
                    self._fill(name, message)
            case "credit":
                if name in self._sinks:
                    self._sinks[name][1].credit(int(message.words[1]))
            case "stop":
                self.stop(name, data.decode())
            case kind:
                raise AssertionError(f"no message about a pipe: {kind}")

    def lose(self, living: Collection[str]) -> None:
        """Cut all pipes to relays that live no more."""
        for name, (relay, sink) in list(self._sinks.items()):
            if relay not in living:
                del self._sinks[name]
                sink.stop(_DEAD)
        for name, (relay, pipe) in list(self._pipes.items()):
            if relay not in living:
                del self._pipes[name]
                pipe.cut(_DEAD)

    def _send(self, relay: str, name: str, message: Message) -> None:
        if message.kind in ("end", "cut"):
            self._sinks.pop(name, None)
        self._bus.post(relay, message)

    def _fill(self, name: str, message: Message) -> None:
        pipe = self._pipes[name][1]
        if message.kind == "piece":
            pipe.put(message.data)
            return
        del self._pipes[name]
        if message.kind == "end":
            pipe.end()
        else:
            pipe.cut(message.data.decode())
