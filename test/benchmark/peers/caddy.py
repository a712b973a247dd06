"""Caddy's `reverse_proxy`, with its defaults; over TLS these are HTTP/1.1, HTTP/2 and HTTP/3."""

from typing import ClassVar

from test.benchmark.peers.peer import Place
from test.benchmark.service import HOST
from test.benchmark.tools import caddy, certificate

CONFIG = """
{{
    admin off
    auto_https off
    storage file_system {config}
}}
{scheme}://{host}:{port} {{
    bind {host}
    {tls}
    reverse_proxy {host}:{backend}
}}
"""


class Caddy:
    name: ClassVar[str] = "caddy"
    starts_backend: ClassVar[bool] = False

    def command(self, place: Place) -> tuple[str, ...]:
        return _command(place, "http")


class CaddyOverTls:
    name: ClassVar[str] = "caddy"
    starts_backend: ClassVar[bool] = False

    def command(self, place: Place) -> tuple[str, ...]:
        return _command(place, "https", " ".join(("tls", *certificate(place.config))))


def _command(place: Place, scheme: str, tls: str = "") -> tuple[str, ...]:
    path = place.config / "Caddyfile"
    text = CONFIG.format(
        scheme=scheme,
        host=HOST,
        port=place.port,
        tls=tls,
        backend=place.backend.port,
        config=place.config,
    )
    path.write_text(text)
    return (caddy(), "run", "--config", str(path), "--adapter", "caddyfile")
