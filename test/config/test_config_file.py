"""Configuration files: their keys, the errors of mistakes, and a written file."""

import ipaddress
import signal
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from httpprocessproxy.config.config_file import Values, find_file, read_file
from httpprocessproxy.config.options import OPTIONS
from httpprocessproxy.config.printing import written
from httpprocessproxy.config.resolving import configured
from httpprocessproxy.core.errors import UserError

TABLE = "[tool.http-process-proxy]\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parsed(text: str) -> Values:
    path = Path("given.toml")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return read_file(path).values


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("bind = 8000", "listen.bind", Address("localhost", 8000)),
        ('bind = ":8000"', "listen.bind", Address("", 8000)),
        ("backend = 8001", "service.address", Address("localhost", 8001)),
        ('backend = "auto"', "service.address", AUTO),
        (
            'exec = ["sh", "-c", "serve {port}", ""]',
            "service.command",
            ("sh", "-c", "serve {port}", ""),
        ),
        ("exec = \"sh -c 'serve {port}'\"", "service.command", ("sh", "-c", "serve {port}")),
        ('pattern = ["*.py", "a/**"]', "service.watch.patterns", ("*.py", "a/**")),
        ('pattern = "*.py"', "service.watch.patterns", ("*.py",)),
        ("exclude = []", "service.watch.excludes", ()),
        ("default-excludes = false", "service.watch.default_excludes", False),
        ('watcher = "polling"', "service.watch.watcher", "polling"),
        ("settle = 20", "service.watch.settle_s", 0.02),
        ('drain = "0.5"', "service.restart.drain_s", 0.5),
        ('before = "make all"', "service.before", ("make", "all")),
        ('before = ""', "service.before", ()),
        ("drain = 1.5", "service.restart.drain_s", 1.5),
        ("starting-page = 2", "service.restart.starting_page_s", 2.0),
        ('starting-page = "off"', "service.restart.starting_page_s", None),
        ('kill-signal = "term"', "service.restart.kill_signal", signal.SIGTERM),
        ("livereload-port = 0", "browser.livereload_port", 0),
        ('env-file = "a/.env"', "service.env_file", Path("a/.env")),
        ('env-file = "off"', "service.env_file", None),
        ('editor = "vscode"', "browser.editor", "vscode"),
        ("open = true", "browser.open", True),
        ('allowed-host = ["a.example"]', "listen.allowed_hosts", ("a.example",)),
        (
            'forwarded-allow-ips = ["10.0.0.0/8"]',
            "listen.forwarded_allow_ips",
            (ipaddress.ip_network("10.0.0.0/8"),),
        ),
    ],
)
def test_key_sets_its_field(line: str, field: str, value: object) -> None:
    assert parsed(line) == {field: value}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("patern = 1", "unknown key 'patern': did you mean pattern?"),
        ("no-inject = true", "unknown key 'no-inject': did you mean inject?"),
        ('ping_path = "/"', "unknown key 'ping_path': did you mean ping-path?"),
        ('"--open" = true', "unknown key '--open': did you mean open?"),
        ("zzz = 1", "unknown key 'zzz'"),
        ("config = 1", "unknown key 'config'"),
        (TABLE, "the keys stand alone here: leave [tool.http-process-proxy] out"),
        ("drain = true", "drain: a number or a text, not True"),
        ('drain = "soon"', "drain: not a time: 'soon' (a number of seconds, 0 or more)"),
        ("drain = -1", "drain: not a time: '-1' (a number of seconds, 0 or more)"),
        ("drain = inf", "drain: not a time: 'inf' (a number of seconds, 0 or more)"),
        ("drain = 12:00:00", "drain: a number or a text, not datetime.time(12, 0)"),
        ('inject = "yes"', "inject: true or false, not 'yes'"),
        ("inject = 1", "inject: true or false, not 1"),
        ("ping-path = 1", "ping-path: a text, not 1"),
        ('ping-path = "x"', "ping-path: not a path: 'x' (it begins with / and has no blanks)"),
        ('ping = "icmp"', "ping: not a choice: 'icmp' (http, tcp)"),
        ('pattern = ["*.py", 1]', "pattern: a text, not 1"),
        ("pattern = {}", "pattern: a text, not {}"),
        ('exec = "serve \'"', 'exec: "serve \'": No closing quotation'),
        ("exec = [1]", "exec: a text, not 1"),
        (
            'before = "a && b"',
            "before: no shell runs it, for '&&': write sh -c '...', or a list of words",
        ),
        ("exec = 1", "exec: a text, not 1"),
        (
            "bind = 70000",
            "bind: port out of range: '70000' (a port is at most 65535)",
        ),
        ("drain = 1\nping =\n", "Invalid value (at line 2, column 7)"),
        ("drain = 1\ndrain = 2\n", "Cannot overwrite a value (at line 2, column 10)"),
        ("# \udcff", "is not UTF-8"),
    ],
)
def test_mistake_names_file_and_key(text: str, words: str) -> None:
    with pytest.raises(UserError) as raised:
        parsed(text)
    # tomllib and the decoder have their own words for the place of an error.
    place = " " if words.startswith("is not") else ": " if "(at line" in words else ":1: "
    assert str(raised.value) == f"given.toml{place}{words}"


def test_directory_without_a_configuration_file_finds_none(project: Path) -> None:
    assert find_file() is None
    (project / "pyproject.toml").write_text("[project]\n[tool.other]\n")
    assert find_file() is None


@pytest.mark.parametrize(
    ("name", "text"),
    [("http-process-proxy.toml", "bind = 8000"), ("pyproject.toml", f"{TABLE}bind = 8000")],
)
def test_file_of_the_working_directory_is_found(project: Path, name: str, text: str) -> None:
    (project / name).write_text(text)
    assert find_file() == Path(name)
    for path in (Path(name), project / name):
        assert read_file(path).values == {"listen.bind": Address("localhost", 8000)}


@pytest.mark.parametrize(
    ("root", "file", "here", "found"),
    [
        ("", "", "a/b", "."),
        ("", "a", "a/b", "a"),
        ("", "a/b", "a/b", "a/b"),
        ("a", "a", "a/b", "a"),
        ("a", "", "a/b", None),
        ("a/b", "a", "a/b", None),
        (None, "a", "a/b", None),
        (None, "a/b", "a/b", "a/b"),
    ],
)
def test_file_is_searched_for_up_to_the_root_of_the_repository(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    root: str | None,
    file: str,
    here: str,
    found: str | None,
) -> None:
    (project / here).mkdir(parents=True)
    if root is not None:
        (project / root / ".git").mkdir()
    (project / file / "http-process-proxy.toml").touch()
    monkeypatch.chdir(project / here)
    path = find_file(above=True)
    expected = None if found is None else project / found / "http-process-proxy.toml"
    assert (path and path.resolve()) == expected
    assert find_file() == (Path("http-process-proxy.toml") if file == here else None)


def test_two_configuration_files_are_an_error(project: Path) -> None:
    (project / "http-process-proxy.toml").touch()
    (project / "pyproject.toml").write_text(TABLE)
    with pytest.raises(UserError, match="keep one, or choose by --config"):
        find_file()


@pytest.mark.parametrize("text", ["tool = 1", "[tool]\nhttp-process-proxy = 1", "[tool.other]"])
def test_chosen_pyproject_without_a_table_is_an_error(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)
    with pytest.raises(UserError, match="no"):
        read_file(Path("pyproject.toml"))


def test_unreadable_file_is_an_error(project: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read none\.toml: No such file"):
        read_file(Path("none.toml"))
    (project / "pyproject.toml").write_text("[project\n")
    with pytest.raises(UserError, match=r"pyproject\.toml: .*at line 1"):
        find_file()


TIMES = st.floats(0, 1e6).map(lambda number: round(number, 3))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
WORDS = st.lists(TEXTS, max_size=3).map(tuple)
SERVICES = st.builds(
    ServiceConfig,
    address=st.sampled_from([AUTO, Address("127.0.0.1", 8001), Address("a.example", 1)]),
    command=WORDS,
    env_file=st.sampled_from([None, Path(".env"), Path("a b/ü")]),
    watch=st.builds(
        WatchConfig,
        patterns=WORDS,
        default_excludes=st.booleans(),
        settle_s=TIMES.map(lambda number: number / 1000),
    ),
    restart=st.builds(
        RestartConfig,
        drain_s=TIMES,
        starting_page_s=st.none() | TIMES,
        kill_signal=st.sampled_from(signal.Signals),
    ),
)
CONFIGS = st.builds(
    Config,
    listen=st.builds(
        ListenConfig,
        bind=st.sampled_from([Address("localhost", 0), Address("", 8000), Address("::1", 8000)]),
        forwarded_allow_ips=st.lists(st.ip_addresses(network="10.0.0.0/8"), max_size=2).map(
            lambda found: tuple(map(ipaddress.ip_network, found))
        ),
    ),
    services=st.tuples(SERVICES),
    browser=st.builds(
        BrowserConfig, editor=st.sampled_from(["", "none", "vscode", "edit://{file}:{line}"])
    ),
)


@given(CONFIGS)
def test_written_file_reads_as_the_same_config(config: Config) -> None:
    assert configured(parsed(written(config))) == config


def test_written_file_has_every_option() -> None:
    config = Config(ListenConfig(Address("localhost", 0)), (ServiceConfig(AUTO, ("serve",)),))
    keys = tomllib.loads(written(config))
    assert set(keys) == {option.name for option in OPTIONS}
    assert keys["backend"] == "auto"
    assert keys["settle"] == 2
    assert keys["starting-page"] == 2


def test_value_that_is_not_text_is_an_error() -> None:
    with pytest.raises(UserError, match="not UTF-8"):
        written(Config(ListenConfig(AUTO), (ServiceConfig(AUTO, ("\udcff",)),)))


def test_carriage_return_alone_does_not_end_a_line() -> None:
    with pytest.raises(UserError, match=r"given.toml: .*(invalid|[Ii]llegal) character"):
        parsed("# a comment\rbind = 8000\n")
