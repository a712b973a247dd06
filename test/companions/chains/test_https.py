"""Chains with `--tls`: over HTTP/1.1 and HTTP/2, and from one HTTPS proxy to another."""

import json
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from test.deadline import PATIENCE_S
from test.harness import backend
from test.https import HttpsProxy
from test.recorder import Recorder
from test.wire import Wire

FURTHER = "http://further.example"


@pytest.fixture
def hop() -> Iterator[socket.socket]:
    """The listening socket of the next hop."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(PATIENCE_S)
        yield made


@pytest.fixture
def errors() -> Iterator[socket.socket]:
    """The UDP socket that receives error reports."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(PATIENCE_S)
        yield made


def options(*allowed: str) -> list[str]:
    return ["--forward-chains", *(word for each in allowed for word in ("--forward-allow", each))]


def url_of(sock: socket.socket, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{sock.getsockname()[1]}"


def post(
    proxy: HttpsProxy, version: str, to: str, errors_to: str
) -> tuple[str, subprocess.Popen[str]]:
    """Begin a chain with curl; return its Id, and curl, which prints the head of the response."""
    chain = str(uuid.uuid4())
    fields = {
        "Id": chain,
        "Referer": "ORIGIN",
        "Errors-To": errors_to,
        "To": to,
        "Query-Params": "b=2",
        "Method": "POST",
    }
    said = [word for name in fields for word in ("-H", f"X-Forward-{name}: {fields[name]}")]
    url = f"https://localhost:{proxy.port}/orders?a=1"
    quiet = ("curl", "--silent", "--show-error", "--cacert", str(proxy.ca))
    command = [*quiet, version, "--include", "--data", "in", *said, url]
    return chain, subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_handler_extends_a_chain_received_over_https(
    version: str, project: Path, hop: socket.socket, errors: socket.socket
) -> None:
    errors_to = url_of(errors, "udp")
    with (
        Recorder() as recorder,
        HttpsProxy(
            project, recorder.command, "--ping", "tcp", *options(url_of(hop), errors_to)
        ) as proxy,
    ):
        proxy.running()
        chain, curl = post(proxy, version, url_of(hop), errors_to)
        added = {"To": f",{FURTHER}", "Query-Params": ",c=3", "Method": ",PUT"}
        lines = [f"X-Forward-{name}: {value}" for name, value in added.items()]
        head = "\r\n".join(["HTTP/1.1 200 OK", "Content-Length: 3", *lines, "", ""])
        seen = recorder.exchange(head.encode() + b"out")
        assert (seen.target, seen.body) == (b"/orders?a=1", b"in")
        said, _ = curl.communicate(timeout=PATIENCE_S)
        with Wire(hop.accept()[0]) as wire:
            handed_on = wire.request()
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            proxy.wait_output(f"hop {chain} delivered")
    status, *fields = said.lower().splitlines()
    assert " 202" in status
    assert "x-canonical-iri: /orders" in fields
    assert "x-forward-" not in said.lower()
    assert (handed_on.target, handed_on.body) == (b"/orders?b=2", b"out")
    assert {
        name.lower(): value
        for name, value in handed_on.headers
        if name.lower().startswith(b"x-forward-")
    } == {
        b"x-forward-id": chain.encode(),
        b"x-forward-errors-to": errors_to.encode(),
        b"x-forward-referer": f"https://localhost:{proxy.port}/orders?a=1".encode(),
        b"x-forward-to": FURTHER.encode(),
        b"x-forward-query-params": b"c=3",
        b"x-forward-method": b"PUT",
    }


@pytest.mark.parametrize("is_trusted", [True, False])
def test_hop_is_delivered_only_to_a_proxy_with_a_trusted_certificate(
    is_trusted: bool, project: Path, errors: socket.socket
) -> None:
    errors_to = url_of(errors, "udp")
    command = backend("echo.py")
    with HttpsProxy(project / "second", command, *options(errors_to)) as second:
        second.running()
        first = HttpsProxy(project / "first", command, *options(second.url, errors_to))
        if is_trusted:
            first.environment["SSL_CERT_FILE"] = str(second.ca)
        with first:
            first.running()
            chain, curl = post(first, "--http2", second.url, errors_to)
            assert " 202" in curl.communicate(timeout=PATIENCE_S)[0].partition("\n")[0]
            if is_trusted:
                second.wait_output(f"hop {chain} ended POST /orders")
            else:
                told = json.loads(errors.recv(65536))
                assert told["id"] == chain
                assert "certificate" in told["errorMessage"].lower()
