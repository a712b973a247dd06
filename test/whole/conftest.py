"""Fixtures: one running program for a file of tests, with the test as its backend."""

from collections.abc import Iterator

import pytest

from test.harness import Proxy
from test.recorder import Recorder
from test.wire import Message, Wire


class Dialogue:
    """The program between two ends that the test controls: the client's and the backend's."""

    def __init__(self, proxy: Proxy, recorder: Recorder) -> None:
        self.proxy = proxy
        self.backend = recorder
        self.host = f"Host: 127.0.0.1:{proxy.port}\r\n".encode()
        self._clients: list[Wire] = []

    def client(self) -> Wire:
        self._clients.append(self.proxy.connect())
        return self._clients[-1]

    def end(self) -> None:
        for client in self._clients:
            client.socket.close()
        self._clients.clear()
        self.backend.forget()

    def send(self, first: bytes, *fields: bytes, body: bytes = b"") -> Wire:
        """Send a request on a connection of its own; Host is added unless a field is one."""
        client = self.client()
        client.send(self.head(first, *fields), body)
        return client

    def head(self, first: bytes, *fields: bytes) -> bytes:
        has_host = any(field.lower().startswith(b"host:") for field in fields)
        lines = [first, *fields, b"", b""]
        head = b"\r\n".join(lines)
        return head if has_host else head.replace(b"\r\n", b"\r\n" + self.host, 1)

    def seen(self, first: bytes, *fields: bytes, body: bytes = b"") -> Message:
        """Send a request, answer it with 200, and return the request as the backend received it."""
        client = self.send(first, *fields, body=body)
        request = self.backend.exchange()
        assert client.response(first.split(b" ")[0]).status == 200
        return request

    def answered(self, answer: bytes, first: bytes = b"GET / HTTP/1.1") -> Message:
        """The client's response when the backend answers a request with these bytes and closes."""
        client = self.send(first)
        wire = self.backend.next()
        wire.request()
        wire.send(answer)
        wire.finish()
        return client.response(first.split(b" ")[0])

    def assert_backend_saw_nothing(self) -> None:
        """Assert that no earlier bytes have reached the backend: it sees a new request first."""
        assert self.seen(b"GET /canary HTTP/1.1").target == b"/canary"

    def assert_refused(self, request: bytes, *statuses: int) -> Message:
        """Assert that a request gets one of the statuses and a close, and not to the backend."""
        client = self.client()
        client.send(request)
        response = client.response(request.split(b" ")[0])
        assert response.status in statuses, response
        client.finish()
        assert client.ended()
        self.assert_backend_saw_nothing()
        return response


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dialogue]:
    project = tmp_path_factory.mktemp("project")
    with Recorder() as recorder, Proxy(project, recorder.command, "--ping", "tcp") as proxy:
        proxy.running()
        yield Dialogue(proxy, recorder)


@pytest.fixture
def dialogue(recorded: Dialogue) -> Iterator[Dialogue]:
    yield recorded
    recorded.end()
