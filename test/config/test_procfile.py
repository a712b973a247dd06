"""Procfiles as they are, their variables, and lines that cannot be read."""

from pathlib import Path

import pytest

from httpprocessproxy.config import AUTO, NOWHERE, Address, Readiness, ServiceConfig, WatchConfig
from httpprocessproxy.config.printing import written
from httpprocessproxy.config.procfile import env_variables
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.routes import Route
from test.config.files import up, up_with, write

PROCFILE = """\
# the shop
web: bundle exec puma -p $PORT

worker:  bundle exec sidekiq -q 'a b'
css: cd frontend && npm run watch
vite_dev: vite --port ${PORT}
  release: rake db:migrate
"""

QUIET = WatchConfig(restarts=False)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_line_is_a_service(project: Path) -> None:
    write(PROCFILE, "Procfile")
    config = up("Procfile")
    assert config.listen.bind == Address("localhost", 8000)
    assert config.file == Path("Procfile")
    start = Readiness("start")
    assert config.services == (
        ServiceConfig(
            AUTO,
            ("sh", "-c", "bundle exec puma -p $PORT"),
            name="web",
            routes=(Route(),),
            watch=QUIET,
        ),
        ServiceConfig(
            NOWHERE,
            ("bundle", "exec", "sidekiq", "-q", "a b"),
            name="worker",
            routes=(),
            watch=QUIET,
            readiness=start,
        ),
        ServiceConfig(
            NOWHERE,
            ("sh", "-c", "cd frontend && npm run watch"),
            name="css",
            routes=(),
            watch=QUIET,
            readiness=start,
        ),
        ServiceConfig(
            AUTO,
            ("sh", "-c", "vite --port ${PORT}"),
            name="vite_dev",
            routes=(),
            watch=QUIET,
            readiness=Readiness("tcp"),
        ),
        ServiceConfig(
            NOWHERE,
            ("rake", "db:migrate"),
            name="release",
            routes=(),
            watch=QUIET,
            readiness=start,
            is_task=True,
        ),
    )


def test_names_and_options_choose_and_change_services(project: Path) -> None:
    (project / "sub").mkdir()
    write(PROCFILE, "sub/Procfile.dev")
    config = up("./sub/Procfile.dev", "worker", "--bind", "9000", "--pattern", "*.rb")
    assert [each.name for each in config.services] == ["worker"]
    assert config.services[0].watch.patterns == ("*.rb",)
    assert config.services[0].watch.restarts
    assert config.listen.bind == Address("localhost", 9000)
    assert Path.cwd() == project / "sub"


def test_printed_procfile_is_a_configuration_file(project: Path) -> None:
    write(PROCFILE, "Procfile")
    (project / ".env").write_text("A=1\nB='x'")
    config = up("Procfile")
    assert up_with(written(config)) == config


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("web", "Procfile:1: not a line NAME: COMMAND: 'web'"),
        ("# a\n\nweb serve", "Procfile:3: not a line NAME: COMMAND: 'web serve'"),
        ("web:", "Procfile:1: not a line NAME: COMMAND: 'web:'"),
        ("w.b: serve", "Procfile:1: not a line NAME: COMMAND: 'w.b: serve'"),
        ("web: a\nweb: b", "Procfile:2: web is also in line 1"),
        ("web: a\nWeb: b", "Procfile:2: web is also in line 1"),
        ("\nweb: serve 'a", "Procfile:2: web: No closing quotation"),
        ("a: b\nhpp: a", "Procfile:2: service.hpp: hpp is the proxy's own: choose another"),
        ("a: {b.port}", "Procfile:1: service.a: {b.port}: there is no service 'b'"),
        ("# only\n", "Procfile has no line NAME: COMMAND"),
    ],
)
def test_line_that_cannot_be_read_is_an_error(text: str, error: str) -> None:
    write(text, "Procfile")
    with pytest.raises(UserError) as raised:
        up("Procfile")
    assert str(raised.value) == error


def test_variables_beside_it_are_read_as_foreman_does(project: Path) -> None:
    file = project / ".env"
    assert env_variables(file) == {}
    file.write_text(
        "# comment\nA=1\nB='two words' \nC='it''s'\nD=\"a\\nb \\\"c\\\" \\\\d\"\nexport E=1\n"
        "F=\nPORT=5000\nG=x # y\nH=$A\r\n I=1\nJ='\n"
    )
    assert env_variables(file) == {
        "A": "1",
        "B": "'two words' ",
        "C": "it''s",
        "D": 'a\nb "c" \\d',
        "F": "",
        "G": "x # y",
        "H": "$A",
        "J": "'",
    }
    write("web: serve", "Procfile")
    assert dict(up("Procfile").services[0].env) == env_variables(file)


def test_procfile_is_named_if_nothing_else_is_there(project: Path) -> None:
    with pytest.raises(UserError, match=r"there is no http-process-proxy\.toml here"):
        up()
    write("web: serve", "Procfile")
    with pytest.raises(UserError, match="write: hpp up Procfile"):
        up()
