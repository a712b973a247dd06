"""The backends behind the proxies: nginx with files, or the raw echo server of echo.py.

Each contestant has a backend of its own, because http-process-proxy starts its backend itself.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from test.benchmark.service import HOST
from test.ports import free_port

MODULE = "export const answer = 42; // " + "x" * 470
BODY_BYTES = 100_000

NGINX = """
daemon off;
{user}
worker_processes 1;
pid {work}/nginx.pid;
error_log /dev/null;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 100000000;
    keepalive_timeout 300s;
    default_type text/javascript;
    server {{
        listen {host}:{port} backlog=1024;
        location = / {{ return 200 '{module}'; }}
        location / {{ root {files}; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Backend:
    """A command that serves at 127.0.0.1:`port`; `mark` occurs only in its command line."""

    command: tuple[str, ...]
    port: int
    mark: str


def nginx_missing() -> str | None:
    return None if nginx() else "nginx is not installed"


def nginx() -> str | None:
    # Debian installs it in a folder that only root's PATH has.
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def write_files(files: Path, bulk_bytes: int) -> None:
    """Write the bodies that nginx serves: /body and /bulk."""
    files.mkdir(parents=True, exist_ok=True)
    (files / "body").write_bytes(os.urandom(BODY_BYTES))
    (files / "bulk").write_bytes(os.urandom(1 << 20) * (bulk_bytes >> 20))


def nginx_user() -> str:
    """The `user` directive: nginx of root must stay root to read the private temporary folder."""
    return "user root;" if os.geteuid() == 0 else ""


def nginx_backend(work: Path, files: Path) -> Backend:
    port, config = free_port(), work / "backend.conf"
    text = NGINX.format(
        user=nginx_user(), work=work, host=HOST, port=port, module=MODULE, files=files
    )
    config.write_text(text)
    return Backend((str(nginx()), "-c", str(config)), port, "backend.conf")


def echo_backend(work: Path, files: Path) -> Backend:
    port, script = free_port(), Path(__file__).with_name("echo.py")
    return Backend((sys.executable, str(script), str(port)), port, f"echo.py {port}")
