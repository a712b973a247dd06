"""The commands and their output, with a real database."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

from httpprocessproxy import __version__
from httpprocessproxy.companions.archive.cli import main
from httpprocessproxy.companions.archive.command_line import ArchiveCommandLine, read_line
from httpprocessproxy.companions.archive.items import Order
from httpprocessproxy.companions.archive.origins import Item
from httpprocessproxy.companions.archive.settings import ArchiveSettings
from httpprocessproxy.companions.archive.store.database import opened
from httpprocessproxy.companions.archive.store.tickets import Ticket, Tickets
from test.companions.archive.service.services import command, environment, sqlite
from test.deadline import PATIENCE_S
from test.loops import run


class Do(Protocol):
    """Run a command; returns standard output for status 0, otherwise standard error."""

    def __call__(self, *arguments: str, status: int = 0) -> str: ...


ORDER = Order((Item("http://a/b"), Item("/c\x1b[2J")))


@pytest.fixture
def do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Do:
    """Commands on a separate database for each test."""
    monkeypatch.setenv("FPX_DB_URL", sqlite(tmp_path))

    def run_command(*arguments: str, status: int = 0) -> str:
        assert main(arguments) == status
        out, err = capsys.readouterr()
        assert (err if status == 0 else out) == ""
        return err if status else out

    return run_command


def tickets(tmp_path: Path, count: int) -> list[Ticket]:
    """Create tickets in the database of the commands."""
    made: list[Ticket] = []

    async def add() -> None:
        async with opened(sqlite(tmp_path)) as engine:
            for _ in range(count):
                made.append(await Tickets(engine, 3600).add(ORDER, "joe", is_available=True))

    run(add())
    return made


def test_db_commands_migrate_and_print_the_revision(do: Do) -> None:
    assert do("db", "current") == "empty\n"
    assert do("db", "up") == "0003\n"
    assert do("db", "down") == "0002\n"
    assert do("db", "current") == "0002\n"
    assert do("db", "up") == "0003\n"


def test_client_commands_print_secrets_and_names(do: Do) -> None:
    created = do("client", "add", "joe")
    assert re.fullmatch(r"Client created: joe - [\w-]{43}\n", created)
    complaint = "http-process-archive: there is a client 'joe' already\n"
    assert do("client", "add", "joe", status=1) == complaint
    do("client", "add", "--keep-secret", "ann")
    assert do("client", "list") == "ann\njoe\n"
    changed = do("client", "regenerate", "joe")
    assert re.fullmatch(r"Client updated: joe - [\w-]{43}\n", changed)
    assert changed.split(" - ")[1] != created.split(" - ")[1]
    complaint = "http-process-archive: there is no client 'nobody'\n"
    assert do("client", "regenerate", "nobody", status=1) == complaint
    assert do("client", "drop", "joe") == "Client removed\n"
    assert do("client", "drop", "joe") == "Client removed\n"
    assert do("client", "list") == "ann\n"


def test_ticket_commands_list_and_drop_tickets(do: Do, tmp_path: Path) -> None:
    do("db", "up")
    first, second = tickets(tmp_path, 2)
    listed = do("ticket", "list")
    assert listed == "".join(
        f"{ticket.id}({ticket.created.isoformat()}):\n\thttp://a/b\n\t/c\\x1b[2J\n"
        for ticket in (first, second)
    )
    assert do("ticket", "drop", first.id) == "Done\n"
    assert first.id not in do("ticket", "list")
    assert do("ticket", "drop", "--all") == "Done\n"
    assert do("ticket", "list") == ""


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nonsense",), "argument GROUP: invalid choice: 'nonsense'"),
        (("db",), "the following arguments are required: COMMAND"),
        (("client", "add"), "the following arguments are required: NAME"),
        (("client", "add", "a\nb"), r"argument NAME: not a name: 'a\nb'"),
        (("ticket", "drop"), "one of the arguments ID --all is required"),
        (("ticket", "drop", "x", "--all"), "not allowed with argument"),
        (("db", "up", "--db-url", "x"), "DB_URL is not a URL"),
        (("db", "up", "--config", "/nowhere"), "cannot read /nowhere: "),
        (("server", "run", "--nonsense"), "unrecognized arguments: --nonsense"),
        (("server", "run", "--allow", "x"), "--allow: only http and https"),
        (("server", "run", "--allow", "http://a", "--allow", "x"), "--allow: only http and https"),
        (("get",), "the following arguments are required: OUT.zip, URL"),
    ],
)
def test_usage_error_is_one_line(do: Do, arguments: tuple[str, ...], complaint: str) -> None:
    err = do(*arguments, status=2)
    assert err.startswith("http-process-archive: ")
    assert complaint in err
    assert err.count("\n") == 1


def test_write_error_on_stdout_exits_with_1(tmp_path: Path) -> None:
    """Otherwise the secret of a new client would be lost silently."""
    module = "httpprocessproxy.companions.archive.cli"
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", module, "client", "add", "joe"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            env=environment(DB_URL=sqlite(tmp_path)),
            check=False,
        )
    complaint = "http-process-archive: cannot write: No space left on device\n"
    assert (ended.returncode, ended.stderr) == (1, complaint)


def test_interrupt_exits_with_130_without_a_traceback(
    do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(line: ArchiveCommandLine) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(
        "httpprocessproxy.companions.archive.administration.administer", interrupted
    )
    assert do("db", "current", status=130) == ""


def test_help_and_version_are_printed(do: Do, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("--version",), ("--help",), ("server", "run", "--help")):
        with pytest.raises(SystemExit) as ended:
            do(*arguments)
        assert ended.value.code == 0
    out = capsys.readouterr().out
    assert f"http-process-archive {__version__}\n" in out
    assert "of an item (default: 16G)" in out


def test_default_command_is_server_run() -> None:
    assert read_line([], {}) == ArchiveCommandLine("server run", ArchiveSettings())


def test_module_runs_as_a_program(tmp_path: Path) -> None:
    assert command("db", "up", DB_URL=sqlite(tmp_path)) == "0003\n"


def test_rarely_used_packages_are_not_imported(tmp_path: Path) -> None:
    url = sqlite(tmp_path)
    command("db", "up", DB_URL=url)
    program = (
        "import sys; from httpprocessproxy.companions.archive.cli import main; "
        "main(['client', 'list']); "
        "import httpprocessproxy.companions.archive.service.server; print(*sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment(DB_URL=url),
        check=True,
    )
    imported = set(ended.stdout.split())
    assert "sqlalchemy.dialects.sqlite" in imported
    rare = {"alembic", "asyncpg", "cryptography", "jwt", "sqlalchemy.dialects.postgresql"}
    assert not imported & rare


@pytest.mark.parametrize("module", ["sqlalchemy", "aiosqlite", "alembic", "jwt"])
def test_missing_package_is_reported_with_the_extra_to_install(tmp_path: Path, module: str) -> None:
    program = (
        "import sys; sys.modules[sys.argv[1]] = None; "
        "from httpprocessproxy.companions.archive.cli import main; sys.exit(main(sys.argv[2:]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, module, "db", "up"],
        capture_output=True,
        text=True,
        env=environment(DB_URL=sqlite(tmp_path)),
        check=False,
    )
    assert ended.returncode == 2
    package = "pip install 'http-process-proxy[archive]'"
    assert ended.stderr == f"http-process-archive: needs more packages: {package}\n"
