"""Routes of several services by the whole program: prefixes, hosts, servers that others start."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from test.harness import Project, backend
from test.ports import free_port
from test.wire import Message, Wire


@contextmanager
def answering(port: int) -> Iterator[None]:
    """Answer each connection with `from outside`, until the context ends."""
    with socket.create_server(("127.0.0.1", port)) as listening:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\nfrom outside")

        thread = threading.Thread(target=answer, name="a server outside")
        thread.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture(scope="module")
def outside() -> int:
    """The port of the server that the proxy does not start."""
    return free_port()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, outside: int) -> Iterator[Project]:
    echo = json.dumps(backend("echo.py"))
    project = Project(
        tmp_path_factory.mktemp("project"),
        f"""
        [service.api]
        exec = {echo}
        route = ["/api/**", "api.example"]
        strip = true

        [service.web]
        exec = {echo}
        route = "/web/**"

        [service.vite]
        address = "localhost:{outside}"
        route = "/vite/**"

        """.replace("\n        ", "\n"),
        "--allowed-host",
        "api.example",
    )
    with project:
        project.wait_service("api")
        project.wait_service("web")
        yield project


def asked(project: Project, target: str, host: str = "localhost") -> Message:
    with Wire.connect(project.port) as wire:
        wire.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return wire.response()


def echoed(project: Project, target: str, host: str = "localhost") -> tuple[str, str]:
    """The target that reached the server, and X-Forwarded-Prefix."""
    response = asked(project, target, host)
    assert response.status == 200
    request = json.loads(response.body)
    fields = {name.lower(): value for name, value in request["headers"]}
    return request["target"], fields.get("x-forwarded-prefix", "")


def test_stripped_service_gets_the_rest_of_the_target_and_the_prefix(program: Project) -> None:
    assert echoed(program, "/api/echo?x=/api/") == ("/echo?x=/api/", "/api")
    assert echoed(program, "/web/echo") == ("/web/echo", "")


@pytest.mark.parametrize("host", ["api.localhost", "api.example"])
def test_host_leads_to_its_service_without_a_prefix(program: Project, host: str) -> None:
    assert echoed(program, "/web/echo", host) == ("/web/echo", "")
    rows = json.loads(program.get("/_hpp/requests").body)["requests"]
    assert (rows[0]["target"], rows[0]["service"]) == ("/web/echo", "api")


def test_request_outside_all_routes_gets_404_with_the_routes(program: Project) -> None:
    response = asked(program, "/webs")
    assert response.status == 404
    for line in (b"/api/**  api", b"api.example/**  api", b"/web/**  web", b"/vite/**  vite"):
        assert line in response.body
    # The path of the proxy itself is on every host.
    for host in ("localhost", "api.localhost", "other.localhost"):
        assert asked(program, "/_hpp/status", host).status == 200


def test_external_service_is_named_until_its_server_answers(program: Project, outside: int) -> None:
    line = f"he service vite does not answer at localhost:{outside}: start its server"
    for _ in range(2):
        response = asked(program, "/vite/x")
        assert response.status == 502
        assert line.encode() in response.body
    program.wait_output(line)
    with answering(outside):
        assert asked(program, "/vite/x").body == b"from outside"
    assert program.output.count(line) == 1
    assert asked(program, "/vite/x").status == 502
    program.wait_output(f"(?s){line}.*{line}")
    assert asked(program, "/vite/", "vite.localhost").status == 502
    assert program.output.count(line) == 2
