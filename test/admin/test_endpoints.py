"""The admin endpoints as a whole: opening, closing, and a taken port."""

import asyncio
import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from httpprocessproxy.admin.endpoints import Admin
from httpprocessproxy.events import EventBus
from test.admin.sockets import (
    LOOPS,
    Loop,
    greet,
    opened,
    own,
    public,
    receive,
    reload_browsers,
    run,
    service,
    settled,
)
from test.messages import state, status
from test.ports import free_port


async def get(admin: Admin, target: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(admin.socket_for(target, True) or "")
    writer.write(b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % target)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def descriptors() -> set[str]:
    return {os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}


@pytest.mark.parametrize("loop", LOOPS)
def test_all_endpoints_answer_at_once(loop: Loop) -> None:
    async def main() -> None:
        port = free_port()
        bus = EventBus()
        async with opened(port, status=status("running", 1), bus=bus) as admin:
            assert (await get(admin, b"/_hpp/status")).endswith(b'"services": {"web": "running"}}')
            async with own(admin) as page, public(port) as other:
                await greet(page)
                await greet(other)
                assert admin.clients == 2
                reload_browsers(bus)
                assert (await receive(page))["command"] == "reload"
                assert (await receive(other))["command"] == "reload"

    run(main(), loop)


def test_services_that_restart_together_reload_a_livereload_page_once() -> None:
    async def main() -> None:
        bus = EventBus()
        shop = (service("api", "/api/**"), service("web", "/**"), service("worker"))
        async with opened(bus=bus, services=shop) as admin, own(admin) as page:
            await greet(page)
            for name in ("web", "api"):
                bus.publish(state("running", "loading", service=name))
            for _ in range(2):  # the worker again, alone
                bus.publish(state("running", "loading", service="worker", reloads=True))
            await settled(page)
            await page.close()
            commands = [json.loads(message)["command"] async for message in page]
            assert commands == ["reload"]

    run(main())


def test_targets_lead_to_their_sockets() -> None:
    async def main() -> None:
        async with opened() as admin:
            listen = admin.socket_for(b"/_hpp/livereload", True)
            site = admin.socket_for(b"/_hpp/status", True)
            assert listen != site
            assert admin.socket_for(b"/_hpp/livereload?x=/", True) == listen
            for target in (b"/_hpp/", b"/_hpp/livereload.js", b"/_hpp/livereload/", b"/_hpp/\xff"):
                assert admin.socket_for(target, True) == site

    run(main())


def test_untrusted_client_gets_only_public_targets() -> None:
    async def main() -> None:
        async with opened() as admin:
            for target in (b"/_hpp/livereload", b"/_hpp/livereload?x", b"/_hpp/livereload.js?x=1"):
                assert admin.socket_for(target, False) == admin.socket_for(target, True)
            for target in (b"/_hpp/", b"/_hpp/status", b"/_hpp/livereload.js/../status"):
                assert admin.socket_for(target, False) is None

    run(main())


def file_of(name: str) -> str:
    """The path of a socket's file, by the name of its descriptor."""
    return os.readlink(name) if os.path.islink(name) else name


def test_folder_of_the_sockets_is_private_and_removed() -> None:
    async def main() -> None:
        async with opened() as admin:
            folder = Path(file_of(admin.socket_for(b"/_hpp/", True) or "")).parent
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not folder.exists()

    run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_opening_and_closing_leaks_no_descriptor_or_task(loop: Loop) -> None:
    async def main() -> None:
        port = free_port()

        async def once() -> None:
            async with opened(port) as admin, own(admin) as page, public(port) as other:
                await greet(page)
                await greet(other)
                await get(admin, b"/_hpp/status")

        await once()  # imports modules, in a thread that stays
        before, tasks = len(os.listdir("/dev/fd")), len(asyncio.all_tasks())
        for _ in range(5):
            await once()
        assert len(os.listdir("/dev/fd")) == before
        assert len(asyncio.all_tasks()) == tasks

    run(main(), loop)


def test_silent_connections_do_not_delay_the_end() -> None:
    async def main() -> None:
        port = free_port()
        async with opened(port) as admin:
            _, silent = await asyncio.open_connection("127.0.0.1", port)
            _, waiting = await asyncio.open_unix_connection(admin.socket_for(b"/_hpp/", True))
            page = await own(admin)
            await greet(page)
            page.transport.pause_reading()
            end = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - end < 2
        for writer in (silent, waiting):
            writer.close()
        page.transport.abort()

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_taken_livereload_port_warns_and_the_rest_works(host: str) -> None:
    async def main() -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        warnings: list[str] = []
        with socket.create_server((host, 0), family=family) as taken:
            port = taken.getsockname()[1]
            async with opened(port, warnings=warnings) as admin, own(admin) as page:
                await greet(page)
                assert (await get(admin, b"/_hpp/status")).startswith(b"HTTP/1.1 200 ")
        (warning,) = warnings
        assert f"port {port}: Address already in use" in warning
        assert "--livereload-port" in warning
        assert "\n" not in warning

    run(main())


def test_error_of_the_program_propagates() -> None:
    async def main() -> None:
        with pytest.raises(LookupError, match="of the program"):
            async with opened():
                raise LookupError("of the program")

    run(main())


def test_idle_proxy_does_not_import_aiohttp() -> None:
    script = """
import asyncio, sys
from test.admin.sockets import opened, run
async def main():
    async with opened():
        await asyncio.sleep(0)
run(main())
sys.exit("aiohttp" in sys.modules)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, timeout=60, check=False)
    assert done.returncode == 0


def test_error_of_the_site_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpprocessproxy.admin.site", None)

    async def main() -> None:
        async with opened() as admin:
            path = admin.socket_for(b"/_hpp/status", True)
            _, writer = await asyncio.open_unix_connection(path)
            with contextlib.closing(writer):
                await asyncio.get_running_loop().create_future()

    with pytest.raises(ExceptionGroup) as caught:
        run(main())
    assert caught.group_contains(ImportError)
