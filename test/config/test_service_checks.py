"""Mistakes in a file of several services: one line each, with the file, the line and the key."""

from pathlib import Path

import pytest

from httpprocessproxy.core.errors import UserError
from test.config.files import SHOP, up, up_with


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


A = '[service.a]\nexec = "a"\n'
B = '[service.b]\nexec = "b"\n'


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (A + "watc = 1", "3: unknown key 'service.a.watc': did you mean watch?"),
        ("bnid = 1\n" + A, "1: unknown key 'bnid': did you mean bind?"),
        ("[servce.a]\n", "1: unknown key 'servce': did you mean service?"),
        ('exec = "a"\n' + A, "1: exec: a key of one service: write it below [service.NAME]"),
        ('route = "/"', "1: route: a key of one service: write it below [service.NAME]"),
        (
            A + "bind = 1",
            "3: service.a.bind: a key of the whole proxy: write it above the first table",
        ),
        (
            A + 'watcher = "polling"',
            "3: service.a.watcher: a key of the whole proxy: write it above the first table",
        ),
        (
            '[task.a]\nexec = "a"\nroute = "/"',
            "3: task.a.route: not a key of a task, which answers no requests",
        ),
        ("[service]\na = 1", "2: service.a: write a table [service.NAME], not 1"),
        ("task = 1", "1: task: write a table [task.NAME]"),
        ("[service.A]\n", "1: service.A: a name consists of a-z, 0-9, _ and -"),
        ("[service.hpp]\n", "1: service.hpp: hpp is the proxy's own: choose another"),
        (
            A + '[task.a]\nexec = "a"',
            "3: task.a: a task and a service need two names",
        ),
        (A + "drain = true", "3: service.a.drain: a number or a text, not True"),
        (A + "env = 1", "3: service.a.env: a table of texts, not 1"),
        (A + "env = {A = true}", "3: service.a.env: a number or a text, not True"),
        (A + "strip = 1", "3: service.a.strip: true or false, not 1"),
        (
            A + 'ready = "ftp"',
            "3: service.a.ready: not a readiness check: 'ftp' "
            "(tcp, http:/PATH, log:TEXT, exec:COMMAND, notify or start)",
        ),
        (A + 'ready = "log:"', "3: service.a.ready: not a readiness check: 'log:' *"),
        (A + 'ready = "tcp:80"', "3: service.a.ready: not a readiness check: 'tcp:80' *"),
        (A + 'ready = "exec: "', "3: service.a.ready: not a readiness check: 'exec: ' *"),
        (A + 'ready = "exec:\'"', '3: service.a.ready: "\'": No closing quotation'),
        (A + 'ready = "http:up"', "3: service.a.ready: not a path: 'up' *"),
        (A + 'stop = "NOW"', "3: service.a.stop: unknown signal: 'NOW' *"),
        (A + 'stop = "TERM soon"', "3: service.a.stop: not a time: 'soon' *"),
        (
            A + 'route = "/"\nidle = "1 day"',
            "4: service.a.idle: not a time: '1 day' (as in 90, 500ms, 10s, 15m or 2h)",
        ),
        (
            A + 'stop = "TERM"\nkill-signal = "INT"',
            "4: service.a.kill-signal: stop sets the same: keep one of them",
        ),
        (
            A + 'ping = "tcp"\nready = "tcp"',
            "4: service.a.ready: ping sets the same: keep one of them",
        ),
        (
            A + 'watch = "a"\npattern = "a"',
            "4: service.a.pattern: watch sets the same: keep one of them",
        ),
        (
            "[service.a]\n",
            "1: service.a: there is nothing to run: add exec, or the address of a server that you "
            "start yourself",
        ),
        ("[task.a]\n", "1: task.a: there is nothing to run: add exec"),
        ('[service.a]\nexec = ""', "2: service.a.exec: the command is empty"),
        ('[service.a]\nexec = "a \'"', '2: service.a.exec: "a \'": No closing quotation'),
        (
            '[service.a]\nexec = "a && b"',
            "2: service.a.exec: no shell runs it, for '&&': write sh -c '...', or a list of words",
        ),
        ('[service.a]\nexec = "a $PORT"', "2: service.a.exec: no shell runs it, for '$PORT': *"),
        ('[service.a]\nexec = "A=1 b"', "2: service.a.exec: no shell runs it, for 'A=1': *"),
        (A + 'before = "cd x"', "3: service.a.before: no shell runs it, for 'cd': *"),
        (
            A + 'asgi = "a:b"',
            "3: service.a.asgi: exec and asgi are two things to run: keep one",
        ),
        (
            A + 'idle = "1h"',
            "3: service.a.idle: no request starts it again: leave idle out",
        ),
        (
            '[service.a]\naddress = 9000\nroute = "/"\nidle = "1h"',
            "4: service.a.idle: the proxy does not start it: leave idle out",
        ),
        (A + 'dir = "none"', "3: service.a.dir: there is no folder 'none'"),
        (
            A + 'route = "/"\naddress = "off"',
            "4: service.a.address: a service with a route has an address",
        ),
        (
            A + 'needs = "bb"\n' + B,
            "3: service.a.needs: there is no service 'bb': did you mean b?",
        ),
        (A + 'follow = ["c"]\n', "3: service.a.follow: there is no service 'c'"),
        (A + 'needs = "a"', "3: service.a.needs: 'a' needs itself"),
        (
            A + 'needs = "b"\n' + B + 'needs = "a"',
            "3: service.a.needs: a circle: 'a' needs 'b', which needs 'a'",
        ),
        (
            A + B + 'follow = "a"\n[service.c]\nexec = "c"\nfollow = ["c"]',
            "8: service.c.follow: 'c' follows itself",
        ),
        (
            A + 'env = {B = "{bb.port}"}\n' + B,
            "3: service.a.env: {bb.port}: there is no service 'bb': did you mean b?",
        ),
        (
            '[service.a]\nexec = "a {b.prt}"\n' + B,
            "2: service.a.exec: {b.prt}: a service has port and url: did you mean port?",
        ),
        (
            A + 'before = "a {b.url}"\n[task.b]\nexec = "b"',
            "3: service.a.before: {b.url}: a task has no port",
        ),
        (
            A + 'ready = "exec:a {c.port}"',
            "3: service.a.ready: {c.port}: there is no service 'c'",
        ),
        (
            A + 'route = "/x"\n' + B + 'route = ["/y", "/x/**"]',
            "6: service.b.route: /x/** is a route of service 'a' as well",
        ),
        (A + 'route = "/_hpp/x"', "3: service.a.route: route '/_hpp/x': *"),
        (
            A + 'route = "hpp.localhost"',
            "3: service.a.route: no request reaches hpp.localhost/**: the host is the dashboard's",
        ),
        (
            A + 'route = "shop.example"',
            "3: service.a.route: no request reaches shop.example/**: the host is refused: "
            'add allowed-host = ["shop.example"]',
        ),
        (
            A + 'route = "*.shop.example/a"',
            "3: service.a.route: no request reaches *.shop.example/a/**: the host is refused: "
            'add allowed-host = ["*.shop.example"]',
        ),
        (
            A + 'route = "/a/../b"',
            "3: service.a.route: no request reaches /a/../b/**: its normal form is /b",
        ),
        (
            A + 'route = "/%61"',
            "3: service.a.route: no request reaches /%61/**: its normal form is /a",
        ),
        (
            A + 'route = "/a?b"',
            "3: service.a.route: no request reaches /a?b/**: a path ends before ? and #",
        ),
        (
            A + "address = 8000",
            "3: service.a.address: localhost:8000 is also BIND: choose another port",
        ),
        (
            A + "address = 9000\n" + B + 'address = "127.0.0.1:9000"',
            "6: service.b.address: 127.0.0.1:9000 is also the address of service 'a'",
        ),
    ],
)
def test_mistake_is_one_line_with_its_place(text: str, error: str) -> None:
    with pytest.raises(UserError) as raised:
        up_with(text)
    place = "http-process-proxy.toml:"
    if error.endswith("*"):
        assert str(raised.value).startswith(place + error.removesuffix("*"))
    else:
        assert str(raised.value) == place + error
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        A + 'env = {A = "{name.first} {} {print}"}',
        'allowed-host = ["*.shop.example"]\n' + A + 'route = "*.shop.example"',
        '[service.a]\nexec = ["a", "&&", "$B"]',
        "[service.a]\nexec = \"sh -c 'a && b $PORT'\"",
        A + 'route = "a.localhost"\n' + B + 'route = "*.localhost"',
        "[service.a]\naddress = 9000\n[service.b]\naddress = 9000",
        A + 'follow = "b"\n' + B + 'needs = "a"',
        'idle = "1h"\n' + A + '[service.b]\naddress = 9000\nroute = "/"',
        "[service.a]\nexec = 'a \"{b.port}\"'\n[service.b]\naddress = 9000\n",
        SHOP,
    ],
)
def test_valid_file_is_accepted(text: str) -> None:
    assert up_with(text).services


def test_table_in_pyproject_has_its_line(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[tool.http-process-proxy.service.a]\nexec = "a"\nneeds = "b"\n'
    )
    with pytest.raises(UserError) as raised:
        up()
    assert str(raised.value) == "pyproject.toml:5: service.a.needs: there is no service 'b'"
