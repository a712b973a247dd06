"""`--asgi`: an application in place of a command, through the whole program."""

import json
import signal
from pathlib import Path

import pytest
from websockets.sync.client import connect

from test.deadline import PATIENCE_S, eventually
from test.harness import Proxy, http_connection
from test.tls import TlsWire, make_pair, trusting

SOURCE = """
import asyncio, json
from pathlib import Path

VERSION = "version 0"

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            print("step", step, flush=True)
            await send({"type": f"lifespan.{step}.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({**event, "type": "websocket.send"})
    else:
        while (await receive())["more_body"]:
            pass
        if scope["path"] == "/slow":
            Path("has begun").touch()
            while not Path("go on").exists():
                await asyncio.sleep(0.01)
        if scope["path"] == "/fail":
            raise ValueError("on purpose")
        if scope["path"] == "/exit":
            import os
            os._exit(7)
        seen = {name: scope[name] for name in ("client", "scheme", "path", "http_version")}
        body = json.dumps({**seen, "version": VERSION}).encode()
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

def make():
    return app
"""


class Application(Proxy):
    """The program with --asgi, at a backend port that it chooses."""

    def __init__(self, project: Path, name: str = "shop.web:app", *options: str) -> None:
        super().__init__(project, [], "--asgi", name, *options)
        self.arguments.remove("--exec")
        # BACKEND is omitted.
        del self.arguments[self.arguments.index(f"127.0.0.1:{self.backend_port}")]
        (project / "shop").mkdir(exist_ok=True)
        (project / "shop/web.py").write_text(SOURCE)

    def seen(self, path: str = "/", **headers: str) -> dict[str, object]:
        response = self.get(path, **headers)
        assert response.status == 200, response
        seen: dict[str, object] = json.loads(response.body)
        return seen

    def save_version(self, number: int) -> None:
        self.save("shop/web.py", SOURCE.replace("version 0", f"version {number}"))


def test_saves_are_served(project: Path) -> None:
    with Application(project) as proxy:
        assert proxy.running().seen()["version"] == "version 0"
        for number in range(1, 3):
            with proxy.restart():
                proxy.save_version(number)
            assert proxy.seen()["version"] == f"version {number}"
        assert "Uvicorn running" not in proxy.output, "the private port is not printed"


def test_get_in_flight_at_a_save_is_answered_by_the_new_code(project: Path) -> None:
    with Application(project, "shop.web:app", "--pattern", "**/*.py") as proxy:
        proxy.running()
        client = http_connection(proxy)
        client.request("GET", "/slow")
        eventually((project / "has begun").exists)
        with proxy.restart():
            proxy.save_version(1)
        proxy.save("go on", "")
        response = client.getresponse()
        assert json.loads(response.read())["version"] == "version 1"
        client.close()


def test_application_sees_the_clients_address_and_scheme(project: Path) -> None:
    with Application(project, "shop.web:app", "--forwarded-allow-ips", "127.0.0.1") as proxy:
        proxy.running()
        seen = proxy.seen("/a%20b")
        assert seen["client"] == ["127.0.0.1", 0]
        assert (seen["scheme"], seen["path"], seen["http_version"]) == ("http", "/a b", "1.1")
        seen = proxy.seen("/", X_Forwarded_For="192.0.2.1", X_Forwarded_Proto="https")
        assert (seen["client"], seen["scheme"]) == (["192.0.2.1", 0], "https")


def test_scheme_over_tls_is_https(project: Path, tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path / "tls")
    options = "--tls-cert", str(certificate), "--tls-key", str(key)
    with Application(project, "shop.web:app", *options) as proxy:
        proxy.wait_output("started in")
        with TlsWire.open(proxy.port, trusting(None)) as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert json.loads(wire.response().body)["scheme"] == "https"
        proxy.stop()


def test_forwarded_fields_of_an_untrusted_client_are_ignored(project: Path) -> None:
    with Application(project, "shop.web:app", "--forwarded-allow-ips", "192.0.2.0/24") as proxy:
        # Untrusted clients cannot read /_hpp/status, so the output shows that the server runs.
        proxy.wait_output("started in")
        seen = proxy.seen("/", X_Forwarded_For="192.0.2.1", X_Forwarded_Proto="https")
        assert (seen["client"], seen["scheme"]) == (["127.0.0.1", 0], "http")
        proxy.stop()


@pytest.mark.parametrize(("options", "warns"), [(("--asgi-factory",), False), ((), True)])
def test_factory_is_called(project: Path, options: tuple[str, ...], warns: bool) -> None:
    with Application(project, "shop.web:make", *options) as proxy:
        assert proxy.running().seen()["version"] == "version 0"
        if warns:
            proxy.wait_output("ASGI app factory detected")
        proxy.wait_output("started in")
        assert ("ASGI app factory detected" in proxy.output) == warns


def test_lifespan_runs_at_each_start_and_stop(project: Path) -> None:
    with Application(project, "shop.web:app", "--kill-signal", "TERM") as proxy:
        proxy.running()
        with proxy.restart():
            proxy.save_version(1)
        proxy.stop(signal.SIGTERM)
        proxy.wait_output("(step shutdown[^\\0]*){2}")
        steps = [line for line in proxy.output.splitlines() if line.startswith("step")]
        assert [step.split()[1] for step in steps] == ["startup", "shutdown"] * 2


def test_websocket_is_echoed(project: Path) -> None:
    with Application(project) as proxy:
        proxy.running()
        with connect(f"ws://127.0.0.1:{proxy.port}/", proxy=None) as socket:
            socket.send("hello")
            assert socket.recv(PATIENCE_S) == "hello"


def test_exception_gets_500_and_a_crash_503(project: Path) -> None:
    with Application(project) as proxy:
        proxy.running()
        assert proxy.get("/fail").status == 500
        proxy.wait_output("ValueError: on purpose")
        assert proxy.seen()["version"] == "version 0"
        assert proxy.get("/exit").status == 503
        proxy.wait_state("error")
        assert b"exited with status 7" in proxy.get("/", Accept="text/html").body
        with proxy.restart():
            proxy.save_version(1)
        assert proxy.seen()["version"] == "version 1"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("shop.none:app", b"Could not import module &quot;shop.none&quot;"),
        ("shop.web:none", b"not found in module"),
    ],
)
def test_missing_application_is_an_error(project: Path, name: str, why: bytes) -> None:
    with Application(project, name) as proxy:
        proxy.wait_state("error")
        response = proxy.get("/", Accept="text/html")
        assert response.status == 503
        assert why in response.body


def test_module_that_fails_is_served_after_its_repair(project: Path) -> None:
    with Application(project) as proxy:
        proxy.running()
        with proxy.restart("error"):
            proxy.save("shop/web.py", "1 / 0")
        assert b"ZeroDivisionError" in proxy.get("/", Accept="text/html").body
        with proxy.restart():
            proxy.save_version(1)
        assert proxy.seen()["version"] == "version 1"
