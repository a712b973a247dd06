"""The temporary folder of a running program is emptied, by a user or by systemd-tmpfiles."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from test.deadline import PATIENCE_S
from test.harness import Proxy, backend
from test.https import HttpsProxy

LIVERELOAD = "http://livereload.com/protocols/official-7"


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "t"
    folder.mkdir()
    return folder


def empty(folder: Path) -> None:
    """Remove all files in a folder, as `rm -rf FOLDER/*` does."""
    paths = list(folder.iterdir())
    assert paths, "the program has files there"
    for path in paths:
        shutil.rmtree(path)


def fetched(proxy: HttpsProxy, *arguments: str) -> bytes:
    command = ["curl", "--silent", "--show-error", "--cacert", str(proxy.ca), *arguments]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_admin_pages_work_without_their_files(project: Path, temporary: Path) -> None:
    with Proxy(project, backend("echo.py"), environment={"TMPDIR": str(temporary)}) as proxy:
        proxy.running()
        empty(temporary)
        for name in ("status", "client.js", "livereload.js", "requests"):
            assert proxy.get(f"/_hpp/{name}").status == 200, name
        with connect(
            f"ws://127.0.0.1:{proxy.port}/_hpp/livereload", origin=Origin(proxy.url), proxy=None
        ) as page:
            page.send(json.dumps({"command": "hello", "protocols": [LIVERELOAD]}))
            assert json.loads(page.recv(PATIENCE_S))["command"] == "hello"
        with proxy.restart():
            proxy.save("a.py", "")
        assert proxy.get("/").status == 200


def test_https_works_without_its_files(project: Path, temporary: Path) -> None:
    with HttpsProxy(project, backend("echo.py"), environment={"TMPDIR": str(temporary)}) as proxy:
        proxy.running()
        empty(temporary)
        for version in ("--http1.1", "--http2"):
            assert b"headers" in fetched(proxy, version, f"{proxy.url}/")
            assert b"running" in fetched(proxy, version, f"{proxy.url}/_hpp/status")
