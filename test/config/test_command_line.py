"""The command line, parsed into a `Config`: each option, mistakes, and help."""

import dataclasses
import ipaddress
import signal
from pathlib import Path

import pytest

from httpprocessproxy.config import AUTO, Address, Config
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
    expected = Config(
        Address("localhost", 8000), Address("localhost", 8001), ("serve", "--port", "8001")
    )
    assert parse([*LINE, *EXEC]) == expected


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        (["-p", "*.py", "*.html", "-p", "a/**"], "patterns", ("*.py", "*.html", "a/**")),
        (["--pattern", "*.py"], "patterns", ("*.py",)),
        (["-x", "a", "b", "--exclude", "c"], "excludes", ("a", "b", "c")),
        (["--no-default-excludes"], "default_excludes", False),
        (["--watcher", "polling"], "watcher", "polling"),
        (["--settle", "20"], "settle_s", 0.02),
        (["--settle", "0"], "settle_s", 0.0),
        (["--ping", "tcp"], "ping", "tcp"),
        (["--ping-path", "/a?b=c"], "ping_path", "/a?b=c"),
        (["--start-timeout", "1.5"], "start_timeout_s", 1.5),
        (["--queue-timeout", "0"], "queue_timeout_s", 0.0),
        (["--drain", "0"], "drain_s", 0.0),
        (["--kill-signal", "TERM"], "kill_signal", signal.SIGTERM),
        (["--kill-signal", "sigint"], "kill_signal", signal.SIGINT),
        (["--kill-timeout", "2"], "kill_timeout_s", 2.0),
        (["--livereload-port", "0"], "livereload_port", 0),
        (
            ["--allowed-host", "a.example", "--allowed-host", "*"],
            "allowed_hosts",
            ("a.example", "*"),
        ),
        (
            ["--forwarded-allow-ips", "10.1.2.3/8", "--forwarded-allow-ips", "::1"],
            "forwarded_allow_ips",
            (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128")),
        ),
        (["--refresh", "*.css", "static/**"], "refresh", ("*.css", "static/**")),
        (["--ignore-unchanged"], "ignore_unchanged", True),
        (["--no-inject"], "inject", False),
        (["--editor", "vscode"], "editor", "vscode"),
        (["--browser-console"], "browser_console", True),
        (["--starting-page", "0.5"], "starting_page_s", 0.5),
        (["--starting-page", "off"], "starting_page_s", None),
        (["--open"], "open_browser", True),
        (["--env-file", "a/.env"], "env_file", Path("a/.env")),
        (["--env-file", "off"], "env_file", None),
        (["--forward-chains"], "forward_chains", True),
        (["--forward-allow", "http://a"], "forward_allow", ("http://a",)),
        (["--forward-header", "A:b c "], "forward_headers", ("A: b c",)),
        (["--preload"], "preload", True),
        (["--socket"], "socket", True),
        (["--log-requests"], "log_requests", True),
        (["--json-logs"], "json_logs", True),
        (["--quiet"], "quiet", True),
        (["--debug"], "debug", True),
    ],
)
@pytest.mark.parametrize("in_front", [True, False])
def test_option_sets_field(options: list[str], field: str, value: object, in_front: bool) -> None:
    # An option of globs takes all words up to the next option.
    if in_front and field in ("patterns", "excludes", "refresh"):
        options = [*options, "--settle", str(Config.settle_s * 1000)]
    line = [*options, *LINE] if in_front else [*LINE, *options]
    config = parse([*line, *EXEC])
    assert getattr(config, field) == value
    default = parse([*LINE, *EXEC])
    assert dataclasses.replace(config, **{field: getattr(default, field)}) == default


def test_words_after_exec_belong_to_the_command() -> None:
    config = parse([*LINE, "--exec", "sh", "-c", "--exec", "-p", "--help", ""])
    assert config.command == ("sh", "-c", "--exec", "-p", "--help", "")
    assert config.patterns == ()


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


def test_every_field_of_config_has_an_option() -> None:
    fields = {field.name for field in dataclasses.fields(Config)} - {"file"}  # it has no option
    assert sorted(option.field for option in OPTIONS) == sorted(fields)


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.kind is Kind.FLAG])
def test_flag_has_a_positive_and_a_negative_form(option: Option) -> None:
    for name, value in ((f"--{option.name}", True), (f"--no-{option.name}", False)):
        assert getattr(parse([*LINE, name, *EXEC]), option.field) is value


def test_options_may_stand_between_the_addresses() -> None:
    assert parse(["8000", "--drain", "2", "8001", *EXEC]).backend == Address("localhost", 8001)


def test_backend_auto_takes_a_free_port() -> None:
    assert parse(["8000", "auto", *EXEC]).backend == AUTO
