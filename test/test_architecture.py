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
    "companions/archive/origins.py": "test/companions/archive/test_packing.py",
    "companions/archive/mounting.py": "test/companions/archive/test_beside_the_proxy.py",
    "system/aiohttp_server.py": "test/admin/test_site.py",
    "admin/context.py": "test/admin/test_site.py",
    "__main__.py": "test/whole/test_cli.py",
    "app.py": "test/whole/test_restart.py",
    "service/outages.py": "test/service/test_supervisor.py",
    "config/forms.py": "test/config/test_command_line.py",
    "setup.py": "test/whole/test_cli.py",
    "companions/archive/__main__.py": "test/companions/archive/test_cli.py",
    "companions/archive/administration.py": "test/companions/archive/test_cli.py",
    "companions/archive/command_line.py": "test/companions/archive/test_cli.py",
    "companions/archive/keys.py": "test/companions/archive/test_configuration.py",
    "companions/archive/service/access.py": "test/companions/archive/service/test_generating.py",
    "companions/archive/service/application.py": "test/companions/archive/service/test_answers.py",
    "companions/archive/service/claiming.py": "test/companions/archive/service/test_downloading.py",
    "companions/archive/service/opening.py": "test/companions/archive/service/test_server.py",
    "companions/archive/service/rules.py": "test/companions/archive/test_configuration.py",
    "companions/archive/service/signing.py": "test/companions/archive/service/test_streaming.py",
    "companions/archive/service/surroundings.py": "test/companions/archive/service/test_downloading.py",
    "companions/archive/settings.py": "test/companions/archive/test_configuration.py",
    "companions/archive/store/migrating.py": "test/companions/archive/store/test_schema.py",
    "companions/archive/store/migrations/env.py": "test/companions/archive/store/test_schema.py",
    "companions/archive/store/migrations/versions/v0001_clients.py": "test/companions/archive/store/test_schema.py",
    "companions/archive/store/migrations/versions/v0002_tickets.py": "test/companions/archive/store/test_schema.py",
    "companions/archive/store/migrations/versions/v0003_options.py": "test/companions/archive/store/test_schema.py",
    "companions/archive/store/tables.py": "test/companions/archive/store/test_schema.py",
    "companions/asgi/interface.py": "test/companions/asgi/test_visit.py",
    "companions/chains/error_reports.py": "test/companions/chains/test_deliveries.py",
    "admin/hops.py": "test/companions/chains/test_trace.py",
    "proxy/interceptor.py": "test/companions/chains/test_exchange.py",
    "cli.py": "test/whole/test_cli.py",
    "frontends/opening.py": "test/whole/test_https.py",
    "frontends/streams.py": "test/frontends/http2/test_stream.py",
    "frontends/tls/signing.py": "test/frontends/tls/test_certificate_authority.py",
    "config/options.py": "test/config/test_command_line.py",
    "config/parser.py": "test/config/test_command_line.py",
    "config/readers.py": "test/config/test_command_line.py",
    "companions/share/relay/__main__.py": "test/companions/share/relay/test_application.py",
    "companions/share/relay/access_log.py": "test/companions/share/relay/test_application.py",
    "companions/share/relay/cli.py": "test/companions/share/relay/test_application.py",
    "companions/share/relay/memory.py": "test/companions/share/relay/test_rendezvous.py",
    "companions/share/relay/metrics.py": "test/companions/share/relay/test_server.py",
    "companions/share/relay/problems.py": "test/companions/share/relay/test_server.py",
    "companions/share/relay/record.py": "test/companions/share/relay/test_application.py",
    "companions/share/relay/settings.py": "test/companions/share/relay/test_command_line.py",
    "companions/share/relay/shared/bus.py": "test/companions/share/relay/test_application.py",
    "companions/share/relay/shared/ends.py": "test/companions/share/relay/test_rendezvous.py",
    "companions/share/relay/shared/home.py": "test/companions/share/relay/test_rendezvous.py",
    "companions/share/relay/shared/pipes.py": "test/companions/share/relay/test_rendezvous.py",
    "companions/share/relay/shared/scripts.py": "test/companions/share/relay/test_rendezvous.py",
    "companions/share/relay/site.py": "test/companions/share/relay/test_server.py",
    "companions/share/relay/tunnel.py": "test/companions/share/test_streaming.py",
    "companions/share/relay/visit.py": "test/companions/share/relay/test_rendezvous.py",
    "companions/share/relay/waiters.py": "test/companions/share/relay/test_rendezvous.py",
    "companions/share/stream/channel.py": "test/companions/share/stream/test_link.py",
    "companions/share/stream/relay_end.py": "test/companions/share/test_streaming.py",
    "companions/share/stream/worker_end.py": "test/companions/share/test_streaming.py",
    "companions/share/worker/__main__.py": "test/companions/share/worker/test_cli.py",
    "companions/share/worker/command_line.py": "test/companions/share/worker/test_cli.py",
    "companions/share/worker/companion.py": "test/companions/share/test_beside_the_proxy.py",
    "companions/share/worker/settings.py": "test/companions/share/worker/test_asking.py",
    "companions/share/worker/worker.py": "test/companions/share/test_streaming.py",
    "warm/preloading.py": "test/whole/test_preload.py",
    "watch/connection.py": "test/watch/test_fallback.py",
    "watch/links.py": "test/watch/test_fallback.py",
    "warm/inside/ending.py": "test/warm/test_same.py",
    "warm/inside/preloading.py": "test/warm/test_same.py",
    "warm/inside/recording.py": "test/warm/test_same.py",
    "warm/inside/running.py": "test/warm/test_same.py",
    "warm/inside/serving.py": "test/warm/test_same.py",
    "warm/captured_output.py": "test/warm/test_same.py",
    "warm/bootstrap.py": "test/warm/test_same.py",
    "warm/unforkable.py": "test/warm/test_fork_server.py",
    "warm/watched_process.py": "test/warm/test_fork_process.py",
    "process/sink.py": "test/process/test_output.py",
    "process/sock_diag.py": "test/process/test_ports.py",
    "process/proc_net.py": "test/process/test_ports.py",
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
