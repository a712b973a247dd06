"""The verbs of a running project: it starts in the background once, and is asked many times."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from test.deadline import eventually
from test.harness import BACKENDS
from test.shell import Shell

ECHO = f"{sys.executable} {BACKENDS / 'echo.py'} {{port}}"
PRINTER = f'{sys.executable} -u -c "import time; print(1); print(2); print(3); time.sleep(9999)"'
FILE = f"""
bind = "auto"
livereload-port = 0
watcher = "embedded"
[service.api]
exec = "{ECHO}"
route = "/api/**"
[service.web]
exec = "{ECHO}"
route = "/**"
[service.worker]
exec = '{PRINTER}'
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A project that runs in the background."""
    folder = tmp_path_factory.mktemp("shop")
    shell = Shell(folder / "project", folder / "state")
    (shell.folder / "http-process-proxy.toml").write_text(FILE)
    try:
        started = shell.hpp("up", "-d")
        assert started.returncode == 0, started
        assert re.match(r"http://localhost:\d+/\napi: running, gen", started.stdout)
        yield shell
        ended = shell.hpp("down")
        assert ended.stdout == f"ended: {shell.folder.resolve()}\n"
        assert ended.returncode == 0
        shell.assert_empty()
        assert shell.hpp("down").returncode == 4
    finally:
        shell.end()


def members(shell: Shell, *words: str) -> dict[str, object]:
    found = json.loads(shell.hpp(*words, "--json").stdout)
    assert isinstance(found, dict)
    return found


def url(shell: Shell) -> str:
    return shell.hpp("url").stdout.strip()


def states(shell: Shell) -> dict[str, tuple[str, int]]:
    services = members(shell, "ps")["services"]
    assert isinstance(services, list)
    return {each["name"]: (each["state"], each["generation"]) for each in services}


def test_ps_lists_services_in_order(shop: Shell) -> None:
    listed = shop.hpp("ps")
    assert (listed.returncode, listed.stderr) == (0, "")
    head, *rows = listed.stdout.splitlines()
    assert head.split() == ["NAME", "STATE", "GENERATION", "PID", "ADDRESS", "SINCE"]
    assert [row.split()[:2] for row in rows] == [
        ["api", "running"],
        ["web", "running"],
        ["worker", "running"],
    ]


def test_proxy_is_found_from_a_folder_below(shop: Shell) -> None:
    inner = Shell(shop.folder / "src" / "pages", Path(shop.environment["XDG_RUNTIME_DIR"]))
    assert inner.hpp("ps").returncode == 0
    assert url(inner) == url(shop)


def test_list_of_all_proxies_has_the_folder(shop: Shell) -> None:
    elsewhere = Shell(shop.folder.parent / "other", Path(shop.environment["XDG_RUNTIME_DIR"]))
    assert str(shop.folder) in elsewhere.hpp("ps", "--all").stdout
    proxies = members(elsewhere, "ps", "--all")["proxies"]
    assert isinstance(proxies, list)
    assert [proxy["url"] for proxy in proxies] == [url(shop)]
    assert elsewhere.hpp("ps").returncode == 4


def test_address_names_another_proxy(shop: Shell) -> None:
    elsewhere = Shell(shop.folder.parent / "other", Path(shop.environment["XDG_RUNTIME_DIR"]))
    address = url(shop).split("/")[2]
    assert elsewhere.hpp("ps", "--bind", address).returncode == 0
    other_registry = Shell(shop.folder.parent / "other", shop.folder.parent / "empty")
    assert other_registry.hpp("ps", "--bind", address).returncode == 0
    assert other_registry.hpp("url", "--bind", address).stdout.startswith("http://localhost:")


def test_second_up_prints_the_url(shop: Shell) -> None:
    before = states(shop)
    again = shop.hpp("up")
    assert (again.returncode, again.stdout) == (0, f"runs already: {url(shop)}\n")
    again = shop.hpp("up", "--no-inject")  # the configuration is read
    assert (again.returncode, again.stdout) == (0, f"runs already: {url(shop)}\n")
    for words in (["up", "-d"], ["up", "-d", "--no-inject"]):
        again = shop.hpp(*words)
        assert again.returncode == 0
        assert again.stdout.startswith(f"runs already: {url(shop)}\napi: running")
    assert states(shop) == before


def test_url_of_a_service_has_its_route(shop: Shell) -> None:
    assert shop.hpp("url", "api").stdout == f"{url(shop)}api/\n"
    assert members(shop, "url", "api") == {"url": f"{url(shop)}api/"}
    nowhere = shop.hpp("url", "worker")
    assert nowhere.returncode == 2
    assert "worker has no URL" in nowhere.stderr


def test_logs_have_the_name_of_each_service(shop: Shell) -> None:
    eventually(lambda: "3" in shop.hpp("logs", "worker").stdout)
    assert shop.hpp("logs", "worker").stdout == "1\n2\n3\n"
    assert shop.hpp("logs", "-n", "1").stdout == "worker | 3\n"
    assert members(shop, "logs", "worker") == {"output": {"worker": "1\n2\n3\n"}}


def test_followed_logs_go_on_over_a_restart(shop: Shell) -> None:
    follower = shop.start("logs", "-f", "-n", "1", "worker", "web")
    try:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "worker | 3\n"
        assert shop.hpp("restart", "worker").returncode == 0
        assert follower.stdout.readline() == "worker | 1\n"
    finally:
        follower.kill()
        follower.communicate()


def test_restart_is_of_the_named_service_alone(shop: Shell) -> None:
    before = states(shop)
    done = shop.hpp("restart", "api")
    assert done.returncode == 0
    assert re.fullmatch(r"api: running, generation \d+, pid \d+\n", done.stdout)
    after = states(shop)
    assert after["api"] == ("running", before["api"][1] + 1)
    assert after["web"] == before["web"]


def test_stopped_service_stays_stopped_until_it_is_started(shop: Shell) -> None:
    stopped = shop.hpp("stop", "web")
    assert stopped.returncode == 0
    assert states(shop)["web"][0] == "stopped"
    assert states(shop)["api"][0] == "running"
    assert shop.hpp("start", "web").returncode == 0
    assert states(shop)["web"][0] == "running"


def test_run_gives_the_command_the_addresses(shop: Shell) -> None:
    shop.hpp("stop", "worker")
    code = "import os,sys; print(os.environ['HPP_URL'], os.environ['API_URL'], sys.argv[1:])"
    words = ["{url}", "{api.url}", "{other}"]
    done = shop.hpp("run", "--", sys.executable, "-c", code, *words)
    site = url(shop)
    assert done.stdout == f"{site} {site}api/ {[site, f'{site}api/', '{other}']}\n"
    assert done.returncode == 0
    assert states(shop)["worker"][0] == "stopped", "as before"
    assert shop.hpp("start", "worker").returncode == 0


@pytest.mark.parametrize(
    ("command", "status"),
    [(["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137), (["/no/such"], 2)],
)
def test_run_exits_with_the_status_of_the_command(
    shop: Shell, command: list[str], status: int
) -> None:
    assert shop.hpp("run", "--", *command).returncode == status


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["restart", "wep"], "no service has the name 'wep': did you mean web?"),
        (["logs", "zzzzz"], "no service has the name 'zzzzz': there are api, web, worker"),
        (["restart"], "the following arguments are required: NAME"),
        (["ps", "--jsom"], "unrecognized arguments: --jsom: did you mean --json?"),
        (["pss"], "'pss' is neither an address nor a verb: did you mean ps?"),
        (["run"], "the command is missing"),
        (["down", "--timeout", "x"], "not a time: 'x'"),
        (["ps", "--bind", "x"], "not an address: 'x'"),
    ],
)
def test_bad_words_are_one_line(shop: Shell, words: list[str], text: str) -> None:
    answer = shop.hpp(*words)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert text in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_error_is_json_where_json_is_wanted(shop: Shell) -> None:
    answer = shop.hpp("restart", "wep", "--json")
    assert (answer.returncode, answer.stderr) == (2, "")
    assert "did you mean web?" in json.loads(answer.stdout)["error"]
    elsewhere = Shell(shop.folder.parent / "other", shop.folder.parent / "empty")
    answer = elsewhere.hpp("ps", "--json")
    assert (answer.returncode, answer.stderr) == (4, "")
    assert "no proxy runs" in json.loads(answer.stdout)["error"]


@pytest.mark.parametrize("verb", ["ps", "logs", "restart", "run", "down", "url"])
def test_verb_imports_no_large_module(verb: str) -> None:
    """Each of them takes longer than the verb itself."""
    code = "import sys; from httpprocessproxy.cli import VERBS; VERBS[sys.argv[1]]()"
    loaded = f"{code}; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", loaded, verb], capture_output=True, text=True, check=True
    ).stdout.split()
    large = {"asyncio", "aiohttp", "ssl", "email", "http.client", "httpprocessproxy.config"}
    assert large & set(found) == set()
