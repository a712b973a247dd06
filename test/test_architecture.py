"""Rules of the source that a machine can check; each failure names its rule."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "httpprocessproxy"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py"))
TESTS = sorted(path for path in (ROOT / "test").rglob("*.py"))

# The rooms from the bottom up: a module imports from its own room and from rooms below it.
FLOORS = [
    {"core"},
    {"config"},
    {"system"},
    {"events"},
    {"process", "watch"},
    {"warm", "service"},
    {"inspector"},
    {"proxy"},
    {"admin", "terminal"},
    {"frontends"},
    {"asgi", "companions"},
    {"setup"},
    {"app"},
    {"cli"},
    {"__main__"},
]
MAX_ROOMS = 18

# Core decides and never acts: it must not import any of these.
IMPURE = {"asyncio", "socket", "ssl", "subprocess", "time", "os", "logging", "threading", "signal"}

# Imported when they are wanted: each start of the program would take milliseconds more.
LATE = {"aiohttp", "bracex", "h2", "pathspec", "wcmatch", "websockets"}

# Modules without a test file of their own, with the test file that covers them.
_ARCHIVE = "test/companions/archive"
_STORE = f"{_ARCHIVE}/store/test_schema.py"

TESTED_ELSEWHERE = {
    "companions/archive/origins.py": f"{_ARCHIVE}/test_packing.py",
    "companions/archive/mount_options.py": f"{_ARCHIVE}/test_companion.py",
    "companions/archive/mounting.py": f"{_ARCHIVE}/test_beside_the_proxy.py",
    "system/aiohttp_server.py": "test/admin/test_site.py",
    "admin/context.py": "test/admin/test_site.py",
    "admin/states.py": "test/admin/test_state_pages.py",
    "proxy/exchanges.py": "test/companions/chains/test_exchange.py",
    "proxy/interfaces.py": "test/proxy/test_exchange.py",
    "__main__.py": "test/whole/test_cli.py",
    "app.py": "test/whole/test_restart.py",
    "companions/beside.py": f"{_ARCHIVE}/test_beside_the_proxy.py",
    "service/context.py": "test/service/test_host.py",
    "service/waiter.py": "test/service/test_gate.py",
    "config/companion_options.py": "test/config/test_command_line.py",
    "config/forms.py": "test/config/test_parser.py",
    "terminal/user_terminal.py": "test/whole/test_console.py",
    "terminal/warnings.py": "test/whole/test_console.py",
    "setup.py": "test/whole/test_cli.py",
    "companions/archive/administration.py": f"{_ARCHIVE}/test_cli.py",
    "companions/archive/command_line.py": f"{_ARCHIVE}/test_cli.py",
    "companions/archive/keys.py": f"{_ARCHIVE}/test_configuration.py",
    "companions/archive/service/context.py": f"{_ARCHIVE}/service/test_downloading.py",
    "companions/archive/service/claiming.py": f"{_ARCHIVE}/service/test_downloading.py",
    "companions/archive/service/opening.py": f"{_ARCHIVE}/service/test_server.py",
    "companions/archive/service/signing.py": f"{_ARCHIVE}/service/test_streaming.py",
    "companions/archive/settings.py": f"{_ARCHIVE}/test_configuration.py",
    "companions/archive/store/migrating.py": _STORE,
    "companions/archive/store/migrations/env.py": _STORE,
    "companions/archive/store/migrations/versions/v0001_clients.py": _STORE,
    "companions/archive/store/migrations/versions/v0002_tickets.py": _STORE,
    "companions/archive/store/migrations/versions/v0003_options.py": _STORE,
    "companions/archive/store/tables.py": _STORE,
    "asgi/interface.py": "test/asgi/test_request_sink.py",
    "companions/chains/hop_reporter.py": "test/companions/chains/test_companion.py",
    "companions/chains/error_reports.py": "test/companions/chains/test_deliveries.py",
    "cli/program.py": "test/whole/test_cli.py",
    "admin/verbs/acting.py": "test/whole/test_verbs.py",
    "admin/verbs/again.py": "test/whole/test_verbs.py",
    "admin/verbs/background.py": "test/whole/test_verbs_projects.py",
    "admin/verbs/finding.py": "test/whole/test_verbs.py",
    "admin/verbs/logs.py": "test/whole/test_verbs.py",
    "admin/verbs/running.py": "test/whole/test_verbs.py",
    "admin/verbs/showing.py": "test/whole/test_verbs.py",
    "admin/verbs/words.py": "test/whole/test_verbs.py",
    "frontends/listeners.py": "test/whole/test_https.py",
    "frontends/opening.py": "test/whole/test_https.py",
    "frontends/streams.py": "test/frontends/http2/test_stream.py",
    "frontends/tls/signing.py": "test/frontends/tls/test_certificate_authority.py",
    "config/options.py": "test/config/test_command_line.py",
    "config/several.py": "test/config/test_service_checks.py",
    "config/service_options.py": "test/config/test_service_tables.py",
    "config/readers.py": "test/config/test_command_line.py",
    "companions/share/relay/access_log.py": "test/companions/share/relay/test_application.py",
    "companions/share/relay/metrics.py": "test/companions/share/relay/test_server.py",
    "companions/share/relay/problems.py": "test/companions/share/relay/test_server.py",
    "companions/share/relay/settings.py": "test/companions/share/relay/test_cli.py",
    "companions/share/relay/site.py": "test/companions/share/relay/test_server.py",
    "companions/share/relay/tunnel.py": "test/companions/share/test_streaming.py",
    "companions/share/relay/visit.py": "test/companions/share/relay/test_rendezvous.py",
    "companions/share/relay/waiters.py": "test/companions/share/relay/test_rendezvous.py",
    "companions/share/stream/channel.py": "test/companions/share/stream/test_link.py",
    "companions/share/stream/relay_end.py": "test/companions/share/test_streaming.py",
    "companions/share/stream/worker_end.py": "test/companions/share/test_streaming.py",
    "companions/share/worker/companion.py": "test/companions/share/test_beside_the_proxy.py",
    "companions/share/worker/error_pages.py": "test/companions/share/worker/test_visit_handler.py",
    "companions/share/worker/interfaces.py": "test/companions/share/worker/test_visit_handler.py",
    "companions/share/worker/settings.py": "test/companions/share/worker/test_options.py",
    "companions/share/worker/worker.py": "test/companions/share/test_streaming.py",
    "warm/preloading.py": "test/whole/test_preload.py",
    "watch/connection.py": "test/watch/test_fallback.py",
    "warm/inside/ending.py": "test/warm/test_same.py",
    "warm/inside/preloading.py": "test/warm/test_same.py",
    "warm/inside/recording.py": "test/warm/test_same.py",
    "warm/inside/running.py": "test/warm/test_same.py",
    "warm/inside/serving.py": "test/warm/test_same.py",
    "warm/captured_output.py": "test/warm/test_same.py",
    "warm/bootstrap.py": "test/warm/test_same.py",
    "warm/watched_process.py": "test/warm/test_fork_process.py",
    "process/ending.py": "test/process/test_tree.py",
    "process/message_printer.py": "test/process/test_output.py",
    "process/output_streams.py": "test/process/test_output.py",
    "process/input_waits.py": "test/process/test_output_copier.py",
    "process/copying_thread.py": "test/process/test_output.py",
    "process/typed_keys.py": "test/process/test_keyboard.py",
    "proxy/context.py": "test/proxy/test_services.py",
    "process/sink.py": "test/process/test_output.py",
    "process/sock_diag.py": "test/process/test_ports.py",
    "process/tcp_sockets.py": "test/process/test_ports.py",
}

TOP_LEVEL = {
    *("CHANGELOG.rst", "LICENSE", "README.rst", "httpprocessproxy", "pyproject.toml"),
    *("reformat-source.sh", "test"),
}

MAX_LINES = 350


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room(path: Path) -> str:
    """The room of a file: its folder in the package, or the module itself."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, at any place in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by the full name"
            assert node.module
            # `from package import module` reads as package.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module(path: Path) -> str:
    """The dotted name of a file, below the package: "" for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """The sets of modules that import each other: strongly connected components (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            position = stack.index(node)
            found.append(set(stack[position:]))
            del stack[position:]

    for node in graph:
        if node not in index:
            visit(node)
    return [component for component in found if len(component) > 1]


def floor(of: str) -> int:
    found = [number for number, rooms in enumerate(FLOORS) if of in rooms]
    assert found, f"httpprocessproxy/{of} is on no floor: add it to FLOORS"
    return found[0]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_go_down_the_floors(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        assert not list(imports(path))
        return
    for imported in imports(path):
        package, _, rest = imported.partition(".")
        there = rest.partition(".")[0]
        if package == "httpprocessproxy" and there not in (here, "__version__"):
            assert floor(there) < floor(here), f"{here} must not import {there}"


def test_modules_of_a_room_have_no_circular_imports() -> None:
    modules = {module(path): path for path in SOURCES}
    graph: dict[str, set[str]] = {}
    for here, path in modules.items():
        below = {
            imported.removeprefix("httpprocessproxy.")
            for imported in imports(path)
            if imported.startswith("httpprocessproxy.")
        }
        # `from package.module import name` is an import of the module.
        graph[here] = {
            target
            for each in below
            for target in (each, each.rpartition(".")[0])
            if target in modules and target not in ("", here)
        }
        graph[here] -= {each.rpartition(".")[0] for each in below if each in modules}
    assert circles(graph) == []


def test_start_imports_no_late_package() -> None:
    code = "import sys, httpprocessproxy.cli.program, httpprocessproxy.app; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    assert not LATE & set(done.stdout.split())


def test_rooms_are_few() -> None:
    rooms = {room(path) for path in SOURCES} - {"__init__", "__main__"}
    assert rooms == {room for floor in FLOORS for room in floor} - {"__main__"}
    assert len(rooms) <= MAX_ROOMS


@pytest.mark.parametrize("path", [path for path in SOURCES if room(path) == "core"], ids=name)
def test_core_is_pure(path: Path) -> None:
    modules = {imported.partition(".")[0] for imported in imports(path)}
    assert not modules & IMPURE
    third_party = modules - sys.stdlib_module_names - {"httpprocessproxy"}
    pure_parsers = {"httptools", "bracex", "pathspec", "wcmatch"}
    assert third_party <= pure_parsers, "core imports no third-party package except pure parsers"


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_files_are_short(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= MAX_LINES
    assert not [line for line in lines if "TO" + "DO" in line or "FIX" + "ME" in line]


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_every_file_has_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_tasks_are_in_groups_and_excepts_name_exceptions(path: Path) -> None:
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
        assert elsewhere or mirror.exists(), f"{name(path)} needs {name(mirror)}"
        assert not elsewhere or (ROOT / elsewhere).exists()


def test_helpers_and_folders_of_tests_have_different_names() -> None:
    for helper in TESTS:
        # A folder is a namespace package here, and the module in front of it hides it.
        assert not helper.with_suffix("").is_dir(), f"{name(helper)} hides a folder of tests"


def test_top_level_has_no_other_files() -> None:
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    built = {"build", "dist", "http_process_proxy.egg-info"}
    assert visible - built == TOP_LEVEL
