"""Projects in several folders at once, all with the same address: each keeps to itself."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from test.harness import Project, backend
from test.pressure import workers
from test.wire import Wire

SERVICES = ("api", "web", "docs")
TABLES = "".join(
    f"""
[service.{name}]
exec = {json.dumps(backend("echo.py"))}
dir = "{name}"
route = "{route}"
strip = true
"""
    for name, route in (("api", "/api/**"), ("web", "/**"), ("docs", "docs.localhost"))
)


@contextmanager
def projects(folder: Path, count: int) -> Iterator[list[Project]]:
    """Projects whose files name one and the same port."""
    made: list[Project] = []
    for number in range(count):
        root = folder / f"checkout{number}"
        for name in SERVICES:
            (root / name).mkdir(parents=True)
            (root / name / "version").write_text(f"{number} {name}")
        made.append(Project(root, TABLES))
    with ExitStack() as stack:
        for project in made:
            path = project.project / "http-process-proxy.toml"
            path.write_text(path.read_text().replace(f":{project.port}", f":{made[0].port}"))
            # The port of the start lines: the program moves off a port that is taken.
            project.port = 0
            stack.enter_context(project)
        for project in made:
            project.port = int(project.wait_output(r"http://127\.0\.0\.1:(\d+)/")[1])
        yield made


@pytest.mark.parametrize(
    ("count", "requests"), [(3, 600), pytest.param(10, 10_000, marks=pytest.mark.slow)]
)
def test_requests_never_reach_another_folder(tmp_path: Path, count: int, requests: int) -> None:
    with projects(tmp_path, count) as running:
        assert len({project.port for project in running}) == count
        for project in running:
            for name in SERVICES:
                project.wait_service(name)

        def get(number: int, done: object) -> None:
            project = running[number]
            with Wire.connect(project.port) as wire:
                for turn in range(requests // count):
                    name = SERVICES[turn % len(SERVICES)]
                    host = b"docs.localhost" if name == "docs" else b"localhost"
                    path = b"/api/version" if name == "api" else b"/version"
                    wire.send(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (path, host))
                    assert wire.response().body == f"{number} {name}".encode()

        with workers(count, get):
            pass
