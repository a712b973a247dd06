"""The two guarantees of a save, counted: no stale response, and no cut response.

*page* and *get*: a request is sent as soon as the save's write has returned, as a browser requests
a page and as a program requests data; the share of the responses that come from the saved code.
*cut*: clients that keep their connections send one GET after another; the number of GETs without
a complete response, for each save.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator

from test.benchmark.fleet import Bench, turns
from test.benchmark.projects import SAVED, Project, marker
from test.benchmark.runners import Runner, chosen, running_all, watchman
from test.benchmark.samples import Measure
from test.benchmark.service import HOST
from test.benchmark.visitor import Answer, judge, visit

CLIENTS = 16
# The fields in which a browser's navigation differs from a program's request.
KINDS = {
    "page": "Accept: text/html\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n",
    "get": "Accept: */*\r\n",
}
# The longest pause before a save, so that saves meet all phases of a polling watcher.
PAUSE_S = 0.1
ANSWER_S = 20.0
# The pause of a client after a refusal; no browser or program would retry at once.
AGAIN_S = 0.005


def measure(project: Project, name: str) -> Measure:
    title = f"save, {project.name}"
    if name == "cut":
        return Measure(f"save.{project.name}.cut", f"{title}: GETs cut", "a save", mean=True)
    key, unit = f"save.{project.name}.{name}", "%"
    return Measure(key, f"{title}: fresh at once, {name}", unit, higher_is_better=True, mean=True)


def run(bench: Bench) -> None:
    versions = itertools.count(1)
    with watchman(bench.folder) as env:
        for project in chosen(bench, SAVED):
            with running_all(bench, project, versions, env) as runners:
                for number in range(bench.plan.asks):
                    for runner in turns(runners, number):
                        _ask_both(bench, project, runner, number, versions)
                for runner in runners:
                    _cut(bench, project, runner, versions)


def _ask_both(
    bench: Bench, project: Project, runner: Runner, number: int, versions: Iterator[int]
) -> None:
    for kind, fields in KINDS.items():
        time.sleep(random.uniform(0, PAUSE_S))
        version = next(versions)
        answer = asyncio.run(_save_and_ask(project, runner, version, fields))
        percent = 100.0 * (answer is Answer.FRESH)
        bench.results.add(measure(project, kind), runner.name, number, percent)
        bench.say(f"save {number + 1}, {project.name}: {runner.name}: {kind}: {answer.value}")


async def _save_and_ask(project: Project, runner: Runner, version: int, fields: str) -> Answer:
    """Save, send a request on an open connection, and wait until the save is served."""
    reader, writer = await asyncio.open_connection(HOST, runner.port)
    request = f"GET / HTTP/1.1\r\nHost: {HOST}:{runner.port}\r\n{fields}Connection: close\r\n\r\n"
    saved = time.monotonic()
    project.save(runner.work, version)
    try:
        writer.write(request.encode())
        async with asyncio.timeout(ANSWER_S):
            answer = judge(await reader.read(), marker(version).encode())
    except (OSError, TimeoutError):
        answer = Answer.FAILED
    finally:
        writer.close()
    await visit(runner.port, marker(version), saved)
    return answer


def _cut(bench: Bench, project: Project, runner: Runner, versions: Iterator[int]) -> None:
    for number in range(bench.plan.cuts):
        lost = asyncio.run(_save_under_load(project, runner, next(versions)))
        bench.results.add(measure(project, "cut"), runner.name, number, lost)
        bench.say(f"save {number + 1}, {project.name}: {runner.name}: {lost} cut")


async def _save_under_load(project: Project, runner: Runner, version: int) -> int:
    """The number of GETs without a complete response around one save."""
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(_keep_asking(runner.port, over)) for _ in range(CLIENTS)]
        await asyncio.sleep(PAUSE_S)
        saved = time.monotonic()
        await asyncio.to_thread(project.save, runner.work, version)
        await visit(runner.port, marker(version), saved)
        await asyncio.sleep(PAUSE_S)
        over.set()
    return sum(client.result() for client in clients)


async def _keep_asking(port: int, over: asyncio.Event) -> int:
    """Send GETs on one connection until `over`; return how many got no complete response."""
    lost, connection = 0, None
    while not over.is_set():
        try:
            async with asyncio.timeout(ANSWER_S):
                connection = connection or await asyncio.open_connection(HOST, port)
                if not await _get(*connection, port):
                    connection[1].close()
                    connection = None
        except (OSError, TimeoutError, EOFError, ValueError):
            lost += 1
            if connection is not None:
                connection[1].close()
            connection = None
            await asyncio.sleep(AGAIN_S)
    if connection is not None:
        connection[1].close()
    return lost


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> bool:
    """Send a GET, read its complete response, and return whether the connection can be kept.

    Raises OSError, EOFError if the response is cut, and ValueError if it is an error.
    """
    writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}:{port}\r\nAccept: */*\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith((b"http/1.1 200", b"http/1.0 200")):
        raise ValueError("an answer, but no success")
    if b"\r\ntransfer-encoding: chunked\r\n" in head:
        while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    elif b"\r\ncontent-length:" in head:
        length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    else:
        if not await reader.read():
            raise EOFError
        return False
    return b"\r\nconnection: close\r\n" not in head
