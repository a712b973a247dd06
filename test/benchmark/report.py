"""The report of a run: tables in reStructuredText, bars, a picture and JSON."""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from test.benchmark.chart import Bars
from test.benchmark.goals import GOALS
from test.benchmark.projects import PROJECTS, SAVED, WARM_PROJECTS, WITH_PANDAS
from test.benchmark.restart import COLD
from test.benchmark.samples import Results
from test.benchmark.tables import number, table
from test.benchmark.warm import READY, SERVER, WARM, measures


@dataclass(frozen=True, slots=True)
class Section:
    """A table: a row for each contestant, a column for each measure, under a short heading."""

    title: str
    columns: Mapping[str, str]


SECTIONS = (
    Section(
        "Requests per second",
        {
            "browser1.rate": "1",
            "browser32.rate": "32",
            "browser256.rate": "256",
            "new32.rate": "32 new",
            "body32.rate": "32, 100 KB",
        },
    ),
    Section(
        "The proxy's CPU, µs per request",
        {
            "browser1.cpu": "1",
            "browser32.cpu": "32",
            "browser256.cpu": "256",
            "new32.cpu": "32 new",
            "body32.cpu": "32, 100 KB",
            "browser1.added": "added latency, 1",
        },
    ),
    Section(
        "HTTP/1.1 over TLS beside plain HTTP: requests per second, and CPU in µs each",
        {
            "tls32.rate": "32",
            "tlsnew32.rate": "32 new",
            "tlsbody32.rate": "32, 100 KB",
            "tls1.cpu": "CPU, 1",
            "tls32.cpu": "CPU, 32",
            "tlsnew32.cpu": "CPU, 32 new",
            "tlsbody32.cpu": "CPU, 100 KB",
        },
    ),
    Section(
        "Six services behind one origin, beside one: requests per second, and CPU in µs each",
        {
            "services1.rate": "1",
            "services32.rate": "32",
            "services1.cpu": "CPU, 1",
            "services32.cpu": "CPU, 32",
        },
    ),
    Section(
        "Over TLS, by the version of HTTP: requests per second, and the server's CPU in µs each",
        {
            "fronth1.rate": "HTTP/1.1",
            "fronth2.rate": "HTTP/2",
            "fronth3.rate": "HTTP/3",
            "fronth1.cpu": "CPU, 1.1",
            "fronth2.cpu": "CPU, 2",
            "fronth3.cpu": "CPU, 3",
        },
    ),
    Section(
        "Large bodies (MB/s) and memory (MB, KB)",
        {
            "download": "download",
            "upload": "upload",
            "memory.peak": "peak MB",
            "stall.memory": "KB a stalled reader",
            "stall.beside": "ms beside them",
        },
    ),
    Section(
        "WebSocket echoes per second, and CPU in µs each",
        {
            "websocket1x64.rate": "1 x 64 B",
            "websocket16x64.rate": "16 x 64 B",
            "websocket16x64.cpu": "CPU",
            "websocket1x65536.rate": "1 x 64 KB",
            "websocket16x65536.rate": "16 x 64 KB",
            "websocket16x65536.cpu": "CPU",
        },
    ),
    Section(
        "Shared by a relay on this machine: visits per second, and what one takes longer, in µs",
        {
            "share1.rate": "1",
            "share32.rate": "32",
            "sharebody.rate": "8, 100 KB",
            "share1.added": "added latency, 1",
            "share32.added": "32",
        },
    ),
    Section(
        "An archive of files of 5 MB, of 20 KB, and of images: MB/s, CPU in ms a MB, and its size",
        {
            "archivetext.rate": "5 MB",
            "archivesmall.rate": "20 KB",
            "archiveimage.rate": "images",
            "archivetext.cpu": "CPU, 5 MB",
            "archivesmall.cpu": "CPU, 20 KB",
            "archiveimage.cpu": "CPU, images",
            "archivetext.size": "%, 5 MB",
            "archivesmall.size": "%, 20 KB",
        },
    ),
    Section("Start and memory", {"idle.start": "start, ms", "idle.memory": "idle, MB"}),
    Section(
        "Waiting for a change in a large tree",
        {"idle.cpu": "CPU, % of a core", "idle.watched_memory": "memory, MB"},
    ),
)

CHARTED = (
    "browser32.rate",
    "browser32.cpu",
    "browser1.added",
    "download",
    "websocket16x64.rate",
    "restart.node.fresh",
    "restart.flask.fresh",
    "restart.django.fresh",
    "restart.uvicorn.fresh",
)


def tables(results: Results) -> str:
    parts = [heading(section.title, _section(results, section)) for section in SECTIONS]
    parts.append(heading("Restarts: from the save to the first fresh byte", _restarts(results)))
    parts.append(heading("Saves: fresh at once, and GETs cut, of 16 clients", _saves(results)))
    parts.append(heading("Starts: from the command to the first byte", _starts(results)))
    parts.append(heading("Reach", _goals(results)))
    return "\n\n".join(part for part in parts if part)


def heading(title: str, body: str) -> str:
    return f"{title}\n{'-' * len(title)}\n\n{body}" if body else ""


def _section(results: Results, section: Section) -> str:
    rows = [
        [who, *(number(results.figure(key, who)) for key in section.columns)]
        for who in results.contestants(section.columns)
    ]
    return table(["", *section.columns.values()], rows) if rows else ""


def _restarts(results: Results) -> str:
    rows = list(_restart_rows(results))
    headings = ["", "fresh byte, ms", "overhead, ms", "failed a save", "stale a save"]
    return table(headings, rows) if rows else ""


def _restart_rows(results: Results) -> Iterator[list[str]]:
    for project in (*PROJECTS, WITH_PANDAS):
        keys = [f"restart.{project.name}.{x}" for x in ("fresh", "overhead", "failed", "stale")]
        for who in results.contestants(keys):
            yield [f"{project.name}: {who}", *(number(results.figure(key, who)) for key in keys)]


def _saves(results: Results) -> str:
    rows = []
    for project in SAVED:
        keys = [f"save.{project.name}.{x}" for x in ("page", "get", "cut")]
        for who in results.contestants(keys):
            rows.append([f"{project.name}: {who}", *(number(results.figure(k, who)) for k in keys)])
    return table(["", "fresh page, %", "fresh GET, %", "cut a save"], rows) if rows else ""


def _starts(results: Results) -> str:
    rows = []
    for project in WARM_PROJECTS:
        start, memory = (measure.key for measure in measures(project))
        figures = [results.figure(start, who) for who in (COLD, WARM, READY)]
        ratio = results.ratio(start, WARM, COLD)
        if ratio is not None:
            shown = map(number, (*figures, results.figure(memory, SERVER)))
            rows.append([project.name, f"{ratio:.2f}", *shown])
    headings = ["", "warm / cold", "cold, ms", "warm, ms", "server ready, ms", "its memory, MB"]
    return table(headings, rows) if rows else ""


def _goals(results: Results) -> str:
    rows = []
    for goal in GOALS:
        value = goal.value(results)
        if value is not None:
            verdict = "reached" if goal.reached(value) else "missed"
            rows.append([goal.title, goal.wanted(), number(value), verdict])
    return table(["", "wanted", "this run", "verdict"], rows) if rows else ""


def bars(results: Results) -> list[Bars]:
    groups = []
    for key in CHARTED:
        names = results.contestants([key])
        values = [(who, value) for who in names if (value := results.figure(key, who)) is not None]
        if values:
            measure = results.measures[key]
            better = "more" if measure.higher_is_better else "less"
            groups.append(Bars(f"{measure.title}, {measure.unit} ({better} is better)", values))
    return groups


def machine() -> dict[str, str]:
    """The date and the machine, for comparisons of runs."""
    return {
        "date": date.today().isoformat(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def caption(about: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in about.items())


def as_json(results: Results, about: Mapping[str, str], versions: Mapping[str, str]) -> str:
    figures = [
        {
            **asdict(results.measures[key]),
            "contestant": who,
            "figure": results.figure(key, who),
            "rounds": list(rounds.values()),
        }
        for (key, who), rounds in results.values.items()
    ]
    goals = [
        {"goal": goal.title, "wanted": goal.wanted(), "value": value, "reached": reached}
        for goal in GOALS
        for value in [goal.value(results)]
        for reached in [None if value is None else goal.reached(value)]
    ]
    whole = {
        "machine": dict(about),
        "versions": dict(versions),
        "figures": figures,
        "goals": goals,
        "skipped": results.skipped,
        "faults": results.faults,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
