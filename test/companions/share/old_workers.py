"""Independent workers, written from the protocol's documentation: long polling only.

The relay must support their habits: either name of the id, repeated answers, missing answers.
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
    """A visit as a worker reads it in a reply; `reply` has the reply's own header fields."""

    rid: str
    method: str
    url: str
    ip: str
    headers: Mapping[str, str]
    body: bytes
    reply: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """An answer as a worker sends it; `fields` are encoded as JSON unless they are a text."""

    status: str = "200"
    fields: Mapping[str, object] | str = field(default_factory=dict)
    body: bytes = b""


Serve = Callable[[Visit], Answer | None]


def echo(visit: Visit) -> Answer:
    """Answer with the body of the visit."""
    return Answer("200", {"Content-Type": "application/octet-stream"}, visit.body or b"nothing")


class Call:
    """A worker's connection to the relay, one call at a time."""

    def __init__(self, relay: Relay, name: str, ids: tuple[str, ...] = ("fpw-rid",)) -> None:
        self.name = name
        self._relay = relay
        self._ids = ids
        self._connection = relay.connection()
        self._connection.connect()
        # http.client must not reconnect by itself after `kill`.
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
        """Send a call, with or without an answer, and do not wait for the reply."""
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
        """Send a call, and wait until the relay counts it as waiting."""
        waiting = self._relay.waiting(self.name)
        self.begin()
        eventually(lambda: self._relay.waiting(self.name) > waiting)

    def end(self) -> tuple[int, bytes, Visit | None]:
        """Read the relay's reply: its status, its body, and the visit in it."""
        response = self._connection.getresponse()
        body = response.read()
        rid = response.headers.get(self._ids[0])
        if rid is None:
            return response.status, body, None
        received = dict(response.headers.items())
        fields = json.loads(received["fpw-header"])
        visit = Visit(
            rid,
            received["fpw-method"],
            received["fpw-url"],
            received["fpw-ip"],
            fields,
            body,
            received,
        )
        return response.status, body, visit

    def next_visit(self) -> Visit:
        """Read the visit of this call, or of a further call if this one ended without a visit."""
        return self.end()[2] or self.visit()

    def poll(
        self, rid: str | None = None, answer: Answer | None = None, **overrides: str
    ) -> Visit | None:
        """Send a call and read its reply, which must have status 200."""
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
        """Close the connection at once, like a worker that is killed."""
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class Worker:
    """A worker in a thread, which polls until the context ends.

    `serve` returns the answer to a visit, or None to send no answer. `resends` repeats the last
    answer, without its body, in each further call. `waits` waits until the first call is waiting
    at the relay; it requires an empty queue of visits.
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
        """Close the connection at once, in any state of the call."""
        self._is_over = True
        self._call.kill()

    def _run(self) -> None:
        # After `kill` the closed connection raises one of these at any step.
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
