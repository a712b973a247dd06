"""The command line, parsed into a `Config`: each option, mistakes, and help."""

import dataclasses
import ipaddress
import signal
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import get_type_hints

import pytest

from httpprocessproxy.config import AUTO, Address, Config, ListenConfig, ServiceConfig, WatchConfig
from httpprocessproxy.config.command_line import read_line
from httpprocessproxy.config.forms import Kind, Option
from httpprocessproxy.config.options import OPTIONS
from httpprocessproxy.config.resolving import resolve
from httpprocessproxy.core.errors import UserError

LINE = ["8000", "8001"]
EXEC = ["--exec", "serve", "--port", "8001"]


def parse(argv: list[str]) -> Config:
    return resolve(read_line(argv))


def test_line_without_options_has_the_defaults_of_config() -> None:
    service = ServiceConfig(Address("localhost", 8001), ("serve", "--port", "8001"))
    assert parse([*LINE, *EXEC]) == Config(ListenConfig(Address("localhost", 8000)), (service,))


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        (
            ["-p", "*.py", "*.html", "-p", "a/**"],
            "service.watch.patterns",
            ("*.py", "*.html", "a/**"),
        ),
        (["--pattern", "*.py"], "service.watch.patterns", ("*.py",)),
        (["-x", "a", "b", "--exclude", "c"], "service.watch.excludes", ("a", "b", "c")),
        (["--no-default-excludes"], "service.watch.default_excludes", False),
        (["--watcher", "polling"], "service.watch.watcher", "polling"),
        (["--settle", "20"], "service.watch.settle_s", 0.02),
        (["--settle", "0"], "service.watch.settle_s", 0.0),
        (["--ping", "tcp"], "service.readiness.kind", "tcp"),
        (["--ping-path", "/a?b=c"], "service.readiness.path", "/a?b=c"),
        (["--start-timeout", "1.5"], "service.restart.start_timeout_s", 1.5),
        (["--queue-timeout", "0"], "service.restart.queue_timeout_s", 0.0),
        (["--drain", "0"], "service.restart.drain_s", 0.0),
        (["--kill-signal", "TERM"], "service.restart.kill_signal", signal.SIGTERM),
        (["--kill-signal", "sigint"], "service.restart.kill_signal", signal.SIGINT),
        (["--kill-timeout", "2"], "service.restart.kill_timeout_s", 2.0),
        (["--livereload-port", "0"], "browser.livereload_port", 0),
        (
            ["--allowed-host", "a.example", "--allowed-host", "*"],
            "listen.allowed_hosts",
            ("a.example", "*"),
        ),
        (
            ["--forwarded-allow-ips", "10.1.2.3/8", "--forwarded-allow-ips", "::1"],
            "listen.forwarded_allow_ips",
            (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128")),
        ),
        (["--refresh", "*.css", "static/**"], "service.watch.refresh", ("*.css", "static/**")),
        (["--ignore-unchanged"], "service.watch.ignore_unchanged", True),
        (["--no-inject"], "browser.inject", False),
        (["--editor", "vscode"], "browser.editor", "vscode"),
        (["--browser-console"], "browser.console", True),
        (["--starting-page", "0.5"], "service.restart.starting_page_s", 0.5),
        (["--starting-page", "off"], "service.restart.starting_page_s", None),
        (["--open"], "browser.open", True),
        (["--env-file", "a/.env"], "service.env_file", Path("a/.env")),
        (["--env-file", "off"], "service.env_file", None),
        (["--forward-chains"], "chains.enabled", True),
        (["--forward-allow", "http://a"], "chains.allow", ("http://a",)),
        (["--forward-header", "A:b c "], "chains.headers", ("A: b c",)),
        (["--before", "npm run 'a b'"], "service.before", ("npm", "run", "a b")),
        (["--preload"], "service.preload", True),
        (["--socket"], "service.socket", True),
        (["--log-requests"], "terminal.log_requests", True),
        (["--json-logs"], "terminal.json_logs", True),
        (["--quiet"], "terminal.quiet", True),
        (["--debug"], "terminal.debug", True),
    ],
)
@pytest.mark.parametrize("in_front", [True, False])
def test_option_sets_field(options: list[str], field: str, value: object, in_front: bool) -> None:
    # An option of globs takes all words up to the next option.
    if in_front and field.endswith((".patterns", ".excludes", ".refresh")):
        options = [*options, "--settle", str(WatchConfig.settle_s * 1000)]
    line = [*options, *LINE] if in_front else [*LINE, *options]
    config, default = parse([*line, *EXEC]), parse([*LINE, *EXEC])
    assert attrgetter(field)(config) == value
    others = [attrgetter(option.field) for option in OPTIONS if option.field != field]
    assert [of(config) for of in others] == [of(default) for of in others]


def test_words_after_exec_belong_to_the_command() -> None:
    config = parse([*LINE, "--exec", "sh", "-c", "--exec", "-p", "--help", ""])
    assert config.service.command == ("sh", "-c", "--exec", "-p", "--help", "")
    assert config.service.watch.patterns == ()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--settle", "nan"], "milliseconds"),
        (["--settle", "-1"], "milliseconds"),
        (["--drain", "inf"], "seconds"),
        (["--drain", ""], "seconds"),
        (["--kill-signal", "KILLL"], "for example TERM"),
        (["--kill-signal", "9"], "for example TERM"),
        (["--livereload-port", "65536"], "0 to 65535"),
        (["--livereload-port", "-1"], "-1"),
        (["--livereload-port", "²"], "0 to 65535"),
        (["--livereload-port", "9" * 5000], "livereload-port"),
        (["--ping-path", "health"], "begins with /"),
        (["--ping-path", "/a b"], "no blanks"),
        (["--ping-path", "/a\r\nX: y"], "no blanks"),
        (["--ping-path", "/ü"], "not a path"),
        (["--forwarded-allow-ips", "localhost"], "for example 10.0.0.0/8"),
        (["--forward-header", "A"], "write 'NAME: VALUE'"),
        (["--forward-header", "content-length: 1"], "not a header field"),
        (["--watcher", "magic"], "magic"),
        (["--pat", "*.py"], "--pat *.py: did you mean --pattern?"),
        (["--start"], "did you mean --start-timeout?"),
        (["--live"], "did you mean --livereload-port?"),
        (["--editr"], "did you mean --editor?"),
        (["--patern", "*.py"], "--patern *.py: did you mean --pattern? (see --help)"),
        (["--no-injct"], "did you mean --no-inject?"),
        (["--zzz"], "unrecognized arguments: --zzz (see --help)"),
        (["--status", "--restart"], "--restart: not allowed with argument --status"),
        (["--debug=1"], "debug"),
        (["--before", "make 'all"], "No closing quotation"),
        (["--before", "tsc && vite build"], "no shell runs it, for '&&': write sh -c '...'"),
        (["--exec=true"], "--exec"),
        (["extra"], "extra"),
    ],
)
def test_mistake_names_the_valid_input(options: list[str], word: str) -> None:
    with pytest.raises(UserError) as raised:
        parse([*LINE, *options, *EXEC])
    assert word in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_exit_with_0(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parse([option])
    assert raised.value.code == 0
    assert "http-process-proxy" in capsys.readouterr().out


def test_help_fits_a_terminal_of_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        parse(["--help"])
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


def fields(of: type, path: str = "") -> Iterator[str]:
    """The paths of the fields in a group of the configuration, and in the groups below it."""
    for name, kind in get_type_hints(of).items():
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind is not Address:
            yield from fields(kind, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def test_every_field_of_config_has_an_option() -> None:
    without_option = {"file", "services", "service.name", "service.watch.restarts"}
    # The members that the table of a service in a file has, and a command line has not.
    of_services = ("routes", "strip", "folder", "env", "needs", "follow", "idle_s")
    without_option |= {f"service.{name}" for name in (*of_services, "is_task")}
    without_option |= {f"service.readiness.{name}" for name in ("text", "command")}
    every = {*fields(Config), *fields(ServiceConfig, "service.")}
    assert sorted(option.field for option in OPTIONS) == sorted(every - without_option)


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.kind is Kind.FLAG])
def test_flag_has_a_positive_and_a_negative_form(option: Option) -> None:
    for name, value in ((f"--{option.name}", True), (f"--no-{option.name}", False)):
        assert attrgetter(option.field)(parse([*LINE, name, *EXEC])) is value


def test_options_may_stand_between_the_addresses() -> None:
    config = parse(["8000", "--drain", "2", "8001", *EXEC])
    assert config.service.address == Address("localhost", 8001)


def test_backend_auto_takes_a_free_port() -> None:
    assert parse(["8000", "auto", *EXEC]).service.address == AUTO
