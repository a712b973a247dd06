"""The diagnosis of a server that does not answer: lines in the terminal, and pages."""

import sys
from pathlib import Path

import pytest

from test.deadline import eventually
from test.harness import Proxy, backend
from test.tls import make_pair

TLS_SERVER = """
import http.server, ssl, sys
handler = http.server.SimpleHTTPRequestHandler
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
ELSEWHERE = """
import http.server, sys
handler = http.server.SimpleHTTPRequestHandler
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1]) + 1), handler).serve_forever()
"""
SILENT = """
import sys, time
print("loading the model", flush=True)
time.sleep(1000)
"""
MUTE = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(1000)
"""


def command(project: Path, source: str, *arguments: str) -> list[str]:
    script = project / "server.py"
    script.write_text(source)
    return [sys.executable, str(script), "{port}", *arguments]


def test_server_on_another_port_is_reported_with_that_port(project: Path) -> None:
    with Proxy(project, command(project, ELSEWHERE), "--start-timeout", "1") as proxy:
        proxy.wait_output(r"takes longer than --start-timeout \(1 s\): requests get 503")
        there = proxy.backend_port + 1
        line = (
            rf"no answer after 2 s: the server listens at 127\.0\.0\.1:{there}, not at "
            rf"127\.0\.0\.1:{proxy.backend_port}: use {there} as BACKEND"
        )
        proxy.wait_output(line)
        eventually(lambda: b"listens at" in proxy.get("/").body)
        assert proxy.get("/").status == 503


def test_server_that_speaks_tls_is_reported(project: Path, tmp_path: Path) -> None:
    pair = map(str, make_pair(tmp_path / "pair"))
    with Proxy(project, command(project, TLS_SERVER, *pair)) as proxy:
        proxy.wait_output(r"no answer after 2 s: .* speaks TLS")


def test_server_that_does_not_listen_is_reported_with_its_last_output(project: Path) -> None:
    with Proxy(project, command(project, SILENT)) as proxy:
        proxy.wait_output("the server does not listen yet, its last output: loading the model")


def test_server_that_does_not_answer_http_is_reported(project: Path) -> None:
    with Proxy(project, command(project, MUTE)) as proxy:
        proxy.wait_output("accepts connections, but does not answer an HTTP request yet")


def test_unused_inherited_socket_is_reported(project: Path) -> None:
    with Proxy(project, command(project, ELSEWHERE), "--socket") as proxy:
        proxy.wait_output("not on the socket that it inherits")


def test_start_that_answers_soon_is_not_diagnosed(project: Path) -> None:
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        assert "no answer" not in proxy.output


@pytest.mark.parametrize("variable", ["RUN_MAIN", "WERKZEUG_RUN_MAIN"])
def test_reloader_in_the_process_tree_is_reported_once(project: Path, variable: str) -> None:
    words = ["env", f"{variable}=true", *backend("echo.py")]
    with Proxy(project, ["sh", "-c", '"$@" & wait', "sh", *words]) as proxy:
        proxy.running()
        proxy.wait_output("own reloader is on: add --no")
        with proxy.restart():
            proxy.save("a.py", "")
        assert proxy.output.count("own reloader is on") == 1
