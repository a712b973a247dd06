"""Workers as others have written them, from the protocol's text alone: long polling, nothing else.

They are what the relay has to get along with, habits included: one name of the id or the other,
answers sent again, answers never sent.
"""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from test.companions.share.relays import TOKEN, Relay, host_of
from test.deadline import PATIENCE_S, eventually


@dataclass(frozen=True)
class Visit:
    """What a worker finds in a reply."""

    rid: str
    method: str
    url: str
    ip: str
    headers: Mapping[str, str]
    body: bytes
    reply: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What a worker sends: `fields` as JSON, or any text."""

    status: str = "200"
    fields: Mapping[str, object] | str = field(default_factory=dict)
    body: bytes = b""


Serve = Callable[[Visit], Answer | None]


def echo(visit: Visit) -> Answer:
    """Tell the visitor what came."""
    return Answer("200", {"Content-Type": "application/octet-stream"}, visit.body or b"nothing")


class Call:
    """A worker's connection to the relay, one call at a time."""

    def __init__(self, relay: Relay, name: str, ids: tuple[str, ...] = ("fpw-rid",)) -> None:
        self.name = name
        self._relay = relay
        self._ids = ids
        self._connection = relay.connection()
        self._connection.connect()
        # Killed, it is not to come back by itself.
        self._connection.auto_open = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def begin(self, rid: str | None = None, answer: Answer | None = None, **overrides: str) -> None:
        """Send a call, with an answer or without."""
        headers = {
            "user-agent": "php-worker-v1",
            "content-type": "application/octet-stream",
            "fpw-host": host_of(self.name),
            "fpw-token": TOKEN.format(self.name),
        }
        body = b""
        if rid is not None and answer is not None:
            headers.update(dict.fromkeys(self._ids, rid))
            headers["fpw-status"] = answer.status
            fields = answer.fields
            headers["fpw-header"] = fields if isinstance(fields, str) else json.dumps(fields)
            body = answer.body
        headers.update({name.replace("_", "-"): value for name, value in overrides.items()})
        self._connection.request("POST", "/server-client", body, headers)

    def wait(self) -> None:
        """Send a call, and see that the relay has it."""
        waiting = self._relay.waiting(self.name)
        self.begin()
        eventually(lambda: self._relay.waiting(self.name) > waiting)

    def end(self) -> tuple[int, bytes, Visit | None]:
        """The relay's reply: its status, its body, and the visit in it."""
        response = self._connection.getresponse()
        body = response.read()
        rid = response.headers.get(self._ids[0])
        if rid is None:
            return response.status, body, None
        told = dict(response.headers.items())
        fields = json.loads(told["fpw-header"])
        visit = Visit(rid, told["fpw-method"], told["fpw-url"], told["fpw-ip"], fields, body, told)
        return response.status, body, visit

    def told(self) -> Visit:
        """The visit that this call gets; or the next call, if this one was held for too long."""
        return self.end()[2] or self.visit()

    def poll(
        self, rid: str | None = None, answer: Answer | None = None, **overrides: str
    ) -> Visit | None:
        """A whole call, which is taken."""
        self.begin(rid, answer, **overrides)
        status, body, visit = self.end()
        assert status == 200, (status, body)
        return visit

    def visit(self) -> Visit:
        """Poll until there is a visit."""
        while (visit := self.poll()) is None:
            pass
        return visit

    def kill(self) -> None:
        """Die: the connection is reset, without a word."""
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class Worker:
    """A worker that goes on by itself, in a thread, until the context ends.

    `serve` makes an answer of a visit, or None to say nothing about it at all. `resends` repeats
    the last answer, without its body, with each call that follows. `waits` is for the relay to have
    its first call, unless visits are there already.
    """

    def __init__(
        self,
        relay: Relay,
        name: str,
        serve: Serve = echo,
        ids: tuple[str, ...] = ("fpw-rid",),
        resends: bool = False,
        waits: bool = True,
    ) -> None:
        self.visits: list[Visit] = []
        self._call = Call(relay, name, ids)
        self._serve = serve
        self._resends = resends
        self._begin = self._call.wait if waits else self._call.begin
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name=f"worker of {name}", daemon=True)

    def __enter__(self) -> Self:
        self._begin()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def kill(self) -> None:
        """Die in the middle of whatever it is at."""
        self._is_over = True
        self._call.kill()

    def _run(self) -> None:
        # Killed, it finds its connection closed, at whatever it is.
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            self._work()

    def _work(self) -> None:
        visit = self._call.end()[2]
        last: tuple[str, Answer] | None = None
        while not self._is_over:
            answer = None
            if visit is not None:
                self.visits.append(visit)
                answer = self._serve(visit)
            if visit is not None and answer is not None:
                last = visit.rid, Answer(answer.status, answer.fields)
                visit = self._call.poll(visit.rid, answer)
            elif self._resends and last is not None:
                visit = self._call.poll(*last)
            else:
                visit = self._call.poll()
