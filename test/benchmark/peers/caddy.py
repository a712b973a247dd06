"""Caddy's `reverse_proxy`, with its defaults."""

from typing import ClassVar

from test.benchmark.peers.peer import Place
from test.benchmark.service import HOST
from test.benchmark.tools import caddy

CONFIG = """
{{
    admin off
    auto_https off
    storage file_system {config}
}}
http://{host}:{port} {{
    bind {host}
    reverse_proxy {host}:{backend}
}}
"""


class Caddy:
    name: ClassVar[str] = "caddy"
    starts_backend: ClassVar[bool] = False

    def command(self, place: Place) -> tuple[str, ...]:
        path = place.config / "Caddyfile"
        text = CONFIG.format(
            host=HOST, port=place.port, backend=place.backend.port, config=place.config
        )
        path.write_text(text)
        return (caddy(), "run", "--config", str(path), "--adapter", "caddyfile")
