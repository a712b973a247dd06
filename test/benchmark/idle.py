"""Idle costs: CPU with open tabs and a large tree, memory, and the time to start."""

import json
import os
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from test.benchmark.backends import echo_backend
from test.benchmark.cpu import Tree
from test.benchmark.echo import frame_head
from test.benchmark.fleet import Bench, place, turns
from test.benchmark.peers.peer import Peer, Place
from test.benchmark.projects import PROJECTS, Project
from test.benchmark.restarters import EMBEDDED, RESTARTERS, WATCHMAN, Restarter
from test.benchmark.runners import watchman
from test.benchmark.samples import Measure
from test.benchmark.service import NotReadyError, connects, running, wait_ready
from test.benchmark.tools import MissingError
from test.benchmark.websocket import connect
from test.ports import free_port

START = Measure("idle.start", "start to listening", "ms")
MEMORY = Measure("idle.memory", "memory when idle", "MB")
CPU = Measure("idle.cpu", "CPU when idle", "% of a core")
WATCHED = Measure("idle.watched_memory", "memory, watching the large tree", "MB")
MB = 1_000_000
FILES_A_FOLDER = 50
START_LIMIT_S = 30.0
HELLO = {"command": "hello", "protocols": ["http://livereload.com/protocols/official-7"]}


@dataclass(frozen=True, slots=True)
class Waiting:
    name: str
    tree: Tree


def run(bench: Bench) -> None:
    for number in range(max(1, bench.plan.rounds)):
        for peer in turns(bench.peers(), number):
            _start_up(bench, peer, number)
    with watchman(bench.folder) as env:
        _wait(bench, env)


def _start_up(bench: Bench, peer: Peer, number: int) -> None:
    """Start one proxy alone; measure the time until it listens, and its memory after a request."""
    try:
        figures = _start(peer, place(bench, echo_backend, peer.name))
    except (MissingError, NotReadyError) as error:
        return bench.skip(peer.name, error)
    for measure, value in figures.items():
        bench.results.add(measure, peer.name, number, value)
        bench.say(f"round {number + 1}, {measure.title}: {peer.name}: {value:,.0f} {measure.unit}")
    return None


def _start(peer: Peer, at: Place) -> dict[Measure, float]:
    """The figures of one start; empty without a proxy. Raises the errors of `fleet.start`."""
    command = peer.command(at)
    if not command:
        return {}
    with ExitStack() as stack:
        if not peer.starts_backend:
            wait_ready(stack.enter_context(running(at.backend.command, at.config)), at.backend.port)
        began = time.monotonic()
        service = stack.enter_context(running(command, at.work))
        while not connects(at.port) and time.monotonic() - began < START_LIMIT_S:
            time.sleep(0.001)
        start_ms = 1e3 * (time.monotonic() - began)
        wait_ready(service, at.port)
        tree = Tree(service.pid, without=at.backend.mark)
        return {START: start_ms, MEMORY: tree.pss_bytes() / MB}


def _wait(bench: Bench, env: dict[str, str]) -> None:
    """Start every restarter in a large tree, open the tabs, and measure the idle costs."""
    with ExitStack() as stack:
        waiting = []
        for restarter in RESTARTERS:
            try:
                waiting.append(_watch(bench, stack, restarter, env))
            except (MissingError, NotReadyError, OSError) as error:
                bench.skip(f"idle, {restarter.name}", error)
        _measure(bench, waiting)


def _project(restarter: Restarter) -> Project:
    wanted = restarter.projects or ("python",)
    return next(project for project in PROJECTS if project.name in wanted)


def _watch(bench: Bench, stack: ExitStack, restarter: Restarter, env: dict[str, str]) -> Waiting:
    project, port = _project(restarter), free_port()
    work = bench.folder / "idle" / "".join(filter(str.isalnum, restarter.name))
    work.mkdir(parents=True, exist_ok=True)
    command = restarter.command(project, port)
    project.prepare(work)
    project.save(work, 1)
    fill(work / "tree", bench.plan.idle_files)
    service = stack.enter_context(running(command, work, env))
    wait_ready(service, port, timeout_s=60)
    if restarter.name in (EMBEDDED, WATCHMAN):
        for _ in range(bench.plan.idle_tabs):
            stack.enter_context(tab(port))
    return Waiting(restarter.name, Tree(service.pid, without=project.source.rpartition("/")[2]))


def fill(folder: Path, files: int) -> None:
    """Make `files` small files, fifty in each folder."""
    for number in range(files):
        place = folder / str(number // FILES_A_FOLDER)
        if number % FILES_A_FOLDER == 0:
            place.mkdir(parents=True, exist_ok=True)
        os.close(os.open(place / f"{number}.txt", os.O_CREAT | os.O_WRONLY))


def tab(port: int) -> socket.socket:
    """An open page: a LiveReload WebSocket after its hello. Raises OSError."""
    connection = connect(port, "/_hpp/livereload")
    hello = json.dumps(HELLO).encode()
    text = bytes([0x81]) + frame_head(len(hello), masked=True)[1:]
    connection.sendall(text + hello)
    return connection


def _measure(bench: Bench, waiting: Sequence[Waiting]) -> None:
    # Work of the start, such as compiling and walking the tree, is over by then.
    time.sleep(min(3.0, bench.plan.idle_s))
    before = [one.tree.cpu_s() for one in waiting]
    bench.say(f"idle: waiting for {bench.plan.idle_s:.0f} s")
    began = time.monotonic()
    time.sleep(bench.plan.idle_s)
    passed = time.monotonic() - began
    for one, earlier in zip(waiting, before, strict=True):
        percent = 100 * (one.tree.cpu_s() - earlier) / passed
        bench.results.add(CPU, one.name, 0, percent)
        bench.results.add(WATCHED, one.name, 0, one.tree.pss_bytes() / MB)
        bench.say(f"idle: {one.name}: {percent:.2f} % of a core")
