"""Servers of common frameworks, and saves by writes and renames."""

import shutil
import sys
from pathlib import Path

import pytest

from test.harness import BACKENDS, Proxy, backend

PYTHON = sys.executable

FRAMEWORKS = {
    "http.server": [PYTHON, "-m", "http.server", "--bind", "127.0.0.1", "{port}"],
    "flask": [PYTHON, "flask_app.py", "{port}"],
    "django": [PYTHON, "manage.py", "runserver", "--noreload", "{port}"],
    "uvicorn": [PYTHON, "-m", "uvicorn", "--port", "{port}", "asgi_app:app"],
    "node": ["node", "node_server.js", "{port}"],
    "npm-like shell": ["sh", "-c", "node node_server.js {port}"],
}


@pytest.fixture
def source(project: Path) -> Path:
    """A project with one server of each framework."""
    for name in ("flask_app.py", "asgi_app.py", "node_server.js", "django_project/manage.py"):
        shutil.copy(BACKENDS / name, project)
    (project / "version").write_text("version 0")
    return project


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_saves_are_served(source: Path, name: str) -> None:
    path = "/version" if name == "http.server" else "/"
    with Proxy(source, FRAMEWORKS[name]) as proxy:
        assert proxy.running().get(path).body == b"version 0"
        for number in range(1, 4):
            with proxy.restart():
                proxy.save("version", f"version {number}", by="rename" if number % 2 else "write")
            assert proxy.get(path).body == f"version {number}".encode()


def test_syntax_error_is_served_as_503_until_its_repair(source: Path) -> None:
    with Proxy(source, FRAMEWORKS["flask"]) as proxy:
        proxy.running()
        good = (source / "flask_app.py").read_text()
        with proxy.restart("error"):
            proxy.save("flask_app.py", good + "\ndef broken(:\n", by="rename")
        response = proxy.get("/", Accept="text/html")
        assert response.status == 503
        assert b"SyntaxError" in response.body
        with proxy.restart():
            proxy.save("flask_app.py", good, by="rename")
        assert proxy.get("/").status == 200


def test_backend_gets_the_clients_host(source: Path) -> None:
    """Werkzeug checks Host, which works only if the proxy passes it on."""
    with Proxy(source, backend("echo.py")) as proxy:
        proxy.running()
        assert f'["Host", "127.0.0.1:{proxy.port}"]'.encode() in proxy.get("/").body
