"""`ASGIServer`: on a given event loop, on the running one, and in a thread of its own."""

import asyncio
import http.client
import json
import logging
import socket
import ssl
import sys
import threading
from pathlib import Path

import pytest

from httpprocessproxy.asgi import ASGIServer
from httpprocessproxy.asgi.interface import Receive, Scope, Send
from httpprocessproxy.core.errors import UserError
from test.asgi.applications import Stage
from test.deadline import PATIENCE_S
from test.frontends.http3_fronts import CA, write_certificate
from test.loops import run


@pytest.fixture(autouse=True)
def certificate(tmp_path: Path) -> None:
    write_certificate(tmp_path)


def server(folder: Path, app: Stage | None = None, **options: object) -> ASGIServer:
    loop, debug = options.get("loop"), bool(options.get("debug", False))
    assert loop is None or isinstance(loop, asyncio.AbstractEventLoop)
    files = folder / "cert.pem", folder / "key.pem"
    return ASGIServer(app or Stage(), loop, debug, certfile=files[0], keyfile=str(files[1]))


def asked(port: int, authority: bytes | None = None) -> int:
    """Send a request, trusting this CA, and return the status."""
    trusted = (authority or CA.cert_pem.bytes()).decode()
    context = ssl.create_default_context(cadata=trusted)
    client = http.client.HTTPSConnection("localhost", port, timeout=PATIENCE_S, context=context)
    try:
        client.request("GET", "/")
        response = client.getresponse()
        assert json.loads(response.read())["server"][1] == port
        assert response.headers["Alt-Svc"] == f'h3=":{port}"; ma=3600'
        return response.status
    finally:
        client.close()


def test_server_without_a_loop_runs_in_its_own_thread(tmp_path: Path) -> None:
    stage = Stage()
    with_thread = server(tmp_path, stage)
    before = threading.active_count()
    with_thread.start(port=0)
    with_thread.started.result(PATIENCE_S)
    assert asked(with_thread.port) == 200
    with_thread.stop()
    with_thread.ended.result(0)
    assert threading.active_count() == before
    assert stage.lifespan == ["lifespan.startup", "lifespan.shutdown"]
    with_thread.stop()  # a second call does nothing
    with pytest.raises(RuntimeError, match="make another"):
        with_thread.start(port=0)


def test_server_runs_on_the_running_loop(tmp_path: Path) -> None:
    async def main() -> None:
        here = server(tmp_path)
        here.start("127.0.0.1", 0)
        assert await asyncio.to_thread(asked, here.port) == 200
        assert here.started.done()
        here.stop()
        await asyncio.wrap_future(here.ended)

    run(main())


def test_server_listens_before_its_loop_runs(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    later = server(tmp_path, loop=loop)
    later.start("127.0.0.1", 0)
    assert not later.started.done()
    with socket.create_connection(("127.0.0.1", later.port), PATIENCE_S):
        pass  # the socket listens already
    assert loop.run_until_complete(asyncio.to_thread(asked, later.port)) == 200
    later.stop()
    loop.run_until_complete(asyncio.wrap_future(later.ended, loop=loop))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    later.stop()


def test_server_without_certfile_uses_a_certificate_of_the_local_ca(data: Path) -> None:
    local = ASGIServer(Stage())
    local.start(port=0)
    local.started.result(PATIENCE_S)
    assert asked(local.port, (data / "ca/ca.pem").read_bytes()) == 200
    local.stop()


def test_debug_logs_each_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    traced = server(tmp_path, debug=True)
    traced.start(port=0)
    asked(traced.port)
    traced.stop()
    assert [r for r in caplog.records if r.getMessage().endswith("HTTP/1.1 GET '/' 200")]


def test_start_raises_for_a_taken_port_and_an_unreadable_certificate(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="in use"):
        server(tmp_path).start("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UserError, match="cannot read"):
        ASGIServer(Stage(), certfile=tmp_path / "none.pem").start(port=0)
    server(tmp_path).stop()  # a server that was never started


def test_failed_startup_of_the_application_fails_both_futures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    failing = ASGIServer(application, certfile=tmp_path / "cert.pem", keyfile=tmp_path / "key.pem")
    failing.start(port=0)
    for future in (failing.started, failing.ended):
        with pytest.raises(UserError, match="no database"):
            future.result(PATIENCE_S)
    failing.stop()
    (record,) = caplog.records
    assert record.getMessage() == "the server has ended: the application did not start: no database"


def test_missing_uvicorn_is_a_user_error_that_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("uvicorn")]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("serving", "http1"):
        monkeypatch.delitem(sys.modules, f"httpprocessproxy.asgi.{name}", raising=False)
    with pytest.raises(UserError, match=r"pip install 'http-process-proxy\[asgi\]'"):
        server(tmp_path).start(port=0)
