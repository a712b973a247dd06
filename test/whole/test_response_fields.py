"""Response fields through the whole program: redirects, HSTS and caching."""

import json
from pathlib import Path

import pytest

from test.harness import Proxy, backend
from test.https import HttpsProxy
from test.wire import Message

SERVER = backend("answers_site.py")
HSTS = {"Strict-Transport-Security": "max-age=1"}


def answering(proxy: Proxy, fields: dict[str, str]) -> Proxy:
    """Make the server of a proxy that is not started yet answer with these fields."""
    answers = {"/": [302, {name: text.format(proxy=proxy) for name, text in fields.items()}, ""]}
    (proxy.project / "answers.json").write_text(json.dumps(answers))
    return proxy


def asked(proxy: Proxy, host: str) -> Message:
    with proxy.connect() as wire:
        wire.send(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return wire.response()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "app.localhost"])
def test_redirect_to_backend_leads_to_proxy(tmp_path: Path, name: str) -> None:
    proxy = Proxy(tmp_path, SERVER)
    fields = {"Location": f"http://{name}:{{proxy.backend_port}}/a"}
    with answering(proxy, fields):
        host = f"app.localhost:{proxy.running().port}"
        for _ in range(2):
            response = asked(proxy, host)
            assert response.all(b"Location") == [f"http://{host}/a".encode()]


def test_redirect_to_plain_http_becomes_https(tmp_path: Path) -> None:
    proxy = HttpsProxy(tmp_path / "project", SERVER)
    with answering(proxy, {"Location": "http://localhost:{proxy.port}/a"}):
        host = f"localhost:{proxy.running().port}"
        assert asked(proxy, host).all(b"Location") == [f"https://{host}/a".encode()]


def test_redirect_is_unchanged_without_the_option(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, SERVER, "--no-rewrite-redirects")
    with answering(proxy, {"Location": "http://localhost:{proxy.backend_port}/a"}):
        location = f"http://localhost:{proxy.running().backend_port}/a"
        assert proxy.get("/").all(b"Location") == [location.encode()]


def test_hsts_is_forwarded_for_names_of_the_user_only(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, SERVER, "--allowed-host", "shop.example")
    with answering(proxy, HSTS):
        proxy.running()
        for _ in range(2):
            assert asked(proxy, "shop.example").all(b"Strict-Transport-Security") == [b"max-age=1"]
            assert asked(proxy, "localhost").all(b"Strict-Transport-Security") == []


@pytest.mark.parametrize(("options", "added"), [((), [b"no-cache"]), (("--no-cache-control",), [])])
def test_response_that_heuristics_may_cache_gets_no_cache(
    tmp_path: Path, options: tuple[str, ...], added: list[bytes]
) -> None:
    proxy = Proxy(tmp_path, SERVER, *options)
    with answering(proxy, {"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}):
        proxy.running()
        for _ in range(3):
            assert proxy.get("/").all(b"Cache-Control") == added
