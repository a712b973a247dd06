"""Services of a file: their keys, what follows from them, and the defaults of all services."""

import re
import signal
import textwrap
from operator import attrgetter
from pathlib import Path

import pytest

from httpprocessproxy.config import (
    AUTO,
    NOWHERE,
    Address,
    ListenConfig,
    Readiness,
    RestartConfig,
    ServiceConfig,
    WatchConfig,
)
from httpprocessproxy.config.service_options import ALIASES, DEFAULTS, SERVICE_KEYS, TASK_KEYS
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.routes import Route
from test.config.files import SHOP, up_with

README = Path(__file__).parents[2] / "README.rst"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def service(text: str, top: str = "") -> ServiceConfig:
    """The service of a table with `text`, whose command is `serve` unless it says otherwise."""
    has_own = re.search(r"^(exec|asgi|address) ", text.partition("[s")[0], re.MULTILINE)
    known = "" if has_own else 'exec = "serve"\n'
    return up_with(f"{top}\n[service.one]\n{known}{text}\n").services[0]


def test_example_of_the_manual_has_five_processes() -> None:
    config = up_with(SHOP)
    assert config.listen == ListenConfig(Address("localhost", 8000))
    quiet = WatchConfig(restarts=False)
    shop = WatchConfig(patterns=("shop/**/*.py",))
    assert {each.name: each for each in config.services} == {
        "migrate": ServiceConfig(
            NOWHERE,
            ("python", "manage.py", "migrate"),
            name="migrate",
            is_task=True,
            needs=("db",),
            routes=(),
            readiness=Readiness("start"),
            watch=WatchConfig(patterns=("**/migrations/*.py",)),
        ),
        "db": ServiceConfig(
            AUTO,
            ("postgres", "-D", ".pgdata", "-p", "{port}"),
            name="db",
            routes=(),
            readiness=Readiness("log", text="ready to accept"),
            watch=quiet,
        ),
        "api": ServiceConfig(
            AUTO,
            ("python", "manage.py", "runserver", "--noreload", "{port}"),
            name="api",
            routes=(Route("", "/api"), Route("", "/admin")),
            needs=("migrate",),
            watch=shop,
            before=("python", "-m", "compileall", "-q", "shop"),
            preload=True,
            env=(("DATABASE_URL", "postgresql://dev@127.0.0.1:{db.port}/shop"),),
        ),
        "worker": ServiceConfig(
            NOWHERE,
            ("celery", "-A", "shop", "worker"),
            name="worker",
            routes=(),
            readiness=Readiness("start"),
            watch=shop,
            restart=RestartConfig(kill_signal=signal.SIGTERM, kill_timeout_s=10),
        ),
        "web": ServiceConfig(
            AUTO,
            ("npx", "vite", "--port", "{port}", "--strictPort"),
            name="web",
            routes=(Route(),),
            folder=Path("frontend"),
            watch=quiet,
            env=(("API", "{api.url}"),),
        ),
    }


def test_example_in_the_manual_is_this_one() -> None:
    blocks = re.findall(
        r"^\.\. code:: toml\n\n((?:    .*\n|\n)+)", README.read_text(), re.MULTILINE
    )
    (shown,) = (textwrap.dedent(block) for block in blocks if "[task.migrate]" in block)
    assert len([line for line in shown.splitlines() if line]) <= 26
    assert up_with(shown) == up_with(SHOP)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("exec = \"a 'b c'\"", "command", ("a", "b c")),
        ('exec = ["a", "b c"]', "command", ("a", "b c")),
        ('asgi = "shop:app"', "asgi", "shop:app"),
        ('route = "/api"', "routes", (Route("", "/api"),)),
        (
            'route = ["api.localhost", "/v2/**"]',
            "routes",
            (Route("api.localhost"), Route("", "/v2")),
        ),
        ('route = "/api"\nstrip = true', "strip", True),
        ("address = 9000", "address", Address("localhost", 9000)),
        ('address = "127.0.0.1:9000"', "address", Address("127.0.0.1", 9000)),
        ('env = {A = "1", B = 2, C = ""}', "env", (("A", "1"), ("B", "2"), ("C", ""))),
        ('env-file = ".env"', "env_file", Path(".env")),
        ('watch = "*.py"', "watch.patterns", ("*.py",)),
        ('pattern = ["*.py", "a"]', "watch.patterns", ("*.py", "a")),
        ('exclude = "a"', "watch.excludes", ("a",)),
        ('refresh = "*.css"', "watch.refresh", ("*.css",)),
        ('ready = "tcp"', "readiness", Readiness("tcp")),
        ('ready = "http"', "readiness", Readiness("http", "/")),
        ('ready = "http:/health?a=b"', "readiness", Readiness("http", "/health?a=b")),
        ('ready = "log:is up: now"', "readiness", Readiness("log", text="is up: now")),
        (
            "ready = \"exec:pg_isready -p 'a b'\"",
            "readiness",
            Readiness("exec", command=("pg_isready", "-p", "a b")),
        ),
        ('ready = "notify"', "readiness", Readiness("notify")),
        ('ready = "start"', "readiness", Readiness("start")),
        ('ping = "tcp"', "readiness", Readiness("tcp")),
        ('ping-path = "/health"', "readiness", Readiness("http", "/health")),
        ("preload = true", "preload", True),
        ("socket = true", "socket", True),
        ('stop = "KILL"', "restart.kill_signal", signal.SIGKILL),
        ('stop = "term"', "restart.kill_timeout_s", RestartConfig.kill_timeout_s),
        ('stop = "INT 500ms"', "restart.kill_timeout_s", 0.5),
        ('kill-signal = "TERM"', "restart.kill_signal", signal.SIGTERM),
        ("start-timeout = 5", "restart.start_timeout_s", 5.0),
        ('route = "/"\nidle = "15m"', "idle_s", 900.0),
        ('route = "/"\nidle = "1.5h"', "idle_s", 5400.0),
        ('route = "/"\nidle = 30', "idle_s", 30.0),
        ('route = "/"\nidle = "off"', "idle_s", None),
        ('before = "make -s"', "before", ("make", "-s")),
        ('before = ["make", "a b"]', "before", ("make", "a b")),
        ('dir = "frontend"', "folder", Path("frontend")),
    ],
)
def test_key_sets_its_field(line: str, field: str, value: object) -> None:
    assert attrgetter(field)(service(line)) == value


@pytest.mark.parametrize(
    ("text", "address", "ready"),
    [
        ("", NOWHERE, "start"),
        ('route = "/a"', AUTO, "http:/"),
        ('exec = "serve {port}"', AUTO, "tcp"),
        ('env = {LISTEN = ":{port}"}', AUTO, "tcp"),
        ('before = "clear {port}"', AUTO, "tcp"),
        ('ready = "exec:check {port}"', AUTO, "exec:check '{port}'"),
        ('ready = "tcp"', AUTO, "tcp"),
        ('ready = "http:/up"', AUTO, "http:/up"),
        ('ready = "log:up"', NOWHERE, "log:up"),
        ('ping = "tcp"', AUTO, "tcp"),
        ("address = 9000", Address("localhost", 9000), "tcp"),
        ('address = "auto"\nexec = "serve"', AUTO, "tcp"),
        ('address = "off"\nexec = "serve"', NOWHERE, "start"),
        ('asgi = "shop:app"', AUTO, "tcp"),
        ("socket = true", AUTO, "tcp"),
        ('[service.two]\nexec = "b {one.port}"', AUTO, "tcp"),
        ('[service.two]\nexec = "b"\nenv = {A = "{one.url}"}', AUTO, "tcp"),
        ('[service.two]\nexec = "b {port} {two.port}"', NOWHERE, "start"),
        ('exec = "a {one.port}"', AUTO, "tcp"),
    ],
)
def test_service_has_a_port_if_a_route_or_a_text_needs_it(
    text: str, address: Address, ready: str
) -> None:
    found = service(text)
    assert (found.address, str(found.readiness)) == (address, ready)


@pytest.mark.parametrize(
    ("text", "address"), [("", NOWHERE), ('env = {P = "{port}"}', AUTO), ('dir = "."', NOWHERE)]
)
def test_task_is_ready_when_it_has_ended(text: str, address: Address) -> None:
    (task,) = up_with(f'ping = "tcp"\n[task.migrate]\nexec = "migrate"\n{text}').services
    assert (task.is_task, task.readiness, task.address) == (True, Readiness("start"), address)


@pytest.mark.parametrize(
    ("top", "text", "field", "value"),
    [
        ("drain = 3", "", "restart.drain_s", 3.0),
        ("drain = 3", "drain = 4", "restart.drain_s", 4.0),
        ('watch = "*.py"', "", "watch.patterns", ("*.py",)),
        ('watch = "*.py"', "", "watch.restarts", True),
        ('watch = "*.py"', "watch = []", "watch.restarts", False),
        ('pattern = "*.py"', 'watch = "*.js"', "watch.patterns", ("*.js",)),
        ('exclude = "a"', "", "watch.excludes", ("a",)),
        ('watcher = "polling"', "", "watch.watcher", "polling"),
        (
            'env = {A = "1", B = "1"}',
            'env = {B = "2", C = "2"}',
            "env",
            tuple(zip("ABC", "122", strict=True)),
        ),
        ('stop = "TERM 3s"', "", "restart.kill_timeout_s", 3.0),
        ('stop = "TERM 3s"', 'stop = "INT"', "restart.kill_signal", signal.SIGINT),
        ('stop = "TERM 3s"', "kill-timeout = 1", "restart.kill_timeout_s", 1.0),
        ('ready = "log:up"', "", "readiness", Readiness("log", text="up")),
        ('ready = "log:up"', 'ping = "tcp"', "readiness", Readiness("tcp")),
        ('ping-path = "/up"', 'route = "/"', "readiness", Readiness("http", "/up")),
        ('ping-path = "/up"', 'ready = "tcp"', "readiness", Readiness("tcp")),
        ('ping-path = "/up"', "", "readiness", Readiness("start")),
        ('idle = "15m"', 'route = "/"', "idle_s", 900.0),
        ('idle = "15m"', "", "idle_s", None),
        ("preload = true", "", "preload", True),
        ('dir = "frontend"', "", "folder", Path("frontend")),
    ],
)
def test_top_of_the_file_has_the_defaults_of_all_services(
    top: str, text: str, field: str, value: object
) -> None:
    assert attrgetter(field)(service(text, top)) == value


def test_task_runs_again_only_for_files_that_it_names_itself() -> None:
    text = 'watch = "*.py"\nexclude = "a"\n[task.a]\nexec = "a"\n[task.b]\nexec = "b"\nwatch = "c"'
    watches = [task.watch for task in up_with(text).services]
    assert [(watch.restarts, watch.patterns) for watch in watches] == [(False, ()), (True, ("c",))]
    assert {watch.excludes for watch in watches} == {("a",)}


def test_command_line_wins_over_the_top_and_a_table_over_both() -> None:
    text = 'drain = 3\n[service.a]\nexec = "a"\n[service.b]\nexec = "b"\ndrain = 5'
    services = up_with(text, "--drain", "4").services
    assert [each.restart.drain_s for each in services] == [4, 5]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], "migrate db api worker web"),
        (["db"], "db"),
        (["worker"], "worker"),
        (["worker", "migrate"], "migrate db worker"),
        (["api"], "migrate db api"),
        (["web"], "migrate db api web"),
    ],
)
def test_named_services_are_chosen_with_what_they_need_or_mention(
    words: list[str], names: str
) -> None:
    services = up_with(SHOP, *words).services
    assert {each.name for each in services} == set(names.split())


def test_unknown_name_of_a_service_is_an_error() -> None:
    with pytest.raises(UserError, match="there is no service 'wrker': did you mean worker"):
        up_with(SHOP, "wrker")


def test_key_has_one_row() -> None:
    fields = [row.field for row in SERVICE_KEYS.values() if row.field]
    assert len(fields) == len(set(fields))
    assert set(ALIASES.values()) <= set(SERVICE_KEYS)
    assert not set(ALIASES) & set(SERVICE_KEYS)
    assert set(TASK_KEYS) < set(SERVICE_KEYS)
    assert {row.name for row in DEFAULTS} <= set(SERVICE_KEYS)
