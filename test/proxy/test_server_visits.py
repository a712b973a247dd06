"""The private socket for the archive, whose file may be removed while the program runs."""

import asyncio
import contextlib
import shutil
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from httpprocessproxy.core.routes import Route
from test.fakes import OtherService, Peer, get, serving
from test.loops import on_every_loop


def empty(folder: Path) -> None:
    (private,) = folder.iterdir()
    shutil.rmtree(private)


@pytest.mark.skipif(sys.platform != "linux", reason="a name beside the file needs /proc")
@on_every_loop
async def test_visits_are_served_after_the_temporary_folder_was_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with serving() as bench, bench.proxy_server.serve_visits() as visits:
        empty(tmp_path)
        visitor = socket.socket(socket.AF_UNIX)
        visitor.setblocking(False)
        await asyncio.get_running_loop().sock_connect(visitor, str(visits))
        with contextlib.closing(Peer(visitor)) as asking:
            await asking.send(get("/"))
            await bench.backend.serve()
            answer = await asking.response()
            assert (answer.status, answer.get(b"Hpp-Generation")) == (200, None)


@on_every_loop
async def test_visit_reaches_the_service_of_its_path() -> None:
    others = {"api": OtherService([Route.parse("/api/**")])}
    async with serving(others=others) as bench, bench.proxy_server.serve_visits() as visits:
        visitor = socket.socket(socket.AF_UNIX)
        visitor.setblocking(False)
        await asyncio.get_running_loop().sock_connect(visitor, str(visits))
        with contextlib.closing(Peer(visitor)) as asking:
            for path, backend in (("/api/x", bench.backends["api"]), ("/x", bench.backend)):
                await asking.send(get(path))
                _, request = await backend.serve()
                assert request.target == path.encode()
                assert (await asking.response()).status == 200
