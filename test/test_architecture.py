"""The house rules that a machine can check; each failure names the rule."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "httpprocessproxy"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py"))
TESTS = sorted(path for path in (ROOT / "test").rglob("*.py"))

# Imports go down: a module may import rooms of lower floors, and its own room.
FLOORS = [
    {"core"},
    {"config", "faults", "hosting", "loops", "privatefolders", "userfolders"},
    {"listening", "settings"},
    {"feed", "gate", "process", "probe", "questions", "watch"},
    {"diagnosis"},
    {"actions", "generation", "preload", "requestlog", "unchanged"},
    {"chronicle", "replays"},
    {"outages"},
    {"supervisor"},
    {"proxy", "control", "console", "browser", "shortcuts"},
    {"front_door"},
    {"asgi"},
    {"outgoing"},
    {"archive"},
    {"chains", "share"},
    {"preparation"},
    {"app"},
    {"cli"},
    {"__main__"},
]

# Core decides and never acts: it has no business with any of these.
IMPURE = {"asyncio", "socket", "ssl", "subprocess", "time", "os", "logging", "threading", "signal"}

# Modules whose behaviour other test files show, and which.
TESTED_ELSEWHERE = {
    "archive/origins.py": "test/archive/test_packing.py",
    "archive/mounting.py": "test/archive/test_beside_the_proxy.py",
    "hosting.py": "test/control/test_site.py",
    "control/workings.py": "test/control/test_site.py",
    "__main__.py": "test/whole/test_cli.py",
    "app.py": "test/whole/test_restart.py",
    "outages.py": "test/test_supervisor.py",
    "settings/forms.py": "test/settings/test_command_line.py",
    "preparation.py": "test/whole/test_cli.py",
    "archive/__main__.py": "test/archive/test_cli.py",
    "archive/administration.py": "test/archive/test_cli.py",
    "archive/command_line.py": "test/archive/test_cli.py",
    "archive/keys.py": "test/archive/test_configuration.py",
    "archive/service/access.py": "test/archive/service/test_generating.py",
    "archive/service/application.py": "test/archive/service/test_answers.py",
    "archive/service/claiming.py": "test/archive/service/test_downloading.py",
    "archive/service/opening.py": "test/archive/service/test_server.py",
    "archive/service/rules.py": "test/archive/test_configuration.py",
    "archive/service/signing.py": "test/archive/service/test_streaming.py",
    "archive/service/surroundings.py": "test/archive/service/test_downloading.py",
    "archive/settings.py": "test/archive/test_configuration.py",
    "archive/store/migrating.py": "test/archive/store/test_schema.py",
    "archive/store/migrations/env.py": "test/archive/store/test_schema.py",
    "archive/store/migrations/versions/v0001_clients.py": "test/archive/store/test_schema.py",
    "archive/store/migrations/versions/v0002_tickets.py": "test/archive/store/test_schema.py",
    "archive/store/migrations/versions/v0003_options.py": "test/archive/store/test_schema.py",
    "archive/store/tables.py": "test/archive/store/test_schema.py",
    "asgi/interface.py": "test/asgi/test_visit.py",
    "chains/telling.py": "test/chains/test_deliveries.py",
    "control/hops.py": "test/chains/test_trace.py",
    "proxy/detour.py": "test/chains/test_exchange.py",
    "cli.py": "test/whole/test_cli.py",
    "front_door/opening.py": "test/whole/test_https.py",
    "front_door/streams.py": "test/front_door/test_http2_stream.py",
    "front_door/signing.py": "test/front_door/test_authority.py",
    "settings/options.py": "test/settings/test_command_line.py",
    "settings/parsing.py": "test/settings/test_command_line.py",
    "settings/readers.py": "test/settings/test_command_line.py",
    "share/relay/__main__.py": "test/share/relay/test_application.py",
    "share/relay/access_log.py": "test/share/relay/test_application.py",
    "share/relay/cli.py": "test/share/relay/test_application.py",
    "share/relay/memory.py": "test/share/relay/test_rendezvous.py",
    "share/relay/metrics.py": "test/share/relay/test_server.py",
    "share/relay/problems.py": "test/share/relay/test_server.py",
    "share/relay/record.py": "test/share/relay/test_application.py",
    "share/relay/settings.py": "test/share/relay/test_command_line.py",
    "share/relay/shared/bus.py": "test/share/relay/test_application.py",
    "share/relay/shared/ends.py": "test/share/relay/test_rendezvous.py",
    "share/relay/shared/home.py": "test/share/relay/test_rendezvous.py",
    "share/relay/shared/pipes.py": "test/share/relay/test_rendezvous.py",
    "share/relay/shared/scripts.py": "test/share/relay/test_rendezvous.py",
    "share/relay/site.py": "test/share/relay/test_server.py",
    "share/relay/tunnel.py": "test/share/test_streaming.py",
    "share/relay/visit.py": "test/share/relay/test_rendezvous.py",
    "share/relay/waiters.py": "test/share/relay/test_rendezvous.py",
    "share/stream/channel.py": "test/share/stream/test_link.py",
    "share/stream/relay_end.py": "test/share/test_streaming.py",
    "share/stream/worker_end.py": "test/share/test_streaming.py",
    "share/worker/__main__.py": "test/share/worker/test_cli.py",
    "share/worker/command_line.py": "test/share/worker/test_cli.py",
    "share/worker/companion.py": "test/share/test_beside_the_proxy.py",
    "share/worker/settings.py": "test/share/worker/test_asking.py",
    "share/worker/worker.py": "test/share/test_streaming.py",
    "preload/preloading.py": "test/whole/test_preload.py",
    "watch/connection.py": "test/watch/test_fallback.py",
    "watch/links.py": "test/watch/test_fallback.py",
    "process/warm/inside/ending.py": "test/process/warm/test_same.py",
    "process/warm/inside/preloading.py": "test/process/warm/test_same.py",
    "process/warm/inside/recording.py": "test/process/warm/test_same.py",
    "process/warm/inside/running.py": "test/process/warm/test_same.py",
    "process/warm/inside/serving.py": "test/process/warm/test_same.py",
    "process/warm/printed.py": "test/process/warm/test_same.py",
    "process/warm/sending.py": "test/process/warm/test_same.py",
    "process/warm/unfit.py": "test/process/warm/test_server.py",
    "process/warm/waited.py": "test/process/warm/test_attempt.py",
    "process/sink.py": "test/process/test_output.py",
    "process/sock_diag.py": "test/process/test_ports.py",
    "process/proc_net.py": "test/process/test_ports.py",
    "process/sockets.py": "test/process/test_ports.py",
}

TOP_LEVEL = {
    *("CHANGELOG.rst", "LICENSE", "README.rst", "httpprocessproxy", "pyproject.toml"),
    *("reformat-source.sh", "test"),
}

MAX_LINES = 350


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room(path: Path) -> str:
    """The part of the package that a file belongs to: its folder, or the module itself."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The dotted names a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by the full name"
            assert node.module
            # `from package import module` reads as package.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor(of: str) -> int:
    found = [number for number, rooms in enumerate(FLOORS) if of in rooms]
    assert found, f"httpprocessproxy/{of} is on no floor: add it to FLOORS"
    return found[0]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        assert not list(imports(path))
        return
    for imported in imports(path):
        package, _, rest = imported.partition(".")
        there = rest.partition(".")[0]
        if package == "httpprocessproxy" and there not in (here, "__version__"):
            assert floor(there) < floor(here), f"{here} must not import {there}"


@pytest.mark.parametrize("path", [path for path in SOURCES if room(path) == "core"], ids=name)
def test_core_is_pure(path: Path) -> None:
    modules = {imported.partition(".")[0] for imported in imports(path)}
    assert not modules & IMPURE
    third_party = modules - sys.stdlib_module_names - {"httpprocessproxy"}
    pure_parsers = {"httptools", "bracex", "pathspec", "wcmatch"}
    assert third_party <= pure_parsers, "core is ours, but for pure parsers"


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_files_can_be_read_at_a_sitting(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= MAX_LINES
    assert not [line for line in lines if "TO" + "DO" in line or "FIX" + "ME" in line]


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_every_file_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_no_bare_task_and_no_blanket_except(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute | ast.Name):
            used = node.attr if isinstance(node, ast.Attribute) else node.id
            assert used != "ensure_future"
            assert used != "create_task" or in_group(node), f"line {node.lineno}: use a TaskGroup"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: name the exception"


def in_group(node: ast.Attribute | ast.Name) -> bool:
    """Whether this is some_group.create_task, and not asyncio.create_task or a loop's."""
    if not isinstance(node, ast.Attribute):
        return False
    owner = ast.unparse(node.value)
    return owner != "asyncio" and not owner.rstrip("()").endswith("loop")


def test_every_module_has_its_test() -> None:
    for path in SOURCES:
        inside = path.relative_to(PACKAGE)
        mirror = ROOT / "test" / inside.parent / f"test_{inside.name}"
        elsewhere = TESTED_ELSEWHERE.get(str(inside))
        if path.name == "__init__.py":
            continue
        assert elsewhere or mirror.exists(), f"{name(path)} wants {name(mirror)}"
        assert not elsewhere or (ROOT / elsewhere).exists()


def test_the_top_level_is_as_agreed() -> None:
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    built = {"build", "dist", "http_process_proxy.egg-info"}
    assert visible - built == TOP_LEVEL
