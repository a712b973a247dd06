"""The command line merged over the file, missing values, and contradictions."""

from operator import attrgetter
from pathlib import Path

import pytest

from httpprocessproxy.config import (
    AUTO,
    Address,
    BrowserConfig,
    Config,
    ListenConfig,
    RestartConfig,
    ServiceConfig,
    WatchConfig,
)
from httpprocessproxy.config.command_line import read_line, read_up
from httpprocessproxy.config.printing import written
from httpprocessproxy.config.resolving import resolve, resolve_bind
from httpprocessproxy.core.errors import UserError

LINE = ["8000", "8001"]
EXEC = ["--exec", "serve"]

FILE = """
bind = 9000
backend = 9001
exec = "serve it"
pattern = ["*.py"]
drain = 3
inject = false
open = true
starting-page = 1
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parse(argv: list[str]) -> Config:
    return resolve(read_line(argv))


def test_file_may_set_all_options(project: Path) -> None:
    (project / "http-process-proxy.toml").write_text(FILE)
    service = ServiceConfig(
        Address("localhost", 9001),
        ("serve", "it"),
        watch=WatchConfig(patterns=("*.py",)),
        restart=RestartConfig(drain_s=3, starting_page_s=1),
    )
    assert parse([]) == Config(
        ListenConfig(Address("localhost", 9000)),
        (service,),
        browser=BrowserConfig(inject=False, open=True),
    )


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["8000"], "listen.bind", Address("localhost", 8000)),
        (LINE, "service.address", Address("localhost", 8001)),
        (EXEC, "service.command", ("serve",)),
        (["-p", "*.js"], "service.watch.patterns", ("*.js",)),
        (["--drain", "0"], "service.restart.drain_s", 0),
        (["--inject"], "browser.inject", True),
        (["--no-open"], "browser.open", False),
        (["--starting-page", "off"], "service.restart.starting_page_s", None),
        (["--no-config", *LINE, *EXEC], "service.restart.drain_s", RestartConfig.drain_s),
        (["--config", "other.toml", *LINE, *EXEC], "service.restart.drain_s", 4),
        (
            ["--config", "other.toml", "--no-config", *LINE, *EXEC],
            "service.restart.drain_s",
            RestartConfig.drain_s,
        ),
    ],
)
def test_command_line_overrides_the_file(
    project: Path, argv: list[str], field: str, value: object
) -> None:
    (project / "http-process-proxy.toml").write_text(FILE)
    (project / "other.toml").write_text("drain = 4")
    assert attrgetter(field)(parse(argv)) == value


@pytest.mark.parametrize(
    ("bind", "backend"),
    [
        *(("8000", "8000"), ("8000", "127.0.0.1:8000"), ("[::1]:8000", "8000")),
        *((":8000", "8000"), ("8000", ":8000"), ("0.0.0.0:8000", "127.0.0.1:8000")),
    ],
)
def test_same_port_for_bind_and_backend_is_an_error(bind: str, backend: str) -> None:
    with pytest.raises(UserError, match="a port of its own"):
        parse([bind, backend, *EXEC])


@pytest.mark.parametrize(
    ("bind", "backend"),
    [("127.0.0.1:8000", "127.0.0.2:8000"), ("0", "8000"), (":0", "8000"), ("0", "auto")],
)
def test_same_port_at_two_addresses_is_accepted(bind: str, backend: str) -> None:
    assert str(parse([bind, backend, *EXEC]).listen.bind) == str(Address.parse(bind))


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ([], "BIND"),
        (["8000"], "BACKEND"),
        (LINE, "--exec"),
        ([*LINE, "--exec"], "--exec"),
        (EXEC, "BIND"),
    ],
)
def test_missing_value_is_an_error(line: list[str], missing: str) -> None:
    with pytest.raises(UserError, match=missing):
        parse(line)


def test_empty_command_is_an_error(project: Path) -> None:
    (project / "http-process-proxy.toml").write_text(FILE)
    with pytest.raises(UserError, match="--exec"):
        parse(["--exec"])


def test_application_replaces_a_command() -> None:
    service = parse(["8000", "--asgi", "shop.web:make", "--asgi-factory"]).service
    assert (service.address, service.command) == (AUTO, ())
    assert (service.asgi, service.asgi_factory) == ("shop.web:make", True)
    assert parse([*LINE, "--asgi", "app:app"]).service.address == Address("localhost", 8001)


def test_command_line_chooses_command_or_application(project: Path) -> None:
    file = project / "http-process-proxy.toml"
    file.write_text(FILE)
    service = parse(["--asgi", "app:app"]).service
    assert (service.asgi, service.command) == ("app:app", ())
    file.write_text('bind = 9000\nbackend = 9001\nasgi = "app:app"')
    service = parse(EXEC).service
    assert (service.asgi, service.command) == (None, ("serve",))
    with pytest.raises(UserError, match="--exec"):
        parse(["--asgi", "off"])


@pytest.mark.parametrize("is_file", [False, True])
def test_command_with_an_application_is_an_error(project: Path, is_file: bool) -> None:
    if is_file:
        (project / "http-process-proxy.toml").write_text(FILE + 'asgi = "app:app"')
    with pytest.raises(UserError, match="choose one"):
        parse([] if is_file else [*LINE, "--asgi", "app:app", *EXEC])


@pytest.mark.parametrize("text", ["app", "app:", ":app", "app:make()", "a b:c", "app:a:b", ""])
def test_invalid_application_is_an_error(text: str) -> None:
    with pytest.raises(UserError, match="write MODULE:APP"):
        parse([*LINE, "--asgi", text])


def test_written_application_reads_as_the_same_config(project: Path) -> None:
    config = parse(["8000", "--asgi", "app:app"])
    (project / "http-process-proxy.toml").write_text(written(config))
    assert parse([]) == config


@pytest.mark.parametrize(
    ("file", "argv", "tls", "http3"),
    [
        ("", [], False, False),
        ("", ["--tls"], True, False),
        ("", ["--http3"], True, True),
        ("", ["--tls-cert", "c.pem"], True, False),
        ("", ["--tls-cert", "off"], False, False),
        ("http3 = true", [], True, True),
        ("http3 = true", ["--no-http3"], False, False),
        ("http3 = true", ["--no-tls"], False, False),
        ("tls = true", ["--no-tls", "--http3"], False, False),
        ("tls = false\nhttp3 = false", ["--http3"], True, True),
        ("tls = false\nhttp3 = true", [], False, False),
    ],
)
def test_options_of_tls_imply_it(
    file: str, argv: list[str], tls: bool, http3: bool, project: Path
) -> None:
    (project / "http-process-proxy.toml").write_text(file)
    config = parse([*LINE, *argv, *EXEC])
    assert (config.tls.enabled, config.tls.http3) == (tls, http3)
    assert config.scheme == ("https" if tls else "http")


def test_no_tls_ignores_the_certificate(project: Path) -> None:
    config = parse([*LINE, "--no-tls", "--tls-cert", "c.pem", "--tls-key", "k.pem", *EXEC])
    assert (config.tls.cert, config.tls.key) == (None, None)
    with pytest.raises(UserError, match="goes with a certificate"):
        parse([*LINE, "--tls-key", "k.pem", *EXEC])


SERVICES = """
[service.api]
exec = "serve {port}"
route = "/api"
"""


@pytest.fixture
def below(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder below that of a file with services, in a repository."""
    (project / ".git").mkdir()
    (project / "http-process-proxy.toml").write_text(SERVICES)
    folder = project / "sub" / "folder"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("argv", [[], ["9000"], ["--no-inject"]])
def test_file_with_services_needs_no_command_line(
    below: Path, project: Path, argv: list[str]
) -> None:
    config = parse(argv)
    assert [service.name for service in config.services] == ["api"]
    assert config.listen.bind.port == (9000 if argv == ["9000"] else 8000)
    assert Path.cwd() == project
    assert config.file == Path("http-process-proxy.toml")


@pytest.mark.parametrize("argv", [LINE, ["--config", "../../http-process-proxy.toml", *EXEC]])
def test_command_for_a_file_with_services_is_an_error(below: Path, argv: list[str]) -> None:
    with pytest.raises(UserError, match=r"has services: leave BACKEND, --exec and --asgi out"):
        parse(argv)


def test_command_on_the_line_ignores_files_above(below: Path) -> None:
    assert parse([*LINE, *EXEC]).services[0].name == "web"
    assert Path.cwd() == below


def test_chosen_file_with_services_runs_in_its_folder(below: Path, project: Path) -> None:
    assert parse(["--config", str(project / "http-process-proxy.toml")]).services
    assert Path.cwd() == project


def test_chosen_file_of_one_service_leaves_the_working_directory(
    below: Path, project: Path
) -> None:
    (project / "other.toml").write_text(FILE)
    assert parse(["--config", "../../other.toml"]).service.command == ("serve", "it")
    assert Path.cwd() == below


def test_address_for_questions_is_that_of_the_services(below: Path, project: Path) -> None:
    assert resolve_bind(read_line([])) == Address("localhost", 8000)
    (project / "http-process-proxy.toml").write_text("bind = 9000" + SERVICES)
    assert resolve_bind(read_line([])) == Address("localhost", 9000)


def test_up_runs_a_file_of_one_service(project: Path) -> None:
    (project / "http-process-proxy.toml").write_text(FILE)
    assert resolve(read_up([])) == resolve(read_up(["web"])) == parse([])
    with pytest.raises(UserError, match="there is no service 'api'"):
        resolve(read_up(["api"]))


def test_up_with_two_files_is_an_error() -> None:
    with pytest.raises(UserError, match=r"one\.toml and two are two files: name one"):
        resolve(read_up(["one.toml", "./two"]))


@pytest.mark.parametrize("option", ["--exec", "--asgi", "--backend"])
def test_up_has_no_option_of_one_service(option: str) -> None:
    with pytest.raises(UserError, match="unrecognized arguments"):
        read_up([option, "a:b"])
