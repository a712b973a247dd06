"""`/_hpp/events`, a WebSocket that sends events to pages, and `/_hpp/client.js`, its client.

The rule: a page never delays anything. Messages that it does not read are buffered up to a limit;
then its connection is aborted, and the page reconnects by itself. The first message says whether
the page is stale: made by older code than runs now, or before a file that it may show was
refreshed.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shlex
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from httpprocessproxy.admin import websocket_server
from httpprocessproxy.admin.assets import client_js
from httpprocessproxy.admin.audience import Audience, Audiences
from httpprocessproxy.admin.context import CLIENT, EVENTS, AdminContext
from httpprocessproxy.admin.last_changes import LastChanges
from httpprocessproxy.config import Config, ServiceConfig
from httpprocessproxy.core.build import Build
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.page.messages import (
    ALWAYS,
    ON_REQUEST,
    WITH_TOKEN,
    ClientHello,
    parse_hello,
    parse_topics,
)
from httpprocessproxy.events import (
    TOPICS,
    BuildChanged,
    Event,
    OutputPrinted,
    StateChanged,
    to_json,
)

# About three seconds of a backend that floods its output.
MAX_UNSENT_BYTES: Final = 4 * 1024 * 1024


class Events:
    """The WebSocket server of all listening pages."""

    def __init__(
        self,
        config: Config,
        hosts: HostRule,
        context: AdminContext,
        changes: LastChanges,
    ) -> None:
        """A page needs the token of the context to hear of requests and other pages."""
        self._config = config
        self._hosts = hosts
        self._folder = context.folder
        self._token = context.token.encode()
        self._bus = context.bus
        self._services = context.services
        self._audiences = Audiences(config.services)
        self._changes = changes
        # The last event and its JSON, for trusted and untrusted clients.
        self._encoded: dict[bool, tuple[Event, str]] = {}

    def serve(self, listener: socket.socket) -> AbstractAsyncContextManager[None]:
        """Serve trusted clients on the site's origin. Programs among them may hear all topics."""
        return websocket_server.serving(listener, lambda page: self._talk(page, True), self._check)

    def serve_dashboard(self, listener: socket.socket) -> AbstractAsyncContextManager[None]:
        """Serve trusted clients on the dashboard's origin, whose page may hear all topics."""

        async def talk(page: ServerConnection) -> None:
            await self._talk(page, True, is_dashboard=True)

        return websocket_server.serving(listener, talk, self._check)

    def serve_untrusted(self, listener: socket.socket) -> AbstractAsyncContextManager[None]:
        """Serve untrusted clients: their pages reload, and get no output or other details."""
        return websocket_server.serving(listener, lambda page: self._talk(page, False), self._check)

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == CLIENT:
            response = websocket_server.answer(connection, request, client_js())
            # Other sites must not detect the proxy by loading the script.
            response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
            return response
        try:
            if path != EVENTS:
                raise RequestError(404, "not found")
            websocket_server.check_own_origin(self._hosts, request)
        except RequestError as error:
            return websocket_server.refuse(connection, error)
        return None

    async def _talk(
        self, connection: ServerConnection, trusted: bool, *, is_dashboard: bool = False
    ) -> None:
        outbox = _Outbox(connection)
        async with asyncio.TaskGroup() as tasks:
            sender = tasks.create_task(outbox.send_all(), name="events to a page")
            with contextlib.suppress(ConnectionClosed):
                await self._serve_page(connection, outbox, trusted, is_dashboard)
            sender.cancel()

    async def _serve_page(
        self, connection: ServerConnection, outbox: "_Outbox", trusted: bool, is_dashboard: bool
    ) -> None:
        """Answer a page's hello, and then send the topics that it asks for until it disconnects."""
        hello = parse_hello(await connection.recv())
        if hello is None:
            return
        audience = self._audience(connection, hello, trusted)
        outbox.put(json.dumps(self._hello(hello, audience)))
        allowed = self._allowed(connection, hello, is_dashboard) if trusted else frozenset()
        topics = hello.topics
        while True:
            if "output" in topics & allowed:
                for tail in self._output_so_far(audience):
                    outbox.put(json.dumps(tail))
            wanted = _kinds(ALWAYS | (topics & allowed))
            with self._bus.subscribe(wanted, partial(self._put, outbox, audience)):
                topics = await _next_topics(connection)

    def _put(self, outbox: "_Outbox", audience: Audience, event: Event) -> None:
        if audience.hears(event):
            outbox.put(self._text(event, audience.is_trusted))

    def _audience(
        self, connection: ServerConnection, hello: ClientHello, trusted: bool
    ) -> Audience:
        assert connection.request is not None, "its handshake is over"
        host = websocket_server.field(connection.request, "Host") or ""
        return self._audiences.of(hello, host, is_trusted=trusted)

    def _allowed(
        self, connection: ServerConnection, hello: ClientHello, is_dashboard: bool
    ) -> frozenset[str]:
        """The topics that a trusted client may ask for. Programs send no Origin and need no token;
        on the site's origin no token is valid."""
        assert connection.request is not None, "its handshake is over"
        is_program = "Origin" not in connection.request.headers
        token = hello.token.encode(errors="replace")
        if is_program or (is_dashboard and secrets.compare_digest(token, self._token)):
            return ON_REQUEST
        return ON_REQUEST - WITH_TOKEN

    def _hello(self, hello: ClientHello, audience: Audience) -> Mapping[str, object]:
        trusted, states = audience.is_trusted, self._changes.states
        own = states.get(audience.service)
        services = self._config.services
        names = [service.name for service in services]
        others = [name for name in names if name in states and name != audience.service]
        shown = {service.name: self._shown(service, audience) for service in services}
        return {
            "type": "hello",
            "at_ms": self._bus.now_ms(),
            "run": self._bus.run,
            "stale": self._is_stale(hello, audience),
            "editor": self._config.browser.editor if trusted else "",
            "folder": shown[audience.service]["folder"],
            "command": shown[audience.service]["command"],
            "console": trusted and self._config.browser.console,
            "state": self._for_page(own, trusted) if own is not None else None,
            "service": audience.service,
            "services": list(shown.values()),
            "builds": [self._for_page(each, trusted) for each in self._changes.builds.values()],
            "other_states": [self._for_page(states[name], trusted) for name in others],
        }

    def _shown(self, service: ServiceConfig, audience: Audience) -> Mapping[str, object]:
        """A service for a client; relative paths in its output begin in `folder`."""
        folder = os.path.normpath(os.path.join(self._folder, service.folder))
        return {
            "name": service.name,
            "command": shlex.join(service.command) if audience.is_trusted else "",
            "folder": folder if audience.is_trusted else "",
            "at_host": service.name in audience.at_host,
            "external": service.is_external,
        }

    def _is_stale(self, hello: ClientHello, audience: Audience) -> bool:
        """Whether a reload would show newer content, and not an error."""
        own = self._changes.states.get(audience.service)
        if own is not None and own.state != "running":
            return False
        current_ms = hello.last_current_ms(self._bus.run, self._bus.now_ms())
        changed_ms = self._changes.changed_ms.items()
        return any(name in audience.at_host and current_ms < ms for name, ms in changed_ms)

    def _text(self, event: Event, trusted: bool) -> str:
        """Encode an event once for all trusted pages, and once for all untrusted ones."""
        encoded = self._encoded.get(trusted)
        if encoded is None or encoded[0] is not event:
            encoded = event, json.dumps(self._for_page(event, trusted))
            self._encoded[trusted] = encoded
        return encoded[1]

    def _for_page(self, event: Event, trusted: bool) -> Mapping[str, object]:
        """Return the JSON of an event for a page; details of a build are for trusted clients only.

        That of a state says whether the page reloads, and in the state "error" has the output, for
        trusted clients only.
        """
        if isinstance(event, BuildChanged) and not trusted:
            bare = Build(event.build.state, "", ms=event.build.ms)
            event = replace(event, build=bare, output="", paths=())
        if not isinstance(event, StateChanged):
            return to_json(event)
        json_ = {**to_json(event), "reload": event.reloads}
        if event.state == "error":
            json_["output"] = self._services[event.service].tail() if trusted else ""
        return json_

    def _output_so_far(self, audience: Audience) -> Iterator[Mapping[str, object]]:
        """The end of the output of each service that a client hears of."""
        for service in self._config.services:
            name = service.name
            text = self._services[name].tail()
            now_ms = self._bus.now_ms()
            event = OutputPrinted(at_ms=now_ms, service=name, stream="stdout", text=text)
            if audience.hears(event):
                yield {**to_json(event), "is_tail": True}


def _kinds(topics: Collection[str]) -> Sequence[type[Event]]:
    return [kind for topic in topics for kind in TOPICS[topic]]


async def _next_topics(connection: ServerConnection) -> frozenset[str]:
    """Wait until the page asks for other topics. Raises ConnectionClosed."""
    while True:
        topics = parse_topics(await connection.recv())
        if topics is not None:
            return topics


class _Outbox:
    """The send buffer of one page: messages in order, at most `MAX_UNSENT_BYTES`."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._unsent: asyncio.Queue[str] = asyncio.Queue()
        self._unsent_bytes = 0

    def put(self, text: str) -> None:
        """Queue a message and return at once; with a full buffer, abort the connection."""
        if self._unsent_bytes > MAX_UNSENT_BYTES:
            self._connection.transport.abort()
            return
        self._unsent.put_nowait(text)
        self._unsent_bytes += len(text)

    async def send_all(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                text = await self._unsent.get()
                await self._connection.send(text)
                self._unsent_bytes -= len(text)
