"""nginx `proxy_pass`: one worker, as http-process-proxy has one process, kept connections."""

from typing import ClassVar

from test.benchmark.backends import nginx_user
from test.benchmark.peers.peer import Place
from test.benchmark.service import HOST
from test.benchmark.tools import program

CONFIG = """
daemon off;
{user}
worker_processes 1;
pid {config}/proxy.pid;
error_log /dev/null;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 100000000;
    client_max_body_size 0;
    client_body_temp_path {config}/client;
    proxy_temp_path {config}/proxy;
    map $http_upgrade $tunnel {{ default upgrade; '' ''; }}
    upstream backend {{
        server {host}:{backend};
        keepalive 512;
        keepalive_requests 100000000;
    }}
    server {{
        listen {host}:{port} backlog=1024;
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $tunnel;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""


class Nginx:
    name: ClassVar[str] = "nginx"
    starts_backend: ClassVar[bool] = False

    def command(self, place: Place) -> tuple[str, ...]:
        path = place.config / "proxy.conf"
        path.write_text(
            CONFIG.format(
                user=nginx_user(),
                config=place.config,
                host=HOST,
                backend=place.backend.port,
                port=place.port,
            )
        )
        return (program("nginx"), "-c", str(path))
